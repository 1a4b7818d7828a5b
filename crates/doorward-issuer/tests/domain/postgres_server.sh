# A PostgreSQL server for tests: postgres_server.sh FOLDER ADDRESS [SETTING...]
#
# Obeys the words `start`, `stop` (in order), `crash` (every process gone at
# once) on its input and answers each with a line. When the input ends, however
# the test ended, the server is stopped and the folder deleted.
set -eu
folder=$1 address=$2
shift 2

for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(pg_config --bindir 2>/dev/null || true); do
    [ -x "$bin/initdb" ] && break
done

# PostgreSQL refuses to run as root.
as() {
    if [ "$(id -u)" = 0 ]; then
        HOME=/ setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    else
        "$@"
    fi
}

options="-c unix_socket_directories=$folder"
case $address in
    '') options="$options -c listen_addresses=''" ;;
    *) options="$options -c listen_addresses=${address%:*} -c port=${address##*:}" ;;
esac
for setting in "$@"; do options="$options -c $setting"; done

pg() { as "$bin/pg_ctl" -D "$folder/data" -s "$@" >/dev/null 2>&1 </dev/null; }

end() {
    pg -m immediate stop || true
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

# A file that the server can read, whoever made it.
give() { as sh -c 'umask 077; cat >"$1"' sh "$2" <"$1"; }

chmod 700 "$folder"
[ "$(id -u)" != 0 ] || chown postgres "$folder"
cd "$folder"
# With PASSWORD_FILE the server asks for that password, with TLS it has a
# certificate: server.crt and server.key of that folder.
auth=trust
if [ -n "${PASSWORD_FILE:-}" ]; then
    give "$PASSWORD_FILE" "$folder/password"
    auth=scram-sha-256
fi
as "$bin/initdb" -D "$folder/data" -U doorward -A "$auth" ${PASSWORD_FILE:+--pwfile="$folder/password"} \
    -E UTF8 --locale=C -N >"$folder.log" 2>&1 || { cat "$folder.log" >&2; rm -f "$folder.log"; exit 1; }
rm -f "$folder.log"
if [ -n "${TLS:-}" ]; then
    for file in server.crt server.key; do give "$TLS/$file" "$folder/data/$file"; done
    options="$options -c ssl=on"
fi

while read -r word; do
    case $word in
        start) pg -w -t 60 -l "$folder/log" -o "$options" start && echo started || { cat "$folder/log" >&2; echo failed; } ;;
        stop) pg -w -m fast stop && echo stopped ;;
        crash) pg -w -m immediate stop && echo crashed ;;
    esac
done
