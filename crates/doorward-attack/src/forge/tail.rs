//! Signatures at the edges of their arithmetic, and what is left of the
//! header's corners (SIG-017 to SIG-028, HDR-016, PAR-009).

use doorward_jose::{algorithm::Algorithm, base64url, json::Value};
use serde_json::json;

use super::{Workshop, signature::group_order, text};

pub(super) fn forge(workshop: &mut Workshop<'_>) {
    match workshop.algorithm().map(Algorithm::name) {
        Some("EdDSA" | "Ed25519") => edwards(workshop),
        Some(name) if name.starts_with("RS") || name.starts_with("PS") => degenerate_rsa(workshop),
        Some(name) if name.starts_with("HS") => truncated(workshop),
        _ => {}
    }
    unprotected(workshop);
    off_the_curve(workshop);
    encodings(workshop);
}

/// The order of the group of Ed25519 (RFC 8032 section 5.1), little-endian.
const EDWARDS_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature with S + L, and the identity as R with S = 0.
fn edwards(workshop: &mut Workshop<'_>) {
    let signature = workshop.signature.clone();
    if signature.len() != 64 {
        return;
    }
    let (r, s) = signature.split_at(32);
    let mut carry = 0_u16;
    let sum: Vec<u8> = s
        .iter()
        .zip(EDWARDS_ORDER)
        .map(|(s, order)| {
            let sum = u16::from(*s) + u16::from(order) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    let token = workshop.with_signature(&[r, &sum].concat());
    workshop.add("SIG-018", "S + L", token);
    let mut identity = [0; 64];
    identity[0] = 1;
    let token = workshop.with_signature(&identity);
    workshop.add("SIG-018", "R of small order, S = 0", token);
    let token = workshop.with_signature(&[0; 64]);
    workshop.add("SIG-018", "all zero", token);
}

fn degenerate_rsa(workshop: &mut Workshop<'_>) {
    let genuine = workshop.signature.clone();
    let length = genuine.len();
    let mut one = vec![0; length];
    if let Some(last) = one.last_mut() {
        *last = 1;
    }
    let padded = [&[0], genuine.as_slice()].concat();
    for (what, signature) in [
        ("0", vec![0; length]),
        ("1", one),
        ("all ones", vec![0xff; length]),
        ("empty number", vec![0]),
        ("genuine with a zero in front", padded),
        (
            "genuine without its last byte",
            genuine[..length.saturating_sub(1)].to_vec(),
        ),
        ("genuine twice", genuine.repeat(2)),
    ] {
        let token = workshop.with_signature(&signature);
        workshop.add("SIG-020", what, token);
    }
}

fn truncated(workshop: &mut Workshop<'_>) {
    for length in [16, 10, 1] {
        let tag = workshop.signature.get(..length).map(<[u8]>::to_vec);
        if let Some(tag) = tag {
            let token = workshop.with_signature(&tag);
            workshop.add("SIG-022", format!("first {length} bytes of the tag"), token);
        }
    }
}

/// JSON serialisations whose protected header names no algorithm.
fn unprotected(workshop: &mut Workshop<'_>) {
    let (payload, signature) = (workshop.payload_part, workshop.signature_part);
    let mut rest = workshop.header.clone();
    rest.remove("alg");
    let protected = base64url::encode(text(rest));
    for (what, alg, signature) in [
        ("alg none in the unprotected header", json!("none"), ""),
        (
            "genuine alg in the unprotected header",
            workshop.header.get("alg").cloned().unwrap_or_default(),
            signature,
        ),
    ] {
        let token = json!({
            "payload": payload,
            "protected": protected,
            "header": { "alg": alg },
            "signature": signature,
        });
        workshop.add("SIG-028", what, token.to_string());
    }
}

/// An ephemeral key that is no point of its curve (RFC 7518 section 4.6).
fn off_the_curve(workshop: &mut Workshop<'_>) {
    let coordinate = base64url::encode([0x5a; 32]);
    for alg in ["ECDH-ES", "ECDH-ES+A128KW"] {
        let mut header = workshop.header_with("alg", alg);
        header.insert("enc".to_owned(), "A128GCM".into());
        header.insert(
            "epk".to_owned(),
            json!({ "kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate }),
        );
        let header = base64url::encode(text(header));
        let key = if alg == "ECDH-ES" {
            String::new()
        } else {
            base64url::encode([0; 24])
        };
        let (nonce, tag) = (base64url::encode([0; 12]), base64url::encode([0; 16]));
        let token = format!("{header}.{key}.{nonce}.{}.{tag}", workshop.payload_part);
        workshop.add(
            "HDR-016",
            format!("{alg} with a point off the curve"),
            token,
        );
    }
}

/// Headers in encodings that are not UTF-8, or not quite.
fn encodings(workshop: &mut Workshop<'_>) {
    let genuine = Value::Object(workshop.header.clone()).to_string();
    let end = &genuine[..genuine.len() - 1];
    let wide =
        |unit: fn(u16) -> [u8; 2]| genuine.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let utf32: Vec<u8> = genuine
        .chars()
        .flat_map(|c| u32::from(c).to_be_bytes())
        .collect();
    let overlong = [end.as_bytes(), b",\"x\":\"\xc0\xaf\"}"].concat();
    let surrogate = [end.as_bytes(), b",\"x\":\"\xed\xa0\x80\"}"].concat();
    let escaped = format!(r#"{end},"x":"\ud800"}}"#).into_bytes();
    let marked = [b"\xef\xbb\xbf", genuine.as_bytes()].concat();
    for (what, header) in [
        ("overlong UTF-8", overlong),
        ("a lone surrogate", surrogate),
        ("an escaped lone surrogate", escaped),
        ("a byte order mark", marked),
        ("UTF-16, big end first", wide(u16::to_be_bytes)),
        ("UTF-16, little end first", wide(u16::to_le_bytes)),
        ("UTF-32", utf32),
    ] {
        let token = workshop.with_header(header);
        workshop.add("PAR-009", format!("header in {what}"), token);
    }
}

/// `n - s` for the `s` of an ECDSA signature.
pub(super) fn mirrored(workshop: &Workshop<'_>) -> Option<String> {
    let order = group_order(workshop.algorithm()?)?;
    if workshop.signature.len() != order.len() * 2 {
        return None;
    }
    let (r, s) = workshop.signature.split_at(order.len());
    let mut borrow = 0_i16;
    let mut difference: Vec<u8> = order
        .iter()
        .zip(s)
        .rev()
        .map(|(order, s)| {
            let digit = i16::from(*order) - i16::from(*s) - borrow;
            borrow = i16::from(digit < 0);
            digit.to_le_bytes()[0]
        })
        .collect();
    difference.reverse();
    Some(workshop.with_signature(&[r, &difference].concat()))
}
