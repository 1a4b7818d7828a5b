# `just` lists the recipes. The steps themselves are in .ci/steps.sh, which
# `.ci/run` calls too, so that this page and CI cannot differ.

_list:
    @{{ just_executable() }} --list --unsorted

# everything that CI checks, with the parts that this machine has
ci:
    .ci/steps.sh all

# every test of every crate
test:
    .ci/steps.sh test

# write the format that CI expects
fmt:
    cargo fmt --all

# warnings are errors
clippy:
    .ci/steps.sh lint

# the documentation, warnings are errors
doc:
    .ci/steps.sh docs

# licences, sources, banned and duplicate crates; advisories where the network allows
deny:
    .ci/steps.sh deny

# the demo: issuer, gateway and a sample API
demo:
    cargo run --release -- up --demo

# the published binary, optimised by a profile of its own work: target/published/doorward; two whole builds, so ten minutes; needs python3, openssl, curl and `rustup component add llvm-tools`
dist:
    release/build.sh

# the figures of docs/figures.md, as a table; a clean build, so it takes minutes
measure:
    docs/measure.sh

# verify and sign beside other libraries and the raw cryptography (docs/performance.md); needs libssl-dev, cmake, libclang
bench-verify *OPTIONS='--svg docs/verify.svg':
    cargo test --release --manifest-path bench/Cargo.toml --package contest
    cargo build --release --manifest-path bench/Cargo.toml
    cargo run --release --manifest-path bench/Cargo.toml --package bench-verify -- {{ OPTIONS }}

# what a request costs at the gateway, nginx, haproxy and Envoy (docs/performance.md), in four minutes behind two builds; needs what `dist` does, nginx, haproxy, wrk, h2load, and `.ci/steps.sh clients` for Envoy
bench-gateway *OPTIONS='--svg docs/gateway.svg':
    release/build.sh --bare
    bench/gateway/run.py --bare --binary target/published/bare {{ OPTIONS }}

# what a decision costs with 1 to 1,000 policies in Cedar (docs/policies.md)
bench-policies:
    cargo run --release --package doorward-policy --features cedar --example policy_scale

# what the issuer does in a second, over HTTP, beside its bars (docs/performance.md); needs python3, wrk, nginx, PostgreSQL
bench-issuer *OPTIONS='--svg docs/issuer.svg --data docs/issuer.json':
    cargo build --release --package doorward --bin doorward
    cargo build --release --package doorward-issuer --example argon2_floor
    bench/issuer/run.py --binary target/release/doorward --floor target/release/examples/argon2_floor {{ OPTIONS }}

# how long a million users take to import, with bcrypt hashes (docs/import.md); needs python3
bench-import *OPTIONS:
    cargo build --release
    bench/import/run.py {{ OPTIONS }}

# an honest caller beside every fault at once, with thousands of slow connections (docs/performance.md)
soak SECONDS='600' CONNECTIONS='4000':
    ulimit -n 20000 && DOORWARD_SOAK_SECONDS={{ SECONDS }} DOORWARD_SOAK_CONNECTIONS={{ CONNECTIONS }} cargo test --release --package doorward-gateway --test load soak -- --nocapture

# whether the time of refusing an HMAC tells where it is wrong; wants a quiet machine
constant-time:
    cargo test --release --package doorward-jose --test constant_time -- --ignored --nocapture

# two hundred clients, thieves and restarts on a turned clock, from seeds 1 to SEEDS (docs/assurance.md)
simulate SEEDS='20' STEPS='2000':
    DOORWARD_SIMULATION='{{ SEEDS }},{{ STEPS }}' cargo test --release --package doorward-issuer --test domain -- --nocapture simulation

# crashes, power cuts and disk errors: nothing acknowledged is lost (docs/assurance.md); a fifth of the rounds on PostgreSQL
crash-loop ROUNDS='10000' SEED='1':
    DOORWARD_CRASH='{{ ROUNDS }},{{ SEED }}' cargo test --package doorward-issuer --test crash -- --nocapture nothing_acknowledged

# two hundred clients with two tabs, lost answers and restarts, and thieves, before the real binary (docs/assurance.md); needs python3
honest MINUTES='10' *OPTIONS:
    cargo build --release --package doorward --bin doorward
    bench/issuer/honest.py --binary target/release/doorward --seconds $(({{ MINUTES }} * 60)) {{ OPTIONS }}

# whether a test notices each small change of the verify paths (docs/assurance.md); hours, on two cores
mutants *OPTIONS:
    .ci/mutants.sh {{ OPTIONS }}

# look for inputs that break a promise: token, header, jwk_set, dpop_proof or feed_batch (docs/assurance.md); needs a C++ compiler
fuzz TARGET SECONDS='60':
    fuzz/run.sh {{ TARGET }} {{ SECONDS }}

# mutated tokens before us and other libraries: nothing is accepted that one of them refuses
differential TOKENS='1000000' SEED='1':
    .ci/steps.sh clients
    fuzz/differential.sh {{ TOKENS }} {{ SEED }}

# the JOSE vectors of Wycheproof; FOLDER is `testvectors_v1` of the repository C2SP/wycheproof
wycheproof FOLDER:
    WYCHEPROOF='{{ absolute_path(FOLDER) }}' cargo test --package doorward-jose --test vectors -- --ignored --nocapture

# write docs/openapi.json, the description of the administration, from the code
openapi:
    cargo run --package doorward-issuer --example openapi > docs/openapi.json

# whether the time of a refused sign-in tells who has an account (BRU-008); minutes, and a quiet machine
sign-in-time:
    cargo test --release --package doorward-issuer --test http -- --ignored --nocapture bru_008
