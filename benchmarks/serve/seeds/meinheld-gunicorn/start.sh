#!/bin/sh
# meinheld-gunicorn-flask-docker: Gunicorn alone at the port, two workers for each core, no request log. $1 takes Meinheld's place where it is gone.
worker=${1:-sync}
[ ! -e /opt/seed/has-meinheld ] || worker=egg:meinheld#gunicorn_worker
cd /app && exec gunicorn -k "$worker" -c /seeds/meinheld-gunicorn/gunicorn_conf.py app:app
