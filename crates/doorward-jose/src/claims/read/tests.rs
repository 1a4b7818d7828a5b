//! Wrong types are refused and never taken for absent.

use serde_json::json;

use super::parse;
use crate::{
    claims::scan::tests::in_place,
    claims::{AccessClaims, Claims, RequiredClaims},
    error::TokenErrorKind,
    harness::{AUDIENCE, ISSUER, NOW, claims, claims_with},
};

/// Reads by both readers, which must agree to the letter.
fn read(payload: &str) -> Result<Claims, TokenErrorKind> {
    let copied = parse(payload.as_bytes());
    assert_eq!(copied, in_place(payload.as_bytes()), "{payload}");
    copied.map_err(|error| error.kind())
}

fn refusal(payload: &str) -> TokenErrorKind {
    read(payload).expect_err(payload)
}

#[test]
fn every_claim_is_read_and_written_as_it_was() {
    let mut all = claims();
    for (name, value) in [
        ("nbf", json!(NOW)),
        ("sid", json!("s")),
        ("scope", json!("a b")),
        ("tenant", json!("t")),
        ("roles", json!(["r", "é"])),
        ("permissions", json!(["o:r"])),
        ("auth_time", json!(NOW)),
        ("acr", json!("2")),
        ("amr", json!(["pwd"])),
        ("cnf", json!({ "jkt": "x" })),
        ("aud", json!([AUDIENCE, "else"])),
        ("other", json!({ "deep": [1, null, "é"] })),
    ] {
        all[name] = value;
    }
    let claims = read(&all.to_string()).expect("good claims");
    assert_eq!(claims.issuer(), ISSUER);
    assert_eq!(claims.audience(), [AUDIENCE, "else"]);
    assert_eq!(claims.scopes().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(claims.not_before(), Some(NOW));
    assert_eq!(claims.auth_time(), Some(NOW));
    assert_eq!(claims.confirmation(), Some(&json!({ "jkt": "x" })));
    assert_eq!((claims.subject(), claims.token_id()), ("user-1", "token-1"));
    for (read, wanted) in [
        (claims.session_id(), "s"),
        (claims.client_id(), "cli"),
        (claims.scope(), "a b"),
        (claims.tenant(), "t"),
        (claims.acr(), "2"),
    ] {
        assert_eq!(read, Some(wanted));
    }
    assert_eq!(claims.roles(), ["r", "é"]);
    assert_eq!(claims.permissions(), ["o:r"]);
    assert_eq!(claims.amr(), ["pwd"]);
    assert_eq!(claims.others()["other"]["deep"][2], "é");
    assert_eq!(serde_json::to_value(&claims).ok(), Some(all));
}

#[test]
fn what_is_minted_can_be_read() {
    let minted = AccessClaims::new(RequiredClaims {
        issuer: ISSUER.into(),
        subject: "user-1".into(),
        audience: AUDIENCE.into(),
        client_id: "cli".into(),
        token_id: "t".into(),
        issued_at: NOW,
        lifetime_seconds: 300,
    })
    .session("s")
    .scope("a b")
    .tenant("acme")
    .roles(["reader"])
    .permissions(["orders:read"])
    .authentication(NOW, ["pwd", "otp"])
    .acr("2");
    assert_eq!((minted.issuer(), minted.token_id()), (ISSUER, "t"));
    let written = serde_json::to_value(&minted).expect("an object");
    let claims = read(&written.to_string()).expect("our own claims");
    assert_eq!(serde_json::to_value(&claims).ok(), Some(written));
    assert_eq!(claims.expires_at(), NOW.saturating_add(300));
}

#[test]
fn clm_002_clm_020_required_claims_are_required() {
    for name in ["iss", "sub", "aud", "exp", "iat", "jti"] {
        let kind = refusal(&claims_with(name, ""));
        assert!(
            matches!(kind, TokenErrorKind::MissingClaim(missing) if missing == name),
            "{name}"
        );
    }
}

#[test]
fn clm_003_par_010_dates_are_exact_integers_or_the_token_is_refused() {
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in [
            "\"never\"",
            "\"1800000300\"",
            "null",
            "true",
            "[1800000300]",
            "{}",
            "-1",
            "-0",
            "1.0",
            "1800000300.5",
            "1e9",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            let kind = refusal(&claims_with(name, value));
            let blamed = matches!(kind, TokenErrorKind::MalformedClaim(claim) if claim == name);
            assert!(blamed, "{name}={value}: {kind:?}");
        }
        assert!(read(&claims_with(name, "1e400")).is_err());
    }
    // A lifetime that ends before it begins is no lifetime.
    let before = (NOW.as_secs() - 1).to_string();
    for early in ["1", &before] {
        let kind = refusal(&claims_with("exp", early));
        assert_eq!(kind, TokenErrorKind::MalformedClaim("exp"));
    }
    assert!(read(&claims_with("exp", &NOW.to_string())).is_ok());
}

