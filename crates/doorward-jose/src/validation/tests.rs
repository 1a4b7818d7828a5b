//! Types, issuers, audiences and the edges of time.

use super::{MAX_LEEWAY_SECONDS, Validation, bare};
use crate::{
    algorithm::Algorithm,
    error::TokenErrorKind,
    harness::{
        AUDIENCE, ES256, ISSUER, NOW, claims_with, compact, header, refusal, validation, verify,
    },
};

/// A properly signed token with one claim replaced.
fn token_with(name: &str, value: &str) -> String {
    compact(
        &ES256,
        &header(&ES256).to_string(),
        &claims_with(name, value),
    )
}

fn refused_with(name: &str, value: &str) -> TokenErrorKind {
    refusal(&ES256, &token_with(name, value))
}

fn accepted(name: &str, value: u64) -> bool {
    verify(
        &ES256,
        &token_with(name, &value.to_string()),
        &validation(Algorithm::Es256),
    )
    .is_ok()
}

#[test]
fn hdr_017_other_types_of_token_are_refused() {
    for typ in [
        "\"JWT\"",
        "\"logout+jwt\"",
        "\"dpop+jwt\"",
        "\"secevent+jwt\"",
        "\"id+jwt\"",
        "\"\"",
        "\"at+jwt \"",
        "\"text/at+jwt\"",
        "\"application/x/at+jwt\"",
        "\"application/\"",
        "\"at\"",
    ] {
        let header = format!(r#"{{"alg":"ES256","typ":{typ}}}"#);
        let token = compact(&ES256, &header, &claims_with("x", "1"));
        assert_eq!(refusal(&ES256, &token), TokenErrorKind::WrongType, "{typ}");
    }
    let token = compact(&ES256, r#"{"alg":"ES256"}"#, &claims_with("x", "1"));
    assert_eq!(refusal(&ES256, &token), TokenErrorKind::WrongType);
}

#[test]
fn hdr_018_spellings_of_one_media_type_are_equal() {
    for typ in [
        "at+jwt",
        "at+JWT",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        let header = format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#);
        let token = compact(&ES256, &header, &claims_with("x", "1"));
        assert!(
            verify(&ES256, &token, &validation(Algorithm::Es256)).is_ok(),
            "{typ}"
        );
    }
    assert_eq!(bare("application/a/b"), "application/a/b");
}

#[test]
fn another_type_can_be_wanted_and_need_not_know_a_client() {
    let wanted = validation(Algorithm::Es256).token_type("JWT");
    let payload = claims_with("client_id", "");
    let token = compact(&ES256, r#"{"alg":"ES256","typ":"jwt"}"#, &payload);
    assert!(verify(&ES256, &token, &wanted).is_ok());
    let token = compact(&ES256, &header(&ES256).to_string(), &payload);
    assert_eq!(
        refusal(&ES256, &token),
        TokenErrorKind::MissingClaim("client_id")
    );
    assert_eq!(
        verify(&ES256, &token, &wanted).err(),
        Some(TokenErrorKind::WrongType)
    );
}

#[test]
fn clm_008_other_issuers_are_refused() {
    for issuer in [
        "https://id.example/",
        "https://id.example.evil",
        "https://id.exampl",
        "https://ID.example",
        "http://id.example",
        "https://\u{456}d.example",
        " https://id.example",
    ] {
        let kind = refused_with("iss", &format!("\"{issuer}\""));
        assert_eq!(kind, TokenErrorKind::WrongIssuer, "{issuer}");
    }
    let list = refused_with("iss", &format!("[\"{ISSUER}\"]"));
    assert_eq!(list, TokenErrorKind::MalformedClaim("iss"));
    assert_eq!(refused_with("iss", ""), TokenErrorKind::MissingClaim("iss"));
}

#[test]
fn clm_009_the_key_of_one_issuer_does_not_vouch_for_another() {
    let token = token_with("iss", "\"https://other.example\"");
    assert_eq!(refusal(&ES256, &token), TokenErrorKind::WrongIssuer);
    // The other issuer's validation with its own key of the same id.
    let theirs = crate::harness::key(Algorithm::Es256).with_key_id(ES256.key_id());
    let other = Validation::issuer("https://other.example")
        .audience(AUDIENCE)
        .algorithms([Algorithm::Es256]);
    let refused = verify(&theirs.expect("an id"), &token, &other).err();
    assert_eq!(refused, Some(TokenErrorKind::BadSignature));
}

#[test]
fn clm_010_other_audiences_are_refused() {
    for audience in [
        "\"https://other.example\"",
        "\"https://api.example/\"",
        "\"https://api.exampl\"",
        "\"https://api.example evil\"",
        "[\"a\",\"b\"]",
    ] {
        assert_eq!(
            refused_with("aud", audience),
            TokenErrorKind::WrongAudience,
            "{audience}"
        );
    }
    for malformed in ["[]", "1", "null", "{}", "\"\""] {
        let kind = refused_with("aud", malformed);
        assert_eq!(kind, TokenErrorKind::MalformedClaim("aud"), "{malformed}");
    }
    assert_eq!(refused_with("aud", ""), TokenErrorKind::MissingClaim("aud"));
    let several = token_with("aud", &format!("[\"other\",\"{AUDIENCE}\"]"));
    assert!(verify(&ES256, &several, &validation(Algorithm::Es256)).is_ok());
}

#[test]
fn clm_001_clm_006_the_leeway_ends_to_the_second() {
    let (now, leeway) = (NOW.as_secs(), 30);
    let spoil = |exp: u64| {
        let mut claims = crate::harness::claims();
        claims["iat"] = (now - 600).into();
        claims["exp"] = exp.into();
        compact(&ES256, &header(&ES256).to_string(), &claims.to_string())
    };
    let wanted = validation(Algorithm::Es256);
    assert!(verify(&ES256, &spoil(now - leeway + 1), &wanted).is_ok());
    for exp in [now - leeway, now - leeway - 1, now - 600] {
        let kind = refusal(&ES256, &spoil(exp));
        assert!(
            matches!(kind, TokenErrorKind::Expired { exp: seen, now: NOW } if seen.as_secs() == exp)
        );
    }
    assert!(verify(&ES256, &spoil(now), &wanted.clone().leeway_seconds(0)).is_err());
    assert!(verify(&ES256, &spoil(now + 1), &wanted.leeway_seconds(0)).is_ok());
}

#[test]
fn clm_004_clm_005_the_future_begins_after_the_leeway() {
    let now = NOW.as_secs();
    assert!(accepted("nbf", now + 30));
    assert!(!accepted("nbf", now + 31));
    assert_eq!(
        refused_with("nbf", &(now + 31).to_string()),
        TokenErrorKind::NotYetValid
    );
    assert!(accepted("iat", now + 30));
    assert_eq!(
        refused_with("iat", &(now + 31).to_string()),
        TokenErrorKind::IssuedInFuture
    );
    assert!(accepted("exp", (1 << 53) - 1));
}

#[test]
fn clm_024_a_longest_lifetime_can_be_demanded() {
    let token = token_with("x", "1");
    let wanted = validation(Algorithm::Es256);
    assert!(verify(&ES256, &token, &wanted.clone().max_lifetime_seconds(300)).is_ok());
    let refused = verify(&ES256, &token, &wanted.max_lifetime_seconds(299)).err();
    assert_eq!(refused, Some(TokenErrorKind::LifetimeTooLong));
}

/// What is shown as wanted is what tokens are held against.
#[test]
fn a_validation_tells_what_it_demands() {
    let wanted = validation(Algorithm::Es256);
    assert_eq!(wanted.wanted_issuer(), ISSUER);
    assert_eq!(wanted.wanted_audience(), AUDIENCE);
    assert_eq!(wanted.wanted_token_type(), "at+jwt");
    assert_eq!(wanted.accepted_algorithms(), [Algorithm::Es256]);
    let other = wanted.token_type("logout+jwt").leeway_seconds(5);
    assert_eq!(
        (other.wanted_token_type(), other.leeway()),
        ("logout+jwt", 5)
    );
}

#[test]
fn the_leeway_has_a_ceiling() {
    assert_eq!(validation(Algorithm::Es256).leeway(), 30);
    let much = validation(Algorithm::Es256).leeway_seconds(u64::MAX);
    assert_eq!(much.leeway(), MAX_LEEWAY_SECONDS);
}

#[test]
fn values_are_told_only_of_proven_tokens() {
    let token = token_with("iss", "\"https://other.example\"");
    let parsed = crate::token::UnverifiedToken::parse(&token).expect("a token");
    let wanted = validation(Algorithm::Es256);
    let proven = parsed
        .verify(&ES256.verifying_key(), &wanted, NOW)
        .expect_err("refused");
    assert_eq!(proven.seen(), Some("https://other.example"));
    let stranger = crate::harness::key(Algorithm::Es256).verifying_key();
    let unproven = parsed.verify(&stranger, &wanted, NOW).expect_err("refused");
    assert_eq!(
        (unproven.kind(), unproven.seen()),
        (TokenErrorKind::BadSignature, None)
    );
}

#[test]
fn an_empty_list_of_algorithms_accepts_nothing() {
    let nothing = Validation::issuer(ISSUER).audience(AUDIENCE).algorithms([]);
    let refused = verify(&ES256, &token_with("x", "1"), &nothing).err();
    assert_eq!(refused, Some(TokenErrorKind::AlgorithmNotAllowed));
}
