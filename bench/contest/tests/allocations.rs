//! Verifying with a scratch that has seen one token asks the heap for nothing.
//! One test: the counter counts for the whole process.

use contest::{
    allocations,
    keys::Keys,
    token::{AUDIENCE, AccessToken, ISSUER, TYPE, now},
};
use doorward_jose::{
    algorithm::Algorithm, jwk_set::KeySet, scratch::Scratch, time::UnixTime, token::verify_in,
    validation::Validation,
};
use serde::Serialize;

/// With everything that is not so plain.
#[derive(Serialize)]
struct Unusual {
    #[serde(flatten)]
    usual: AccessToken,
    cnf: serde_json::Value,
    other: serde_json::Value,
}

#[test]
fn a_used_scratch_needs_nothing_from_the_heap() {
    let unusual = Unusual {
        usual: AccessToken {
            sub: "a \"quoted\" é".to_owned(),
            ..AccessToken::fresh()
        },
        cnf: serde_json::json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        other: serde_json::json!({ "deep": [{ "a\n": 1.5, "b": [null, true, -7] }], "é": "\\" }),
    };
    for algorithm in [
        Algorithm::Hs256,
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::Rs256,
        Algorithm::Ps256,
    ] {
        let keys = Keys::generate(algorithm);
        let set = KeySet::from_iter([keys.ours.verifying_key()]);
        let validation = Validation::issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([algorithm]);
        let now = UnixTime::from_secs(now());
        let mut scratch = Scratch::new();
        for token in [
            keys.ours.sign(TYPE, &unusual.usual).expect("a token"),
            keys.ours.sign(TYPE, &unusual).expect("a token"),
        ] {
            let mut verify = || {
                let good = verify_in(&token, &set, &validation, now, &mut scratch);
                assert!(good.is_ok_and(|token| token.claims().subject() != ""));
            };
            verify();
            // The test harness has threads of its own; what is ours is in each.
            let least = (0..20).map(|_| allocations::of(&mut verify)).min();
            assert_eq!(least, Some(0), "{algorithm}");
        }
    }
}
