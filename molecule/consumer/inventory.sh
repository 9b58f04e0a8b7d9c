#!/bin/sh
# inventory.sh DIRECTORY   records what the owner of a host has and the roles must not change, in
#                          one file for each kind
set -eu
mkdir -p "$1"
docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' legacy >"$1/container"
find /etc/nginx -type f ! -path '/etc/nginx/flaskops/*' ! -path '/etc/nginx/conf.d/flaskops.*' \
    -exec sha256sum {} + | sort >"$1/nginx"
find /etc/nginx/sites-enabled /etc/nginx/modules-enabled -type l -exec ls -l {} + >>"$1/nginx"
sha256sum /etc/ssl/certs/shop.pem /etc/ssl/private/shop.key >>"$1/nginx"
sha256sum /etc/docker/daemon.json >"$1/daemon"
systemctl show --property MainPID docker nginx >"$1/services"
dpkg-query --show 'docker*' 'nginx*' containerd runc >"$1/packages" 2>/dev/null || true
