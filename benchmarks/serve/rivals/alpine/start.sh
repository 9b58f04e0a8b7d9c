#!/bin/sh
# nginx-uwsgi-flask-alpine: Nginx and uWSGI in one container (Supervisor left out), 1 process that becomes cores + 1.
nginx -c /rivals/alpine/nginx.conf &
exec uwsgi --ini /rivals/alpine/uwsgi.ini
