//! Inputs to begin with, made and not found: good documents of every kind, each
//! member of them spoiled in every way of a list, and good signatures damaged.

use std::collections::BTreeSet;

use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey};
use serde_json::{Value, json};

use crate::targets::signer::{AUDIENCE, DETERMINISTIC, ISSUER, NOW, sign};

/// The inputs of each target.
pub(crate) fn all() -> [(&'static str, BTreeSet<String>); 5] {
    [
        ("token", tokens()),
        ("header", headers()),
        ("jwk_set", key_sets()),
        ("dpop_proof", proofs()),
        ("feed_batch", messages()),
    ]
}

/// A good text for each of our keys, for a token and for a proof.
pub(crate) fn good_texts() -> [String; 3] {
    let token = |key: &SigningKey| {
        let header = token_header(key).to_string();
        sign(key, header.as_bytes(), claims().to_string().as_bytes())
    };
    let (header, claims) = proof();
    let header = header.to_string();
    let [hmac, ed25519] = &*DETERMINISTIC;
    [
        token(hmac),
        token(ed25519),
        sign(ed25519, header.as_bytes(), claims.to_string().as_bytes()),
    ]
}

/// Values to put in place of good ones.
const ODD: [&str; 25] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e3",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551616",
    "\"\"",
    "\"a\"",
    "\"a b\"",
    "\" a\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u00e9\"",
    "[]",
    "[\"a\"]",
    "[\"a\",1]",
    "[[]]",
    "{}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"jkt\":\"a\"}",
    "1800000299",
];

/// The object with each member replaced by each odd value, left out, and twice.
fn spoiled(object: &Value) -> Vec<String> {
    let members = object.as_object().expect("an object");
    let mut texts = vec![
        object.to_string(),
        format!(" {}\n", object.to_string().replace(',', " ,\t")),
    ];
    for name in members.keys() {
        let mut without = members.clone();
        without.remove(name);
        let without = Value::Object(without).to_string();
        let rest = without.trim_start_matches('{');
        let comma = if rest == "}" { "" } else { "," };
        for value in ODD {
            texts.push(format!("{{\"{name}\":{value}{comma}{rest}"));
        }
        texts.push(format!(
            "{{\"{name}\":{}{}",
            members[name],
            object.to_string().replacen('{', ",", 1)
        ));
        texts.push(without);
    }
    texts
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[name] = value;
    object
}

fn to_sign(key: &SigningKey, header: &str, payload: &str) -> String {
    format!("{}\n{header}\n.\n{payload}", key.algorithm())
}

fn token_header(key: &SigningKey) -> Value {
    json!({ "alg": key.algorithm(), "typ": "at+jwt", "kid": key.key_id() })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-1", "aud": [AUDIENCE, "https://files.example"],
        "exp": NOW.as_secs() + 300, "iat": NOW.as_secs(), "nbf": NOW.as_secs(), "jti": "t-1",
        "client_id": "cli", "scope": "orders:read carts:read", "sid": "s-1", "tenant": "acme",
        "roles": ["editor"], "permissions": ["orders:read"], "auth_time": NOW.as_secs(),
        "acr": "1", "amr": ["pwd", "otp"], "cnf": { "jkt": "AA" },
        "other": { "a": [1, -2, 1.5, null, true, "\u{1f600}\n"] },
    })
}

/// RFC 7515 appendix A.2 to A.4: good signatures with keys that are not ours.
const OF_THE_RFC: [&str; 3] = [
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
];

fn tokens() -> BTreeSet<String> {
    let mut seeds: BTreeSet<String> = OF_THE_RFC.map(str::to_owned).into();
    let key = &DETERMINISTIC[0];
    let (header, payload) = (token_header(key).to_string(), claims().to_string());
    let spoiled_claims = spoiled(&claims());
    seeds.extend(
        spoiled_claims
            .iter()
            .map(|payload| to_sign(key, &header, payload)),
    );
    let spoiled_header = spoiled(&token_header(key));
    seeds.extend(
        spoiled_header
            .iter()
            .map(|header| to_sign(key, header, &payload)),
    );
    let [hmac, ed25519, _] = good_texts();
    seeds.extend(damaged(&hmac));
    seeds.extend(damaged(&ed25519));
    seeds
}

