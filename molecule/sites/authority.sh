#!/usr/bin/env bash
# A test authority on this host: pebble, with a private CA for its directory,
# https://localhost:14000/dir. Its CA is /etc/authority/ca.pem; its roots change at each start and
# are at https://localhost:15000/roots/0.
set -euo pipefail

mkdir -p /etc/authority
cd /etc/authority
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 \
    -addext keyUsage=critical,keyCertSign,cRLSign \
    -subj "/CN=test authority" -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=localhost" \
    -keyout key.pem -out request.pem 2>/dev/null
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 30 -out chain.pem \
    -extfile <(printf "%s\n" subjectAltName=DNS:localhost,IP:127.0.0.1 \
        authorityKeyIdentifier=keyid) 2>/dev/null
cat > pebble.json <<'JSON'
{
    "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": "/etc/authority/chain.pem",
        "privateKey": "/etc/authority/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": 7776000
    }
}
JSON
cat > /etc/systemd/system/authority.service <<'UNIT'
[Unit]
Description=Test authority

[Service]
Environment=PEBBLE_VA_NOSLEEP=1
ExecStart=/usr/bin/pebble -config /etc/authority/pebble.json
UNIT
systemctl daemon-reload
systemctl restart authority
