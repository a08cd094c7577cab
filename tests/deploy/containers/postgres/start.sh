# The first start makes the cluster, the role and the database, and runs /docker-entrypoint-initdb.d, as the official image does.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust --no-sync
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait start -o "-c listen_addresses='' -k /var/run/postgresql"
    [ "$POSTGRES_DB" = postgres ] || createdb --username "$POSTGRES_USER" --host /var/run/postgresql "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ ! -f "$script" ] || psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --host /var/run/postgresql \
            --dbname "$POSTGRES_DB" --file "$script"
    done
    pg_ctl --wait --mode fast stop
fi
exec postgres -c "listen_addresses=*" -c unix_socket_directories=/var/run/postgresql
