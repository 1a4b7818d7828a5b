#!/usr/bin/env bash
# Builds the published binary: optimised as a whole, by a profile of its own work.
#
#   release/build.sh          target/published/doorward
#   release/build.sh --bare   target/published/bare, the data plane that bench/gateway measures
#
# It is built twice. The first build counts how often each branch is taken while
# release/train.py works it as its users do, and the second is laid out by the
# counts: the compiler knows then what is usual. Needs python3, openssl, curl and the
# compiler's `llvm-tools` (rustup component add llvm-tools).
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")"
host="$(rustc -vV | sed -n 's/^host: //p')"
readonly target host
readonly profdata="$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata"

main() {
    local what=(--package doorward --bin doorward --features mimalloc) built=doorward
    if [[ "${1:-}" == --bare ]]; then
        what=(--package doorward-gateway --example bare --features cedar,mimalloc) built=examples/bare
    elif (($#)); then
        echo "usage: release/build.sh [--bare]" >&2
        exit 2
    fi
    if [[ ! -x "$profdata" ]]; then
        echo "no llvm-profdata beside this compiler: rustup component add llvm-tools" >&2
        exit 1
    fi
    local program
    for program in python3 openssl curl; do
        if ! command -v "$program" >/dev/null; then
            echo "$program is not on this machine" >&2
            exit 1
        fi
    done
    local name counts profile
    name="$(basename "$built")"
    counts="$target/profiling/$name.counts" profile="$target/profiling/$name.profile"

    rm -rf "$counts"
    build profiling "-Cprofile-generate=$counts" "${what[@]}"
    release/train.py "$(finished profiling "$built")"
    "$profdata" merge --output "$profile" "$counts"
    build published "-Cprofile-use=$profile" "${what[@]}"
    cp "$(finished published "$built")" "$target/published/$name"
    echo "$target/published/$name"
}

# build FOLDER FLAG WHAT...
build() {
    # In this form the flag may have blanks. With the target named, build scripts and
    # macros of the compiler do not have it.
    CARGO_ENCODED_RUSTFLAGS="$2" CARGO_TARGET_DIR="$target/$1" \
        cargo build --locked --profile dist --target "$host" "${@:3}"
}

finished() { echo "$target/$1/$host/dist/$2"; }

main "$@"