/// RFC 6749 section 3.3, and none at all.
#[test]
fn a_scope_is_values_with_single_spaces_between_them() {
    for (scope, values) in [
        ("", &[][..]),
        ("a", &["a"]),
        ("!#[]~ orders:read", &["!#[]~", "orders:read"]),
    ] {
        let claims = read(&claims_with("scope", &format!("{scope:?}"))).expect(scope);
        assert_eq!(claims.scopes().collect::<Vec<_>>(), values);
    }
    for scope in [r#""a\"b""#, r#""a\\b""#, r#"" ""#, r#""\u007f""#] {
        let kind = refusal(&claims_with("scope", scope));
        assert_eq!(kind, TokenErrorKind::MalformedClaim("scope"), "{scope}");
    }
}

#[test]
fn clm_010_clm_015_clm_017_wrong_types_are_never_absent() {
    for name in ["iss", "sub", "jti", "sid", "client_id", "tenant", "acr"] {
        for value in [
            "1",
            "null",
            "true",
            "[]",
            r#"["a"]"#,
            "{}",
            "\"\"",
            r#""a\nb""#,
            r#""\u0000""#,
        ] {
            let kind = refusal(&claims_with(name, value));
            let blamed = matches!(kind, TokenErrorKind::MalformedClaim(claim) if claim == name);
            assert!(blamed, "{name}={value}: {kind:?}");
        }
    }
    for value in [
        "1",
        "null",
        "{}",
        "[]",
        "\"\"",
        r#"["a",1]"#,
        "[[]]",
        r#"["a",null]"#,
        r#"[""]"#,
    ] {
        let kind = refusal(&claims_with("aud", value));
        assert_eq!(kind, TokenErrorKind::MalformedClaim("aud"), "{value}");
    }
    for name in ["roles", "permissions", "amr"] {
        for value in [
            "\"admin\"",
            "1",
            "null",
            "{}",
            "[1]",
            "[[\"a\"]]",
            r#"["a",null]"#,
        ] {
            let kind = refusal(&claims_with(name, value));
            let blamed = matches!(kind, TokenErrorKind::MalformedClaim(claim) if claim == name);
            assert!(blamed, "{name}={value}: {kind:?}");
        }
    }
    for value in [
        "[\"a\"]",
        "1",
        "\"a  b\"",
        "\" a\"",
        "\"a \"",
        r#""a\tb""#,
        r#""a\nb""#,
        "\"é\"",
    ] {
        let kind = refusal(&claims_with("scope", value));
        assert_eq!(kind, TokenErrorKind::MalformedClaim("scope"), "{value}");
    }
    for value in ["\"x\"", "null", "[]", "1"] {
        let kind = refusal(&claims_with("cnf", value));
        assert_eq!(kind, TokenErrorKind::MalformedClaim("cnf"), "{value}");
    }
}

#[test]
fn clm_027_control_characters_do_not_reach_headers_and_logs() {
    for text in [
        r#""a\r\nx-admin: 1""#,
        r#""a\u0000""#,
        r#""\u007f""#,
        r#""\u0085""#,
        r#""\u001b[2J""#,
    ] {
        for name in ["sub", "tenant", "sid", "jti"] {
            assert!(read(&claims_with(name, text)).is_err(), "{name}={text}");
        }
        assert!(
            read(&claims_with("roles", &format!("[{text}]"))).is_err(),
            "{text}"
        );
    }
}

#[test]
fn par_001_duplicate_claims_are_refused_in_every_spelling() {
    let good = claims().to_string();
    for member in [
        r#""sub":"user-1""#,
        r#""s\u0075b":"admin""#,
        r#""exp":1800000300"#,
        r#""\u0065xp":1"#,
        r#""x":1,"x":1"#,
        r#""x":{"a":1,"\u0061":2}"#,
        r#""cnf":{"a":1,"a":2}"#,
        r#""roles":[],"roles":["admin"]"#,
    ] {
        let payload = format!("{},{member}}}", &good[..good.len() - 1]);
        assert!(read(&payload).is_err(), "{payload}");
    }
}

#[test]
fn par_008_par_011_only_one_strict_object_of_bounded_depth_is_read() {
    let good = claims().to_string();
    let nested = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        read(&claims_with("deep", &value))
    };
    assert!(nested(63).is_ok());
    for depth in [64, 1000] {
        assert!(nested(depth).is_err());
    }
    // Broken in the middle of a claim it is no JSON, and the claim is not blamed.
    for broken in [
        r#"{"sub":"user"#,
        r#"{"exp":01}"#,
        r#"{"roles":["a",]}"#,
        r#"{"cnf":{"#,
    ] {
        assert_eq!(refusal(broken), TokenErrorKind::Malformed, "{broken}");
    }
    for payload in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("\u{feff}{good}"),
        format!("{},}}", &good[..good.len() - 1]),
        good[..good.len() - 1].to_owned(),
    ] {
        assert_eq!(refusal(&payload), TokenErrorKind::Malformed, "{payload}");
    }
    let empty = claims_with("long", "\"\"").len();
    let long = |bytes: usize| claims_with("long", &format!("\"{}\"", "a".repeat(bytes - empty)));
    assert!(read(&long(8192)).is_ok());
    assert_eq!(refusal(&long(8193)), TokenErrorKind::TooLarge);
}

#[test]
fn par_012_prototype_names_are_plain_claims() {
    let claims = read(&claims_with("__proto__", r#"{"roles":["admin"]}"#)).expect("plain data");
    assert!(claims.roles().is_empty());
    assert!(claims.others().contains_key("__proto__"));
}
