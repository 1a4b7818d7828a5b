//! KEY-010 and HDR-009: a key id means nothing outside its issuer.

use doorward_jose::{
    algorithm::Algorithm, jwk_set::KeySet, signing_key::SigningKey, time::UnixTime,
};
use doorward_policy::decision::Reason;
use doorward_verify::{key_source::KeySource, verifier::Verifier};

use crate::{
    bench::{
        NOW, TurnedClock, decision, jwks, key, on_loopback, remote, surroundings, token, verifier,
    },
    server::{Answer, Server},
};

fn check(verifier: &Verifier, key: &SigningKey, issuer: &str) -> Result<(), Reason> {
    let now = UnixTime::from_secs(NOW);
    let verdict = verifier.verify(&token(key, issuer, now), now, &mut decision());
    verdict.map(drop)
}

#[tokio::test]
async fn key_010_two_issuers_with_one_key_id_do_not_cross() {
    let (one, two) = ("https://one.example", "https://two.example");
    let (key_one, key_two) = (key("2026"), key("2026"));
    let clock = TurnedClock::new();
    let server_one = Server::start(Answer::keys(&jwks(&[&key_one]))).await;
    let server_two = Server::start(Answer::keys(&jwks(&[&key_two]))).await;
    let follow =
        |server: &Server| remote(on_loopback(server.address())).follow(surroundings(&clock, || 0));
    let (source_one, mut follower_one) = follow(&server_one);
    let (source_two, mut follower_two) = follow(&server_two);
    let verifier = verifier(&[(one, &source_one), (two, &source_two)]);

    follower_one.step().await.unwrap();
    assert_eq!(check(&verifier, &key_one, one), Ok(()));
    assert_eq!(
        check(&verifier, &key_one, two),
        Err(Reason::KeysUnavailable)
    );
    assert_eq!(server_two.count(), 0, "each has its own follower");

    follower_two.step().await.unwrap();
    assert_eq!(check(&verifier, &key_two, two), Ok(()));
    assert_eq!(check(&verifier, &key_two, one), Err(Reason::BadSignature));
    assert_eq!(check(&verifier, &key_one, two), Err(Reason::BadSignature));
    assert_eq!(
        check(&verifier, &key_one, "https://three.example"),
        Err(Reason::WrongIssuer)
    );

    // An unknown key of one issuer asks that one only.
    assert_eq!(check(&verifier, &key("new"), one), Err(Reason::UnknownKey));
    clock.turn(30);
    follower_one.step().await.unwrap();
    follower_two.step().await.unwrap();
    assert_eq!((server_one.count(), server_two.count()), (2, 1));
}

/// The same claims, without `kid`.
fn without_key_id(key: &SigningKey, issuer: &str) -> String {
    let now = UnixTime::from_secs(NOW);
    let named = token(key, issuer, now);
    let payload = named.split('.').nth(1).unwrap();
    let header = doorward_jose::base64url::encode(r#"{"alg":"ES256","typ":"at+jwt"}"#);
    let input = format!("{header}.{payload}");
    let signature = doorward_jose::dangerous::sign(key, input.as_bytes()).unwrap();
    format!("{input}.{}", doorward_jose::base64url::encode(signature))
}

#[test]
fn hdr_009_without_a_key_id_three_keys_of_the_issuer_are_tried() {
    let issuer = "https://one.example";
    let keys: Vec<_> = (0..4).map(|number| key(&number.to_string())).collect();
    let other = SigningKey::generate(Algorithm::Es384).unwrap();
    let foreign = key("foreign");
    // The one of another algorithm stands first and takes no place.
    let all = std::iter::once(&other).chain(&keys);
    let set = all.map(SigningKey::verifying_key).collect::<KeySet>();
    let source = KeySource::fixed(set);
    let elsewhere = KeySource::fixed([foreign.verifying_key()].into_iter().collect());
    let verifier = verifier(&[(issuer, &source), ("https://two.example", &elsewhere)]);
    let now = UnixTime::from_secs(NOW);
    let check = |key: &SigningKey| {
        let text = without_key_id(key, issuer);
        verifier.verify(&text, now, &mut decision()).map(drop)
    };
    for tried in &keys[..3] {
        assert_eq!(check(tried), Ok(()));
    }
    assert_eq!(check(&keys[3]), Err(Reason::BadSignature), "the fourth");
    assert_eq!(
        check(&foreign),
        Err(Reason::BadSignature),
        "another issuer's"
    );
}
