#!/usr/bin/env bash
# `just mutants`: breaks the verify paths on purpose, one change at a time, and
# asks whether a test notices. What is broken stands in .cargo/mutants.toml.
#
#   .ci/mutants.sh                     all of it, which takes hours on two cores
#   .ci/mutants.sh --re 'permit\.rs'   what matches; any option of cargo-mutants
#   .ci/mutants.sh --list              what would be broken
#
# The tree is copied before it is broken. The report is mutants.out in the
# folder target/mutants; missed.txt names what no test noticed.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly version=27.1.0
readonly target="${CARGO_TARGET_DIR:-$PWD/target}"
readonly tools="$target/ci-tools"

main() {
    local mutants
    mutants="$(cargo_mutants)"
    mkdir -p "$target/mutants"
    # The same random cases for every mutant, and none kept for the next one.
    export PROPTEST_RNG_SEED=1
    export PROPTEST_DISABLE_FAILURE_PERSISTENCE=true
    # Which case broke is of no interest here, only that one did.
    export PROPTEST_MAX_SHRINK_ITERS=0
    # Apart from the daily build, which has other settings.
    export CARGO_TARGET_DIR="$target/mutants/build"
    "$mutants" mutants --workspace --jobs 1 --output "$target/mutants" "$@"
}

# The path of cargo-mutants, built on first use; unoptimised, since all the time
# goes to the compiler and the tests.
cargo_mutants() {
    local candidate
    for candidate in "$tools/bin/cargo-mutants" "$(command -v cargo-mutants || true)"; do
        if [[ -x "$candidate" && "$("$candidate" mutants --version)" == "cargo-mutants $version" ]]; then
            echo "$candidate"
            return
        fi
    done
    env --unset=CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --locked --debug --root "$tools" "cargo-mutants@$version" >&2
    echo "$tools/bin/cargo-mutants"
}

main "$@"
