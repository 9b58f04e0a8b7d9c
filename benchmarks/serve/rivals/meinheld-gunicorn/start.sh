#!/bin/sh
# meinheld-gunicorn-flask-docker: Gunicorn alone at the port, two workers for each core, no request
# log. $1 is the worker.
cd /app && exec gunicorn -k "$1" -c /rivals/meinheld-gunicorn/gunicorn_conf.py app:app
