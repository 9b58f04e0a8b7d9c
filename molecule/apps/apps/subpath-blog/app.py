"""As the subpath blog lays an application out: one Blueprint, and DOMAIN before its routes where ENV is PROD."""

import os

from flask import Blueprint, Flask, redirect, render_template, request, url_for

environment = os.environ["ENV"]
app_domain = os.environ["DOMAIN"] if environment == "PROD" else ""

app = Flask(__name__, static_folder=None)
app_bp = Blueprint("app_bp", __name__, template_folder="templates", static_folder="static")


@app_bp.route("/")
def home():
    return render_template("index.html", app_domain=app_domain)


@app_bp.route("/main")
def main():
    return render_template("main.html", app_domain=app_domain)


@app_bp.route("/order")
def order():
    return redirect(url_for("app_bp.main"))


@app_bp.get("/whoami")
def whoami():
    return {
        "remote_addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url_root": request.url_root,
        "script_root": request.script_root,
        "release": os.environ.get("FLASKOPS_RELEASE"),
        "pid": os.getpid(),
        "server": "uWSGI" if "uwsgi.version" in request.environ else request.environ["SERVER_SOFTWARE"],
    }


if environment == "PROD":
    app.register_blueprint(app_bp, url_prefix=app_domain)
else:
    app.register_blueprint(app_bp)

if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
