#!/bin/sh
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The entrypoint of an image of PostgreSQL from the distribution's packages. It reads the variables
# of the official image, so that a container can change from one to the other: POSTGRES_PASSWORD,
# POSTGRES_USER and POSTGRES_DB (each also with _FILE), POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, PGDATA, and the files in /docker-entrypoint-initdb.d.
set -eu

fail() {
    echo "flaskops: $*" >&2
    exit 1
}

# The value of a variable, or the content of the file that its _FILE names, or a default.
value_of() {
    eval "direct=\${$1-} file=\${$1_FILE-}"
    if [ -n "$direct" ] && [ -n "$file" ]; then
        fail "$1 and $1_FILE are both set; keep one."
    fi
    if [ -n "$file" ]; then
        cat "$file" || fail "$1_FILE names $file, which cannot be read."
    else
        printf '%s' "${direct:-$2}"
    fi
}

initialize() {
    user=$(value_of POSTGRES_USER postgres)
    database=$(value_of POSTGRES_DB "$user")
    password=$(value_of POSTGRES_PASSWORD '')
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        fail 'a new database needs POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE; both are empty.'
    fi
    given=$(mktemp)
    printf '%s\n' "$password" > "$given"
    # shellcheck disable=SC2086 # several words
    initdb --username="$user" --auth-local=trust --auth-host="$method" --encoding=UTF8 \
        ${password:+--pwfile="$given"} ${POSTGRES_INITDB_ARGS:-} > /dev/null
    rm -f "$given"
    echo "host all all all $method" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    # Only a socket: nobody else may take it for a server that is ready.
    pg_ctl --silent --wait --options="-c listen_addresses=''" start > /dev/null
    PGUSER=$user PGDATABASE=$database
    export PGUSER PGDATABASE
    if [ "$database" != postgres ]; then
        echo 'CREATE DATABASE :"name";' | psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
            --set=name="$database" --dbname=postgres
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                # shellcheck disable=SC1090 # only a container has it
                if [ -x "$file" ]; then "$file"; else . "$file"; fi
                ;;
            *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --file="$file" ;;
            *.sql.gz) gunzip -c "$file" | psql --no-psqlrc --set=ON_ERROR_STOP=1 ;;
        esac
    done
    unset PGUSER PGDATABASE
    pg_ctl --silent --wait --mode=fast stop > /dev/null
}

case ${1:-} in
    '' | -*) set -- postgres "$@" ;;
esac
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chown -R postgres:postgres "$PGDATA" /var/run/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    [ -s "$PGDATA/PG_VERSION" ] || initialize
fi
exec "$@"
