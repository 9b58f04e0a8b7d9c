#!/bin/sh
# Written by flaskops.host (role nginx). systemd runs it before it starts Nginx.
#
# One fragment that Nginx refuses would keep it from starting, and take every application of the host down. So the links to the
# fragments are tried one by one, and the one that is refused is put aside as NAME.conf.refused; the others serve. The next
# deploy of that application sets its link again.
nginx=/usr/sbin/nginx

cd /etc/nginx/flaskops 2>/dev/null || exit 0

# What a power cut left of a guard before.
for held in */*.conf.held; do
    [ -L "$held" ] && mv -f "$held" "${held%.held}"
done
"$nginx" -t -q 2>/dev/null && exit 0

for link in */*.conf; do
    [ -L "$link" ] && mv -f "$link" "$link.held"
done
# Is it something else? Then nobody is put aside, and Nginx says it itself.
alone=yes
"$nginx" -t -q 2>/dev/null || alone=no
for held in */*.conf.held; do
    [ -L "$held" ] || continue
    link=${held%.held}
    mv -f "$held" "$link"
    if [ "$alone" = yes ] && ! words=$("$nginx" -t -q 2>&1); then
        mv -f "$link" "$link.refused"
        echo "flaskops: $link is put aside, for Nginx refuses it; deploy the application again. $words" >&2
    fi
done
exit 0
