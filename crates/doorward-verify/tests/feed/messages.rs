//! The parsers, as pure functions.

use doorward_jose::time::UnixTime;
use doorward_verify::revocation::{
    Entry, Revocation,
    feed::message::{Batch, Chain, FeedError, Page, to_row},
};
use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::{Value, json};

fn batch(entries: &Value) -> Vec<u8> {
    let value = json!({"iss": "i", "epoch": "e", "since": 1, "time": 2, "after": 3,
        "chain": "c", "entries": entries});
    value.to_string().into_bytes()
}

#[test]
fn rows_are_exact() {
    let good = json!([
        ["token", "t", 5],
        ["session", "s", 5],
        ["key", "k", 5],
        ["user", "u", 5, 4],
        ["client", "c", 5, 4],
        ["tenant", "a", 5, 4],
        ["everything", "", 5, 4]
    ]);
    let parsed = Batch::parse(&batch(&good)).unwrap();
    let rows: Vec<_> = parsed.entries.iter().map(to_row).collect();
    assert_eq!(Value::Array(rows), good);
    for bad in [
        json!({}),
        json!(["session"]),
        json!([["session", "s"]]),
        json!([["session", "", 5]]),
        json!([["session", "s", "5"]]),
        json!([["session", "s", 5.5]]),
        json!([["session", "s", -5]]),
        json!([["session", "s", 5, 4]]),
        json!([["session", "s\n", 5]]),
        json!([["session", "s", 1_u64 << 53]]),
        json!([["user", "u", 5]]),
        json!([["user", "u", 5, null]]),
        json!([["everything", "x", 5, 4]]),
        json!([[7, "s", 5]]),
    ] {
        assert_eq!(
            Batch::parse(&batch(&bad)),
            Err(FeedError::Malformed),
            "{bad}"
        );
    }
    let unknown = json!([["galaxy", "g", 5]]);
    assert_eq!(Batch::parse(&batch(&unknown)), Err(FeedError::UnknownKind));
}

#[test]
fn members_are_exact() {
    let good = String::from_utf8(batch(&json!([]))).unwrap();
    assert!(Batch::parse(good.as_bytes()).is_ok());
    for (from, to) in [
        (r#""after":3"#, r#""after":-3"#),
        (r#""after":3"#, r#""after":3,"after":3"#),
        (r#""after":3"#, r#""after":9007199254740992"#),
        (r#""after":3"#, r#""x":3"#),
        (r#""epoch":"e""#, r#""epoch":"e&after=0""#),
        (r#""epoch":"e""#, r#""epoch":"""#),
        (r#""iss":"i""#, r#""iss":null"#),
        ("}", "} "),
        ("}", "}}"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        let is_refused = Batch::parse(bad.as_bytes()).is_err();
        assert!(is_refused || to == "} ", "{bad}");
    }
    let page = |page: u64, pages: u64| {
        let value = json!({"iss": "i", "epoch": "e", "since": 1, "time": 2, "at": 3,
            "chain": "c", "page": page, "pages": pages, "entries": []});
        Page::parse(value.to_string().as_bytes())
    };
    assert!(page(0, 1).is_ok() && page(6, 7).is_ok());
    for (n, of) in [(0, 0), (1, 1), (0, 1 << 20)] {
        assert_eq!(page(n, of), Err(FeedError::Malformed));
    }
}

/// The values of `docs/revocation-feed.md`.
#[test]
fn the_chain_is_the_documented_one() {
    let start = Chain::start("e1");
    assert_eq!(
        start.as_str(),
        "i1zE337sfTKngU7KSvBHrjOy1SNCZncVaC4ZwlsLn6o"
    );
    let session = Entry {
        revocation: Revocation::Session {
            sid: "s-1".to_owned(),
        },
        expires_at: UnixTime::from_secs(1_800_000_360),
    };
    let user = Entry {
        revocation: Revocation::User {
            sub: "u-1".to_owned(),
            issued_before: UnixTime::from_secs(1_800_000_001),
        },
        expires_at: UnixTime::from_secs(1_800_000_361),
    };
    let one = start.with(&session);
    let two = one.with(&user);
    assert_eq!(
        [one.as_str(), two.as_str()],
        [
            "MqAfncXHM_WbrwFB5kc00EfoR3OYqdDM3iQQzXsnv0E",
            "KOjttxLlmPP6tE8Y_e88a24UlgpnHCzKPeKLwR7dI88"
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Batch::parse(&bytes);
        let _ = Page::parse(&bytes);
    }

    #[test]
    fn any_damage_is_judged(at in 0..200_usize, with in any::<u8>()) {
        let mut bytes = batch(&json!([["session", "s", 5], ["user", "u", 5, 4]]));
        let at = at % bytes.len();
        let same = bytes[at] == with;
        let whole = Batch::parse(&bytes);
        bytes[at] = with;
        if same {
            prop_assert_eq!(Batch::parse(&bytes), whole);
        } else {
            let _ = Batch::parse(&bytes);
        }
    }
}
