//! One twin for each kind of verdict.

use doorward_attack::{report::End, verdict::Verdict};

use crate::harness::{Twin, why};

/// Shared by the twins in Python: tokens with the standard library alone.
const BASE: &str = include_str!("python/base.py");

fn twin(name: &str, check: &str) -> Option<Twin> {
    Twin::python(name, &format!("{BASE}\n{check}\nserve(check)\n"))
}

#[test]
fn a_sound_server_has_no_finding() {
    let Some(twin) = twin(
        "sound",
        "def check(request):\n    return verify(bearer(request))",
    ) else {
        return;
    };
    let report = twin.must_have(&[]);
    assert_eq!(report.end, End::Complete);
    assert_eq!(report.exit_code(), 0, "{:#?}", why(&report));
    assert!(
        report.count(Verdict::Safe) > 50,
        "{:#?}",
        report.ids(Verdict::Safe)
    );
    assert!(report.requests <= 600, "{} requests", report.requests);
}

#[test]
fn alg_none_is_sig_001() {
    let check = r#"
def check(request):
    token = bearer(request)
    header, _, signature = token.split(".")
    if decode(header)["alg"].lower() == "none" and signature == "":
        return True
    return verify(token)
"#;
    if let Some(twin) = twin("alg none", check) {
        twin.must_have(&["SIG-001"]);
    }
}

#[test]
fn an_unchecked_signature_is_sig_006_and_the_rest_is_pointless() {
    let check = r#"
def check(request):
    header, payload, signature = bearer(request).split(".")
    return decode(payload)["sub"] == "ada" and decode(header)["alg"] == "HS256" and len(signature) == 43
"#;
    if let Some(twin) = twin("no signature check", check) {
        let report = twin.must_have(&["SIG-006"]);
        assert!(report.ids(Verdict::NotApplicable).contains(&"SIG-001"));
    }
}

#[test]
fn an_open_route_is_auz_001() {
    if let Some(twin) = twin("open", "def check(request):\n    return True") {
        let report = twin.must_have(&["AUZ-001"]);
        assert_eq!(report.exit_code(), 1);
    }
}

#[test]
fn a_failure_instead_of_a_refusal_is_a_suspicion() {
    let check = r#"
def check(request):
    token = bearer(request)
    header = json.loads(unb64(token.split(".")[0]))
    if not isinstance(header.get("kid", ""), str):
        raise Crash()
    return verify(token)
"#;
    if let Some(twin) = twin("crashes on an odd kid", check) {
        let report = twin.must_have(&[]);
        assert!(
            report.ids(Verdict::Suspect).contains(&"HDR-008"),
            "{:#?}",
            why(&report)
        );
        assert_eq!(report.exit_code(), 0);
    }
}

#[test]
fn a_weak_secret_is_bru_015() {
    let check = "SECRET = b'door123'\ndef check(request):\n    return verify(bearer(request))";
    if let Some(twin) = twin("weak secret", check) {
        let long = Some(std::time::Duration::from_secs(20));
        let report = twin.attack_with(|attack| attack.extras.crack_for = long);
        assert_eq!(report.found(), ["BRU-015"], "{:#?}", why(&report));
    }
}

#[test]
fn a_token_that_dies_on_the_way_makes_the_run_void() {
    let check = r#"
SEEN = [0]
def check(request):
    good = verify(bearer(request))
    SEEN[0] += good
    return good and SEEN[0] < 10
"#;
    if let Some(twin) = twin("dying token", check) {
        let report = twin.attack();
        assert!(matches!(report.end, End::Void(_)), "{:?}", report.end);
        assert_eq!(report.exit_code(), 3);
        assert!(report.count(Verdict::Inconclusive) > 20);
    }
}

#[test]
fn a_target_that_is_gone_makes_the_run_void() {
    let twin = Twin::rust("gone", |listener| {
        for stream in listener.incoming().take(1) {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na.b.c");
        }
    });
    let report = twin.attack();
    assert!(matches!(report.end, End::Void(_)), "{:?}", report.end);
    assert_eq!(report.exit_code(), 3);
}

#[test]
fn a_limit_ends_the_run() {
    let Some(twin) = twin(
        "limited",
        "def check(request):\n    return verify(bearer(request))",
    ) else {
        return;
    };
    let report = twin.attack_with(|attack| attack.limits.requests = 50);
    assert!(matches!(report.end, End::Budget(_)), "{:?}", report.end);
    assert_eq!((report.requests, report.exit_code()), (50, 4));
}

#[test]
fn a_kid_that_is_a_path_is_hdr_006() {
    if let Some(twin) = Twin::node("kid as a path", include_str!("node/kid_path.cjs")) {
        twin.must_have(&["HDR-006"]);
    }
}

