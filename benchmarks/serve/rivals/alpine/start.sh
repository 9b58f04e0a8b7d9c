#!/bin/sh
# nginx-uwsgi-flask-alpine: Nginx and uWSGI in one container (without Supervisor), 1 to cores + 1
# processes.
nginx -c /rivals/alpine/nginx.conf &
exec uwsgi --ini /rivals/alpine/uwsgi.ini