/// A good text, and the same with single characters changed.
fn damaged(text: &str) -> Vec<String> {
    let mut texts = vec![text.to_owned()];
    for at in (0..text.len()).step_by(7).chain([text.len() - 1]) {
        for other in ["A", "Q", "-", ".", "="] {
            texts.push(format!("{}{other}{}", &text[..at], &text[at + 1..]));
        }
    }
    texts
}

fn headers() -> BTreeSet<String> {
    let full = json!({
        "alg": "HS256", "typ": "application/at+jwt", "kid": "2026/11#a", "x5t": "AA",
        "url": "https://a.example", "else": [{ "a": 1 }],
    });
    let mut seeds: BTreeSet<String> = spoiled(&full).into_iter().collect();
    for algorithm in Algorithm::ALL.iter().map(|algorithm| algorithm.name()) {
        seeds.insert(json!({ "alg": algorithm }).to_string());
    }
    for algorithm in ["none", "NONE", "hs256", "RSA-OAEP", "dir", "ES256K"] {
        seeds.insert(json!({ "alg": algorithm }).to_string());
    }
    for name in [
        "crit", "b64", "zip", "enc", "epk", "cty", "jwk", "jku", "x5u", "x5c", "p2c",
    ] {
        seeds.insert(with(&full, name, json!(["exp"])).to_string());
    }
    seeds
}

/// One key of each kind: those of RFC 7515 and RFC 8037, and one of our own.
const KEYS: [&str; 5] = [
    r#"{"kty":"EC","alg":"ES256","kid":"a","use":"sig","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    r#"{"kty":"EC","alg":"ES384","kid":"b","use":"sig","crv":"P-384","x":"TLPiPF9_xzzBs7EnsNGZJdAw5iRTxs6DBXOSAjHAWrcXnM1_9SAfidKIcr8epBXw","y":"KTPkQxz7dIjc-9UJhgjlV6_Sllgt8pjnLdNYPobyvO2IE2CKPSTE4RocTGnUtM90"}"#,
    r#"{"kty":"EC","alg":"ES512","kid":"c","use":"sig","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
    r#"{"kty":"OKP","alg":"EdDSA","kid":"d","use":"sig","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    r#"{"kty":"RSA","alg":"RS256","kid":"e","use":"sig","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
];

