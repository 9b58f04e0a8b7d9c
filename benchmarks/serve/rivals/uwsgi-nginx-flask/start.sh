#!/bin/sh
# uwsgi-nginx-flask-docker: Nginx and uWSGI in one container (without Supervisor), 2 to 16
# processes.
# uWSGI reads the variables itself.
export UWSGI_CHEAPER=2 UWSGI_PROCESSES=16 UWSGI_INI=/rivals/uwsgi-nginx-flask/app.ini
nginx -c /rivals/uwsgi-nginx-flask/nginx.conf &
exec uwsgi --ini /rivals/uwsgi-nginx-flask/uwsgi.ini
