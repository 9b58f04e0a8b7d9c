#!/bin/sh
# Written by flaskops.host (role nginx). systemd runs it before it starts Nginx.
#
# One fragment that Nginx refuses would keep it from starting: all applications of the host would be
# down. So the links to the fragments are tried one by one. A link that Nginx refuses is put aside
# as NAME.conf.refused; the others serve. The next deploy of that application restores its link.
nginx=/usr/sbin/nginx

cd /etc/nginx/flaskops 2>/dev/null || exit 0

# Links that an interrupted guard left behind.
for held in */*.conf.held; do
    [ -L "$held" ] && mv -f "$held" "${held%.held}"
done
"$nginx" -t -q 2>/dev/null && exit 0

for link in */*.conf; do
    [ -L "$link" ] && mv -f "$link" "$link.held"
done
# Is something else wrong? Then no link is put aside, and Nginx itself reports the error.
alone=yes
"$nginx" -t -q 2>/dev/null || alone=no
for held in */*.conf.held; do
    [ -L "$held" ] || continue
    link=${held%.held}
    mv -f "$held" "$link"
    if [ "$alone" = yes ] && ! words=$("$nginx" -t -q 2>&1); then
        mv -f "$link" "$link.refused"
        echo "flaskops: $link is put aside, because Nginx refuses it;" \
            "deploy the application again. $words" >&2
    fi
done
exit 0