fn key_sets() -> BTreeSet<String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let keys = KEYS.map(read);
    let mut seeds = BTreeSet::new();
    seeds.insert(json!({ "keys": keys }).to_string());
    seeds.insert(json!({ "keys": [] }).to_string());
    for (at, key) in keys.iter().enumerate() {
        let mut key = with(key, "key_ops", json!(["verify"]));
        let other = &keys[(at + 1) % keys.len()];
        for spoiled in spoiled(&key) {
            seeds.insert(format!(r#"{{"keys":[{spoiled},{other}]}}"#));
            seeds.insert(spoiled);
        }
        for name in ["d", "p", "k", "oth", "priv", "x5c", "x5u"] {
            seeds.insert(with(&key, name, json!("AA")).to_string());
        }
        seeds.insert(format!(r#"{{"keys":[{key},{key}]}}"#));
        key.as_object_mut().expect("an object").remove("kid");
        seeds.insert(format!(r#"{{"keys":[{key},{key}],"more":1}}"#));
    }
    let secret = json!({ "kty": "oct", "k": "AA" });
    seeds.insert(json!({ "keys": [secret, keys[0]] }).to_string());
    seeds.insert(json!({ "keys": vec![json!({}); 33] }).to_string());
    seeds
}

/// Header and claims of a good proof.
fn proof() -> (Value, Value) {
    let jwk = DETERMINISTIC[1].verifying_key().to_jwk();
    let jwk = jwk.expect("a public key").to_object();
    let header = json!({ "alg": "Ed25519", "typ": "dpop+jwt", "jwk": jwk });
    let claims = json!({
        "jti": "p-1", "htm": "POST", "htu": "https://api.example/a?b", "iat": NOW.as_secs(),
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", "nonce": "n", "more": {},
    });
    (header, claims)
}

fn proofs() -> BTreeSet<String> {
    let key = &DETERMINISTIC[1];
    let (header, claims) = proof();
    let (header_text, claims_text) = (header.to_string(), claims.to_string());
    let mut seeds = BTreeSet::new();
    let [.., good] = good_texts();
    seeds.extend(damaged(&good));
    seeds.extend(
        spoiled(&claims)
            .iter()
            .map(|claims| to_sign(key, &header_text, claims)),
    );
    seeds.extend(
        spoiled(&header)
            .iter()
            .map(|header| to_sign(key, header, &claims_text)),
    );
    for jwk in spoiled(&header["jwk"]) {
        let header = format!(r#"{{"alg":"Ed25519","typ":"dpop+jwt","jwk":{jwk}}}"#);
        seeds.insert(to_sign(key, &header, &claims_text));
    }
    for name in [
        "crit", "b64", "zip", "enc", "cty", "jku", "x5u", "x5c", "payload",
    ] {
        let header = with(&header, name, json!("x")).to_string();
        seeds.insert(to_sign(key, &header, &claims_text));
    }
    // Keys that have not signed this.
    for jwk in KEYS {
        let jwk: Value = serde_json::from_str(jwk).expect("JSON");
        let header = json!({ "alg": jwk["alg"], "typ": "dpop+jwt", "jwk": jwk }).to_string();
        seeds.insert(sign(key, header.as_bytes(), claims_text.as_bytes()));
    }
    seeds
}

fn messages() -> BTreeSet<String> {
    let entries = json!([
        ["token", "t", 1_800_000_360],
        ["session", "s", 5],
        ["key", "k", 5],
        ["user", "u", 5, 4],
        ["client", "c", 5, 4],
        ["tenant", "a", 5, 4],
        ["everything", "", 5, 4],
    ]);
    let origin = json!({
        "iss": ISSUER, "epoch": "e-1", "since": 1_799_999_999_999_u64,
        "time": 1_800_000_000_000_u64, "chain": "i1zE337sfTKngU7KSvBHrjOy1SNCZncVaC4ZwlsLn6o",
    });
    let batch = with(
        &with(&origin, "after", json!(7)),
        "entries",
        entries.clone(),
    );
    let page = with(&with(&origin, "at", json!(9)), "entries", entries.clone());
    let page = with(&with(&page, "page", json!(0)), "pages", json!(2));
    let mut seeds = BTreeSet::new();
    for (document, typ) in [
        (&batch, "doorward-revocations+jwt"),
        (&page, "doorward-revocation-snapshot+jwt"),
    ] {
        for key in DETERMINISTIC.iter() {
            let header = json!({ "alg": key.algorithm(), "typ": typ, "kid": key.key_id() });
            let text = document.to_string();
            let good = sign(key, header.to_string().as_bytes(), text.as_bytes());
            seeds.extend(damaged(&good));
            seeds.extend(
                spoiled(&header)
                    .iter()
                    .map(|header| to_sign(key, header, &text)),
            );
        }
        seeds.extend(spoiled(document));
        for entry in entries.as_array().expect("an array") {
            for at in 0..entry.as_array().expect("an array").len() {
                for value in ODD {
                    let mut entry = entry.clone();
                    entry[at] = json!("VALUE");
                    let row = entry.to_string().replace("\"VALUE\"", value);
                    seeds.insert(
                        with(document, "entries", json!(["ROW"]))
                            .to_string()
                            .replace("\"ROW\"", &row),
                    );
                }
            }
        }
    }
    seeds
}
