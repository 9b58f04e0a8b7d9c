#!/bin/sh
# uwsgi-nginx-flask-docker: Nginx and uWSGI in one container (Supervisor left out), 2 processes that become 16 when needed.
# uWSGI reads the variables itself.
export UWSGI_CHEAPER=2 UWSGI_PROCESSES=16 UWSGI_INI=/rivals/uwsgi-nginx-flask/app.ini
nginx -c /rivals/uwsgi-nginx-flask/nginx.conf &
exec uwsgi --ini /rivals/uwsgi-nginx-flask/uwsgi.ini
