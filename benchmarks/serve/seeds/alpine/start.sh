#!/bin/sh
# nginx-uwsgi-flask-alpine: Nginx and uWSGI in one container (Supervisor left out), 1 process that becomes cores + 1.
nginx -c /seeds/alpine/nginx.conf &
exec uwsgi --ini /seeds/alpine/uwsgi.ini
