//! The two readers agree: on every verdict, every reason and every value.

use std::cell::RefCell;

use proptest::{
    prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest},
    sample::Index,
};

use super::{Tape, find, scan};
use crate::{
    claims::{BorrowedClaims, Claims, parse},
    error::TokenError,
    harness::{claims, claims_with},
    json::scan::PADDING,
};

thread_local! {
    /// One for all texts of a test, so that leftovers would show.
    static TAPE: RefCell<Tape> = RefCell::default();
}

fn padded(payload: &[u8]) -> Vec<u8> {
    [payload, &[0; PADDING]].concat()
}

/// What the scanner reads, copied.
pub(crate) fn in_place(payload: &[u8]) -> Result<Claims, TokenError> {
    let padded = padded(payload);
    TAPE.with_borrow_mut(|tape| {
        let (text, found) = scan(&padded, tape)?;
        BorrowedClaims::new(text, tape, found).to_owned()
    })
}

/// Both readers, and the scanner without the help of the other.
fn agree(payload: &[u8]) {
    let copied = parse(payload);
    let shown = String::from_utf8_lossy(payload);
    assert_eq!(copied, in_place(payload), "{shown}");
    let alone = TAPE.with_borrow_mut(|tape| {
        let padded = padded(payload);
        std::str::from_utf8(&padded).is_ok_and(|padded| find(padded, tape).is_ok())
    });
    assert_eq!(copied.is_ok(), alone, "{shown}");
}

#[test]
fn every_single_damage_to_good_claims_is_judged_alike() {
    let good = claims_with(
        "other",
        r#"{"a":[1,-2.5e3,true,null,"\u00e9\n"],"b":{},"\u0063":""}"#,
    );
    for at in 0..good.len() {
        agree(&good.as_bytes()[..at]);
        let mut bytes = good.clone().into_bytes();
        bytes.remove(at);
        agree(&bytes);
        for byte in 0..=u8::MAX {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = byte;
            agree(&bytes);
        }
    }
}

#[test]
fn strings_are_read_alike() {
    for string in [
        r#""a\"b""#,
        r#""\\""#,
        r#""\/""#,
        r#""\b""#,
        r#""\f""#,
        r#""\n""#,
        r#""\r""#,
        r#""\t""#,
        r#""\v""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\U0041""#,
        r#""\u0041\u00E9\u20ac""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""\uDBFF\uDFFF""#,
        r#""\ud800\udc00""#,
        r#""\u+041""#,
        "\"\u{7f}\"",
        "\"\u{85}\"",
        "\"\u{a0}\"",
        "\"\u{1}\"",
        "\"\u{1f}\"",
        "\"a\nb\"",
        "\"a\0b\"",
        "\"é\"",
        "\"\u{10ffff}\"",
        "\"1234567é\"",
        "\"12345678é9\"",
        "\"",
        "\"\\",
        "\"\\u",
        "\"\\u004",
        "\"\\\"",
        "''",
        "\"a",
    ] {
        for name in ["sub", "other", "scope", "acr"] {
            agree(claims_with(name, string).as_bytes());
            agree(claims_with("roles", &format!("[\"a\",{string}]")).as_bytes());
            agree(claims_with("cnf", &format!("{{{string}:{string}}}")).as_bytes());
            let cut = claims_with(name, string);
            agree(&cut.as_bytes()[..cut.len() - 1]);
        }
    }
}

#[test]
fn numbers_are_read_alike() {
    for number in [
        "0",
        "-0",
        "1",
        "-1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1.5",
        "-1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "+1",
        "-",
        "--1",
        "1.5.5",
        "1e5e5",
        "0.0",
        "0e0",
        "-0.0",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740991.5",
        "9007199254740992.0",
        "-9007199254740992.0",
        "9.007199254740992e15",
        "9.0071992547409915e15",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "1e300",
        "1e308",
        "1e309",
        "1e-400",
        "1e400",
        "1e99999999999",
        "0.1e-99999999999",
        "0e99999999999",
        "Infinity",
        "NaN",
        "0x1",
        "1_0",
        "123456789012345678901234567890",
        "00000000000000000001",
        "99999999999999999",
        "10000000000000000",
        "1800000000 ",
        " 1800000000",
        "18000 00000",
        "1800000000a",
    ] {
        for name in ["exp", "iat", "nbf", "auth_time", "other"] {
            agree(claims_with(name, number).as_bytes());
            agree(claims_with("other", &format!("[{number}]")).as_bytes());
        }
    }
}

#[test]
fn par_001_many_names_are_compared_as_few() {
    for count in [1, 22, 23, 24, 25, 200] {
        let names = |twin: usize| -> String {
            let member =
                |name: usize| format!("\"n{}\":1", if name == count { twin } else { name });
            (0..=count).map(member).collect::<Vec<_>>().join(",")
        };
        for twin in [0, count / 2, count - 1, count] {
            agree(claims_with("x", &format!("{{{}}}", names(twin))).as_bytes());
            agree(claims_with("x", &format!("1,{}", names(twin))).as_bytes());
        }
    }
}

#[test]
fn par_008_depth_is_counted_alike() {
    for depth in [1, 62, 63, 64, 65, 126, 127, 128, 129, 1000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            agree(claims_with("x", &nested).as_bytes());
            agree(claims_with("cnf", &nested).as_bytes());
            agree(claims_with("x", &open.repeat(depth)).as_bytes());
        }
    }
}

/// A JSON value or something close to one.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        (1_799_999_000_u64..1_800_001_000).prop_map(|date| date.to_string()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        "[ -~]{0,12}".prop_map(|text| format!("\"{text}\"")),
        r#""(\\u[0-9a-fA-F]{4}|\\[bfnrt/"]|[a-c]){0,6}""#,
        "[-+0-9.eE]{1,8}",
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name(), inner), 0..5).prop_map(|members| object(&members)),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nbf",
            "jti",
            "sid",
            "client_id",
            "scope",
            "tenant",
            "roles",
            "permissions",
            "auth_time",
            "acr",
            "amr",
            "cnf",
            r"\u0061ud",
            r"s\u0075b",
            r"\u006eew",
            "new",
        ])
        .prop_map(str::to_owned),
        "[a-c]{0,2}",
    ]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\" : {value}"))
        .collect();
    format!("{{{}}}", members.join(" ,\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_judged_alike(bytes: Vec<u8>) {
        agree(&bytes);
    }

    #[test]
    fn damaged_claims_are_judged_alike(
        damages in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = claims_with("roles", r#"["a","\u0062"]"#).into_bytes();
        for (at, byte) in damages {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        agree(&payload);
    }

    #[test]
    fn good_claims_with_any_member_more_are_judged_alike(name in name(), value in value()) {
        let good = claims().to_string();
        let text = format!("{},\"{name}\":{value}}}", &good[..good.len() - 1]);
        agree(text.as_bytes());
        agree(claims_with(&name, &value).as_bytes());
    }

    #[test]
    fn any_members_are_judged_alike(
        members in prop::collection::vec((name(), value()), 0..8),
    ) {
        agree(object(&members).as_bytes());
    }
}
