"""PC Builder: pick the parts of a PC, see what they cost and whether they fit, order them.

The app that flaskops.host deploys as a demonstration. All routes, templates and static files belong
to one Blueprint; with ENV=PROD it is registered under DOMAIN (for example /pc-builder-app),
otherwise at the root.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from pcbuilder import live, market, websocket
from pcbuilder.builds import Build, hints, read_build
from pcbuilder.catalogue import Catalogue
from pcbuilder.orders import (
    DELIVERIES,
    LARGEST_QUANTITY,
    LONGEST_NAME,
    InvalidOrder,
    decode,
    read_order,
)
from pcbuilder.settings import Settings, read_settings

HERE = Path(__file__).parent
catalogue = Catalogue.load(HERE / "data" / "components.json")
presets = [(preset, Build(preset.parts)) for preset in catalogue.presets]
app_bp = Blueprint("app_bp", __name__, template_folder="templates", static_folder="static")


# Pages


@app_bp.get("/")
def home() -> ResponseReturnValue:
    return render_template("home.html", presets=presets)


@app_bp.get("/main")
def main() -> ResponseReturnValue:
    """The builder; the parts in the query of a link are chosen."""
    build, unknown = read_build(request.args, catalogue)
    return render_template(
        "main.html", build=build, hints=hints(build), unknown=unknown, presets=presets
    )


@app_bp.get("/table")
def table() -> ResponseReturnValue:
    """All components. The browser filters and sorts them; without JavaScript, the query filters
    them.
    """
    wanted, text = request.args.get("category", ""), request.args.get("q", "")
    words = text.lower().split()
    names = {category.id: category.name for category in catalogue.categories}
    components = [
        component
        for component in catalogue.components
        if wanted in ("", component.category)
        and all(
            word in f"{component.name} {names[component.category]} {component.summary}".lower()
            for word in words
        )
    ]
    return render_template(
        "table.html", components=components, names=names, wanted=wanted, text=text
    )


@app_bp.route("/order", methods=["GET", "POST"])
def order() -> ResponseReturnValue:
    """The order form: POST, redirect, GET."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        placed, errors = read_order(request.form, catalogue)
        if placed:
            flash(f"Thank you: we have your order of {placed.name}.")
            return redirect(url_for("app_bp.confirmation", number=placed.number), code=303)
    build, _ = read_build(request.values, catalogue)
    page = render_template(
        "order.html",
        build=build,
        problems=build.problems(),
        errors=errors,
        form=request.form,
        deliveries=DELIVERIES,
        largest_quantity=LARGEST_QUANTITY,
        longest_name=LONGEST_NAME,
    )
    return page, 422 if errors else 200


@app_bp.get("/order/<number>")
def confirmation(number: str) -> ResponseReturnValue:
    try:
        placed = decode(number, catalogue)
    except InvalidOrder as error:
        current_app.logger.info("order refused: %s", error)
        abort(404, "There is no order with this number.")
    return render_template(
        "confirmation.html",
        order=placed,
        delivery=DELIVERIES[placed.delivery],
        paid=lambda component: market.quote(component, placed.tick).price,
    )


# For programs


@app_bp.get("/health")
def health() -> ResponseReturnValue:
    return {"status": "ok", "release": _settings().release}


@app_bp.get("/api/whoami")
def whoami() -> ResponseReturnValue:
    """What the app sees of the request: behind a proxy this must be the real client, scheme and
    host.
    """
    return {
        "remote_addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url_root": request.url_root,
        "script_root": request.script_root,
        "path": request.path,
        "app_domain": _settings().app_domain,
        "release": _settings().release,
        "secret_key_from": _settings().secret_key_from,
        "server": _server(),
        "process": os.getpid(),
    }


@app_bp.get("/api/components")
def api_components() -> ResponseReturnValue:
    tick = market.current_tick()
    components = [
        {**part.fields(), **vars(market.quote(part, tick))} for part in catalogue.components
    ]
    return {"tick": tick, "components": components}


@app_bp.get("/api/build")
def api_build() -> ResponseReturnValue:
    """Price, power and hints for the parts in the query; the builder requests them after each
    choice.
    """
    build, unknown = read_build(request.args, catalogue)
    return {
        "total": build.total(market.current_tick()),
        "watts": build.watts,
        "hints": [vars(hint) for hint in hints(build)],
        "missing": [category.name for category in build.missing(catalogue)],
        "unknown": unknown,
    }


@app_bp.route("/ws", websocket=True)
def live_prices() -> ResponseReturnValue:
    """Without `websocket=True` Werkzeug refuses the handshake with a 400."""
    try:
        connection = websocket.accept(request.environ)
    except websocket.Closed:
        abort(400, "The websocket handshake failed.")
    now = market.current_tick()
    shown = request.args.get("tick", now, type=int)  # the prices that the page shows already
    live.stream(connection, catalogue, since=min(max(shown, 0), now))
    return connection.finish()


@app_bp.get("/ws")
def websocket_only() -> ResponseReturnValue:
    return (
        {"error": "Open this address as a websocket."},
        426,
        {"Upgrade": "websocket", "Connection": "upgrade"},
    )


# What all pages share


@app_bp.app_context_processor
def page_context() -> dict[str, Any]:
    tick = market.current_tick()
    return {
        # The script root is empty unless the server mounts the app under a path.
        "app_domain": request.script_root + _settings().app_domain,
        "settings": _settings(),
        "server": _server(),
        "catalogue": catalogue,
        "nonce": _nonce(),
        "tick": tick,
        "quote": lambda component: market.quote(component, tick),
        "static": _static_url,
    }


@app_bp.app_template_filter("euros")
def euros(cents: int) -> str:
    return f"€{cents / 100:,.2f}"


@app_bp.after_app_request
def guard(response: Any) -> Any:
    """Let only our own scripts and styles run, and caches revalidate everything except static
    files, because prices move.
    """
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' 'nonce-{_nonce()}'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "app_bp.static":
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


@app_bp.app_errorhandler(404)
def not_found(error: Any) -> ResponseReturnValue:
    return render_template("not_found.html", reason=error.description), 404


def _settings() -> Settings:
    return current_app.config["SETTINGS"]


def _server() -> str:
    return (
        "uWSGI"
        if websocket.uwsgi
        else request.environ.get("SERVER_SOFTWARE", "unknown").split("/")[0]
    )


def _nonce() -> str:
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return g.nonce


def _static_url(filename: str) -> str:
    """The URL of a static file, with a digest of its content: a new release never uses cached old
    files.
    """
    return url_for("app_bp.static", filename=filename, v=_digest(filename))


@cache
def _digest(filename: str) -> str:
    return hashlib.sha256((HERE / "static" / filename).read_bytes()).hexdigest()[:8]


def create_app(environ: Mapping[str, str] = os.environ) -> Flask:
    settings = read_settings(environ)
    logging.basicConfig(format="%(asctime)s %(levelname)s [%(name)s] %(message)s")

    app = Flask(
        "PcBuilderApp", root_path=str(HERE), static_folder=None
    )  # static files are the Blueprint's
    app.logger.setLevel(settings.log_level)
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="pc_builder_session",
        SESSION_COOKIE_PATH=settings.app_domain or "/",  # other apps on this host never receive it
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.register_blueprint(app_bp, url_prefix=settings.app_domain or None)

    app.logger.info(
        "%d components loaded; routes under %s/", len(catalogue.components), settings.app_domain
    )
    if settings.secret_key_from == "random":
        app.logger.warning(
            "SECRET_KEY is not set: using a random key, so sessions end when the app restarts"
        )
    return app


app = create_app()
