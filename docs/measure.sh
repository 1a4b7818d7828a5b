#!/usr/bin/env bash
# Measures what docs/figures.md states and prints it as a Markdown table.
#
#   docs/measure.sh                   everything; a clean release build, so minutes
#   docs/measure.sh --binary PATH     only what a binary that is there can tell
#
# Linux (memory is read from /proc), bash and curl. For figures worth writing
# down, let nothing else run on the machine.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly gateway=127.0.0.1:41800
readonly admin=127.0.0.1:41801
readonly rounds=9

scratch="$(mktemp -d)"
server=
trap 'stop_server; rm -rf "$scratch"' EXIT

main() {
    local binary=
    if [[ "${1:-}" == --binary ]]; then binary="$(realpath "${2:?--binary needs a path}")"; fi

    echo "Measured on $(date -u +%F), $(nproc) cores ($(cpu)), $(rustc --version)."
    echo
    echo "| Figure | Value |"
    echo "| --- | --- |"
    row "packages in the default build" "$(packages doorward)"
    row "packages that \`doorward-verify\` brings to a service" "$(packages doorward-verify)"
    if [[ -z "$binary" ]]; then
        clean_build
        binary="$scratch/target/release/doorward"
    fi
    row "binary" "$(mebibytes "$(stat --format %s "$binary")")"
    starts "$binary"
    idle_memory "$binary"
}

row() { echo "| $1 | $2 |"; }

cpu() { sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1; }

mebibytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

# Each package and version once: linked, or run by a build script.
packages() {
    cargo tree --locked --package "$1" --edges normal,build --prefix none --format '{p}' |
        sed 's/ (\*)$//' | sort -u | wc -l
}

# The README's build, from nothing; the download is not counted.
clean_build() {
    local TIMEFORMAT='%U %S %R' user system wall
    cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')" >&2
    {
        time CARGO_TARGET_DIR="$scratch/target" \
            cargo build --release --locked --quiet --package doorward >"$scratch/build.log" 2>&1
    } 2>"$scratch/time" || { cat "$scratch/build.log" >&2; return 1; }
    read -r user system wall <"$scratch/time"
    row "clean \`cargo build --release\`, CPU" "$(awk -v u="$user" -v s="$system" 'BEGIN { printf "%.0f s", u + s }')"
    row "clean \`cargo build --release\`, wall clock" "$(awk -v w="$wall" 'BEGIN { printf "%.0f s", w }')"
}

# From the process's start to the first access token in the caller's hand: keys,
# accounts and one Argon2id are in it.
starts() {
    local empty=() existing=() round
    for ((round = 0; round < rounds; round++)); do
        rm -rf "$scratch/data"
        empty+=("$(start_to_token "$1")")
        existing+=("$(start_to_token "$1")")
    done
    row "start to first token, empty folder, median of $rounds" "$(median "${empty[@]}") ms"
    row "start to first token, existing folder, median of $rounds" "$(median "${existing[@]}") ms"
}

idle_memory() {
    rm -rf "$scratch/data"
    start_server "$1"
    await_token
    stop_server
    start_server "$1" # so that no sign-in has touched the memory
    await_health
    sleep 5
    row "idle resident memory" "$(mebibytes "$(resident_bytes)")"
    stop_server
}

resident_bytes() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$server/status"; }

start_to_token() {
    local begin end
    begin="$EPOCHREALTIME"
    start_server "$1"
    await_token
    end="$EPOCHREALTIME"
    stop_server
    awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.0f\n", (e - b) * 1000 }'
}

start_server() {
    "$1" up --demo --data "$scratch/data" --listen "$gateway" --admin-listen "$admin" \
        >"$scratch/server.log" 2>&1 </dev/null &
    server=$!
}

stop_server() {
    [[ -n "$server" ]] || return 0
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

await_health() { await curl --silent --fail --output /dev/null "http://$gateway/health"; }

await_token() { await sign_in; }

sign_in() {
    local password
    # The first user that the demo writes down.
    password="$(grep -o '"password": *"[^"]*"' "$scratch/data/demo.json" 2>/dev/null | head -n 1 | cut -d '"' -f 4)"
    [[ -n "$password" ]] || return 1
    curl --silent --fail --output /dev/null --header 'content-type: application/json' \
        --data "{\"username\":\"reader\",\"password\":\"$password\"}" "http://$gateway/auth/sign-in"
}

await() {
    local tries
    for ((tries = 0; tries < 2000; tries++)); do
        if "$@"; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.005
    done
    echo "no answer from the server; its log:" >&2
    cat "$scratch/server.log" >&2
    return 1
}

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

main "$@"
