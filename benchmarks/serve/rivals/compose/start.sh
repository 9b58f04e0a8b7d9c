#!/bin/sh
# flask-nginx-uwsgi-docker-compose: uWSGI here, Nginx in a separate container. The socket is in a
# volume that they share, and chmod-socket lets Nginx in: as written in the original
# ("./uwsgi.sock" in each container, 660) it cannot be reached.
exec uwsgi --ini /rivals/compose/uwsgi.ini
