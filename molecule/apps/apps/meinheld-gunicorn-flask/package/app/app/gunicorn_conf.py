"""Gunicorn's configuration at /app/app/gunicorn_conf.py."""

import os

os.environ["CONFIGURED_BY"] = "/app/app/gunicorn_conf.py"
loglevel = os.getenv("LOG_LEVEL", "info")
bind = "0.0.0.0:80"
keepalive = 5
errorlog = "-"
worker_class = "egg:meinheld#gunicorn_worker"
workers = 1