/// The "public key" is a number; what matters is that its text signs.
#[test]
fn a_public_key_used_as_a_secret_is_sig_009() {
    let check = r#"
KEYS = json.dumps({"keys": [{"kty": "RSA", "kid": "main", "n": b64(b"\xff" + os.urandom(255)), "e": "AQAB"}]})
def token():
    return sign({"alg": "RS256", "typ": "at+jwt", "kid": "main"}, CLAIMS)
def check(request):
    head, payload, signature = bearer(request).split(".")
    secret = KEYS.encode() if decode(head)["alg"] == "HS256" else SECRET
    good = hmac.new(secret, (head + "." + payload).encode(), hashlib.sha256).digest()
    return hmac.compare_digest(good, unb64(signature))
TEXTS["/jwks"] = lambda: KEYS
"#;
    if let Some(twin) = twin("key confusion", check) {
        let report = twin.with_jwks();
        assert_eq!(report.found(), ["SIG-009"], "{:#?}", why(&report));
        assert!(twin.attack().found().is_empty(), "it needs the key set");
    }
}

#[test]
fn a_sound_server_withstands_well_signed_nonsense() {
    let check = "def check(request):\n    return verify(bearer(request))";
    if let Some(twin) = twin("sound, staging", check) {
        let report = twin.with_staging_key();
        assert_eq!(report.found(), [""; 0], "{:#?}", why(&report));
        let safe = report.ids(Verdict::Safe);
        for id in [
            "SIG-013", "HDR-011", "CLM-003", "CLM-010", "PAR-001", "PAR-011",
        ] {
            assert!(safe.contains(&id), "{id}: {safe:?}");
        }
    }
}

#[test]
fn an_audience_that_is_not_looked_at_is_clm_010() {
    let check = r#"
def check(request):
    token = bearer(request)
    CLAIMS["aud"] = decode(token.split(".")[1]).get("aud")
    return verify(token)
"#;
    if let Some(twin) = twin("no audience", check) {
        let report = twin.with_staging_key();
        assert_eq!(report.found(), ["CLM-010"], "{:#?}", why(&report));
    }
}

#[test]
fn the_wrong_staging_key_proves_nothing() {
    let check = "def check(request):\n    return verify(bearer(request))\nTEXTS['/key'] = lambda: 'another key'";
    if let Some(twin) = twin("another key", check) {
        let report = twin.with_staging_key();
        assert!(report.found().is_empty());
        assert!(report.ids(Verdict::Inconclusive).contains(&"CLM-010"));
    }
}

#[test]
fn an_expired_token_and_one_for_something_else_are_found_when_they_are_given() {
    let check = r#"
def check(request):
    text = bearer(request)
    if text in (OLD, IDENTITY):
        return True
    return verify(text)
OLD = sign({"alg": "HS256", "typ": "at+jwt", "kid": "main"}, {**CLAIMS, "exp": 1})
IDENTITY = sign({"alg": "HS256", "typ": "JWT", "kid": "main"}, {**CLAIMS, "aud": "app", "nonce": "n"})
TEXTS["/old"] = lambda: OLD
TEXTS["/identity"] = lambda: IDENTITY
"#;
    if let Some(twin) = twin("old and identity tokens", check) {
        let (old, identity) = (twin.fetch("/old"), twin.fetch("/identity"));
        let report = twin.attack_with(|attack| {
            attack.extras.old_token = Some(old);
            attack.extras.other_tokens = vec![identity];
        });
        assert_eq!(
            report.found(),
            ["CLM-001", "CLM-012"],
            "{:#?}",
            why(&report)
        );
    }
}

#[test]
fn a_jku_that_is_followed_is_hdr_002_and_a_loose_allow_list_hdr_003() {
    let check = r#"
import urllib.request
def check(request):
    text = bearer(request)
    header = decode(text.split(".")[0])
    if "jku" in header:
        urllib.request.urlopen(header["jku"], timeout=1).read()
        return False
    return verify(text)
"#;
    let Some(twin) = twin("jku is fetched", check) else {
        return;
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let visits = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&visits);
    std::thread::spawn(move || {
        // The connection is dropped at once: the visit is what counts.
        for _ in listener.incoming().flatten() {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let report = twin.attack_with(|attack| {
        let lure = doorward_attack::forge::lure(&attack.token, &origin).unwrap();
        attack.extras.listening = Some(doorward_attack::run::Listening {
            forgeries: lure.forgeries,
            visits,
        });
    });
    assert_eq!(
        report.found(),
        ["HDR-002", "HDR-003"],
        "{:#?}",
        why(&report)
    );
}

#[test]
fn the_valid_token_in_another_spelling_is_worth_knowing_and_no_finding() {
    let check = r#"
def check(request):
    head, payload, signature = bearer(request).split(".")
    return verify(f"{head}.{payload}.{signature.rstrip('=')}")
"#;
    if let Some(twin) = twin("padding is taken", check) {
        let report = twin.must_have(&[]);
        assert!(
            report.ids(Verdict::Suspect).contains(&"PAR-002"),
            "{:#?}",
            why(&report)
        );
        assert_eq!((report.actionable(), report.exit_code()), (0, 0));
    }
}
