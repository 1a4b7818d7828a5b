#!/usr/bin/env bash
# Shows mutated tokens to doorward-jose and to other libraries, and fails if it
# accepts one that another refuses (docs/assurance.md).
#
#   fuzz/differential.sh TOKENS [SEED] [NUMBER]
#
# The oracles are those that `.ci/steps.sh clients` installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

target="$(cd .. && realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")"
readonly target

if [[ ! -x "$target/clients/python/bin/python" ]]; then
    echo 'differential: run `.ci/steps.sh clients` first' >&2
    exit 1
fi
ORACLES="$target/clients" cargo run --quiet --package differential \
    --target-dir "$target" -- "$@"
