#!/usr/bin/env bash
# Understands POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, PGDATA, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, their *_FILE forms and
# /docker-entrypoint-initdb.d as the official image does, so that a chart or a test can take either image.
# Writes only below PGDATA, /var/run/postgresql and /tmp: the root file system may be read-only.
set -euo pipefail

setting() { # NAME DEFAULT: the variable, or the content of the file that NAME_FILE names
  local file=${1}_FILE
  if [ -n "${!1:-}" ] && [ -n "${!file:-}" ]; then
    echo "error: both $1 and $file are set" >&2
    exit 1
  fi
  if [ -n "${!file:-}" ]; then printf -v "$1" '%s' "$(< "${!file}")"; else printf -v "$1" '%s' "${!1:-$2}"; fi
}

initialise() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    echo "error: the database is uninitialised and POSTGRES_PASSWORD is not set" >&2
    exit 1
  fi
  # initdb takes the password from a file only; the arguments are a list of words by contract.
  # shellcheck disable=SC2086
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-unused}") $POSTGRES_INITDB_ARGS
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"

  # No TCP until all is in place: whoever connects over it must find the database complete.
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  local sql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password)
  if [ "$POSTGRES_DB" != postgres ]; then
    "${sql[@]}" --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else bash "$file"; fi ;;
      *.sql) "${sql[@]}" --dbname "$POSTGRES_DB" -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "${1:-}" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres:postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi

mkdir -p "$PGDATA"
chmod 0700 "$PGDATA" 2> /dev/null || true
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  setting POSTGRES_USER postgres
  setting POSTGRES_PASSWORD ""
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS ""
  setting POSTGRES_HOST_AUTH_METHOD scram-sha-256
  export PGPASSWORD=$POSTGRES_PASSWORD
  initialise
  unset PGPASSWORD
fi
exec "$@"
