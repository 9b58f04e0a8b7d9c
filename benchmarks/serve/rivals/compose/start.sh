#!/bin/sh
# flask-nginx-uwsgi-docker-compose: uWSGI here; Nginx is a container of its own. The socket is in a volume that both have, and chmod-socket lets
# Nginx in: as it is written there ("./uwsgi.sock" in each container, 660) it cannot be reached.
exec uwsgi --ini /rivals/compose/uwsgi.ini
