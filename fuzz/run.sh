#!/usr/bin/env bash
# Fuzzes one target for a while, on stable Rust: the coverage that libFuzzer
# wants is an LLVM pass like others.
#
#   fuzz/run.sh build                 builds all targets
#   fuzz/run.sh TARGET SECONDS        fuzzes; new inputs go to fuzz/found/TARGET
#   fuzz/run.sh TARGET merge          adds to the corpus what reaches new code
#   fuzz/run.sh TARGET FILE...        runs these inputs once
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

target_dir="$(cd .. && realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/fuzz"
readonly target_dir
host="$(rustc -vV | sed -n 's/^host: //p')"
readonly host
readonly binaries="$target_dir/$host/release"

# Inputs are shorter than the longest thing that is read, but for key sets.
readonly longest=12000

build() {
    local flags=(
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
        --cfg=fuzzing
    )
    # With a target named, the flags leave build scripts and macros alone.
    RUSTFLAGS="${flags[*]}" cargo build --release --package runner --bins \
        --target "$host" --target-dir "$target_dir"
}

main() {
    if [[ "${1:-}" == build ]]; then
        build
        return
    fi
    if [[ $# -lt 2 || ! -d "corpus/$1" ]]; then
        echo "usage: fuzz/run.sh build | TARGET SECONDS | TARGET merge | TARGET FILE..." >&2
        echo "targets: $(cd corpus && echo *)" >&2
        exit 2
    fi
    local target="$1" found="found/$1"
    shift
    [[ -n "${FUZZ_BUILT:-}" ]] || build
    mkdir -p "$found/crashes"
    local options=(-max_len="$longest" -timeout=10 -artifact_prefix="$found/crashes/")
    if [[ -f "dictionaries/$target.dict" ]]; then
        options+=(-dict="dictionaries/$target.dict")
    fi
    case "$1" in
        merge) "$binaries/$target" "${options[@]}" -set_cover_merge=1 -use_counters=0 "corpus/$target" "$found" ;;
        *[!0-9]*) "$binaries/$target" "${options[@]}" "$@" ;;
        *)
            # What it finds goes into the first folder. The log is kept apart: it
            # is long, and only its end is of interest.
            local log="found/$target.log"
            if ! "$binaries/$target" "${options[@]}" -max_total_time="$1" \
                "$found" "corpus/$target" >"$log" 2>&1; then
                tail -n 40 "$log" >&2
                echo "fuzz: $target failed; the input is in fuzz/$found/crashes" >&2
                return 1
            fi
            echo "$target: $(grep '^Done' "$log"), $(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
            ;;
    esac
}

main "$@"
