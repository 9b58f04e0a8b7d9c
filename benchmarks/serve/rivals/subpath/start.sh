#!/bin/sh
# flask-docker-nginx-uwsgi-subpath: its entrypoint.sh.
exec uwsgi --home /opt/rivals --pythonpath /app --http 0.0.0.0:5000 \
    --wsgi-file /app/app.py --callable app
