//! The JOSE header (RFC 7515 section 4).
//!
//! Read strictly and distrustfully: `alg` and `kid` only choose among keys that
//! are trusted already, and every parameter that would change how the token is
//! read, or that brings a key along, refuses it. Unknown parameters are ignored
//! as RFC 7515 section 4 demands, unless `crit` names any.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    algorithm::Algorithm,
    base64url,
    error::{SignError, TokenError, TokenErrorKind},
    json::{JsonError, Limits, Object, Value, parse_object},
};

/// Longest accepted key id, in bytes.
pub const MAX_KEY_ID_BYTES: usize = 256;

/// The part of a header that this crate acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) token_type: Option<String>,
}

/// Parameters that refuse a token wherever they appear.
const REFUSED: [&str; 20] = [
    // They change what is signed or how it is read (RFC 7797, RFC 7516).
    "b64",
    "zip",
    "enc",
    "epk",
    "apu",
    "apv",
    "iv",
    "tag",
    "p2s",
    "p2c",
    // A token inside a token has claims of its own (RFC 7519 section 5.2).
    "cty",
    // They bring a key or fetch one (RFC 8725 section 3.10).
    "jwk",
    "jku",
    "x5u",
    "x5c",
    // Claims of the header could disagree with the payload (RFC 7519 section 5.3).
    "iss",
    "sub",
    "aud",
    // Members of the JSON serialisation (RFC 7515 section 7.2).
    "payload",
    "signatures",
];

/// Parameters that this crate does not act on and whose form is known: in any
/// other form the header is none (RFC 7515 sections 4.1.7 and 4.1.8, RFC 8555
/// sections 6.4.1 and 6.5.2).
const TEXTS: [&str; 4] = ["x5t", "x5t#S256", "url", "nonce"];

impl Header {
    /// Reads the decoded header of a compact JWS.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let object = parse_object(bytes, Limits::HEADER).map_err(|error| match error {
            JsonError::TooLarge => TokenErrorKind::TooLarge,
            _ => TokenErrorKind::Malformed,
        })?;
        let algorithm = text(&object, "alg")?.ok_or(TokenErrorKind::Malformed)?;
        let algorithm =
            Algorithm::from_name(algorithm).ok_or(TokenErrorKind::AlgorithmNotAllowed)?;
        if object.contains_key("crit") {
            return Err(TokenErrorKind::CriticalHeader.into());
        }
        if REFUSED.into_iter().any(|name| object.contains_key(name)) {
            return Err(TokenErrorKind::UnsupportedHeader.into());
        }
        for name in TEXTS {
            text(&object, name)?;
        }
        let key_id = text(&object, "kid")?;
        if key_id.is_some_and(|key_id| !is_key_id(key_id)) {
            return Err(TokenErrorKind::Malformed.into());
        }
        Ok(Self {
            algorithm,
            key_id: key_id.map(str::to_owned),
            token_type: text(&object, "typ")?.map(str::to_owned),
        })
    }

    /// `alg`.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `typ`, as written.
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }
}

/// Whether a key id is one that this crate looks up: 1 to 256 characters that
/// mean nothing to a shell, a query, a log or a page.
pub(crate) fn is_key_id(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@#".contains(&byte);
    (1..=MAX_KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(safe)
}

/// The encoded headers of a key's tokens: that of the first type is kept, and
/// a key that signs tokens of another type encodes each.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncodedHeader(Arc<OnceLock<(Box<str>, Box<str>)>>);

impl EncodedHeader {
    /// Appends the header to a token to be signed. The key that this belongs
    /// to has always the same algorithm and id.
    pub(crate) fn append(
        &self,
        algorithm: Algorithm,
        token_type: &str,
        key_id: &str,
        token: &mut String,
    ) -> Result<(), SignError> {
        if let Some((_, encoded)) = self.0.get().filter(|(kept, _)| **kept == *token_type) {
            token.push_str(encoded);
            return Ok(());
        }
        let encoded = encode(algorithm, token_type, key_id)?;
        token.push_str(&encoded);
        self.0.get_or_init(|| (token_type.into(), encoded.into()));
        Ok(())
    }
}

/// The encoded header of a token to be signed.
fn encode(algorithm: Algorithm, token_type: &str, key_id: &str) -> Result<String, SignError> {
    #[derive(Serialize)]
    struct Written<'h> {
        alg: Algorithm,
        typ: &'h str,
        kid: &'h str,
    }

    let media = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&byte);
    if token_type.is_empty() || !token_type.bytes().all(media) {
        return Err(SignError::BadType);
    }
    let header = Written {
        alg: algorithm,
        typ: token_type,
        kid: key_id,
    };
    let header = serde_json::to_vec(&header).map_err(|_| SignError::Unserializable)?;
    Ok(base64url::encode(header))
}

/// A parameter that, where present, must be a string.
fn text<'o>(object: &'o Object, name: &str) -> Result<Option<&'o str>, TokenError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenErrorKind::Malformed.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Header, is_key_id};
    use crate::error::TokenErrorKind;

    fn refusal(header: &str) -> TokenErrorKind {
        Header::parse(header.as_bytes()).expect_err(header).kind()
    }

    #[test]
    fn reads_what_it_acts_on_and_ignores_the_rest() {
        let header =
            br#"{"alg":"ES256","kid":"2026/11#a","typ":"at+JWT","x5t":"AA","else":[1,{"a":2}]}"#;
        let header = Header::parse(header).expect("a good header");
        assert_eq!(header.algorithm().name(), "ES256");
        assert_eq!(header.key_id(), Some("2026/11#a"));
        assert_eq!(header.token_type(), Some("at+JWT"));
    }

    #[test]
    fn sig_001_sig_003_unknown_algorithms_have_no_representation() {
        for name in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "foo",
            "",
            "hs256",
            " HS256",
            "HS256 ",
            "RS256\\u0000",
            "ES256K",
            "RSA-OAEP",
            "dir",
            "A256GCM",
            "ES521",
        ] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(
                refusal(&header),
                TokenErrorKind::AlgorithmNotAllowed,
                "{name:?}"
            );
        }
    }

    #[test]
    fn sig_004_algorithms_that_are_not_text_are_refused() {
        for value in ["1", "null", "true", r#"["ES256"]"#, r#"{"alg":"ES256"}"#] {
            assert_eq!(
                refusal(&format!(r#"{{"alg":{value}}}"#)),
                TokenErrorKind::Malformed
            );
        }
        assert_eq!(refusal(r#"{"typ":"at+jwt"}"#), TokenErrorKind::Malformed);
    }

    #[test]
    fn known_parameters_of_another_form_are_refused() {
        for name in ["x5t", "x5t#S256", "url", "nonce"] {
            let header = format!(r#"{{"alg":"ES256","{name}":"AA"}}"#);
            assert!(Header::parse(header.as_bytes()).is_ok(), "{name}");
            for value in ["1", "null", "true", r#"["AA"]"#, "{}"] {
                let header = format!(r#"{{"alg":"ES256","{name}":{value}}}"#);
                assert_eq!(refusal(&header), TokenErrorKind::Malformed, "{header}");
            }
        }
    }

    #[test]
    fn hdr_001_hdr_002_hdr_004_keys_and_addresses_in_the_header_are_refused() {
        for parameter in [
            r#""jwk":{"kty":"oct"}"#,
            r#""jku":"https://evil.example/jwks.json""#,
            r#""x5u":"https://evil.example/cert.pem""#,
            r#""x5c":["AA=="]"#,
            r#""jwk":null"#,
        ] {
            let header = format!(r#"{{"alg":"ES256",{parameter}}}"#);
            assert_eq!(
                refusal(&header),
                TokenErrorKind::UnsupportedHeader,
                "{parameter}"
            );
        }
    }

    #[test]
    fn hdr_006_hdr_007_hdr_008_key_ids_outside_the_safe_alphabet_are_refused() {
        for id in [
            "a' or 1=1--",
            "\\\"",
            "a|sleep 5",
            "a;b",
            "a b",
            "$ne",
            "\\u0000",
            "\\r\\n",
            "(",
            "\\u202e",
            "é",
            "<a>",
            "",
        ] {
            let header = format!(r#"{{"alg":"ES256","kid":"{id}"}}"#);
            assert_eq!(refusal(&header), TokenErrorKind::Malformed, "{id:?}");
        }
        for value in ["1", "null", "[]", "{}"] {
            let header = format!(r#"{{"alg":"ES256","kid":{value}}}"#);
            assert_eq!(refusal(&header), TokenErrorKind::Malformed, "{value}");
        }
        assert!(is_key_id(&"k".repeat(256)));
        assert!(!is_key_id(&"k".repeat(257)));
    }

    #[test]
    fn hdr_011_hdr_012_any_critical_extension_is_refused() {
        for value in [
            r#"["bork"]"#,
            r#"["cnf"]"#,
            "[]",
            "null",
            "1",
            r#"["alg"]"#,
            r#"["b64"]"#,
            r#""exp""#,
        ] {
            let header = format!(r#"{{"alg":"ES256","cnf":1,"crit":{value}}}"#);
            assert_eq!(refusal(&header), TokenErrorKind::CriticalHeader, "{value}");
        }
    }

    #[test]
    fn hdr_013_hdr_014_hdr_015_hdr_019_hdr_023_other_readings_are_refused() {
        for parameter in [
            r#""b64":false"#,
            r#""b64":true"#,
            r#""zip":"DEF""#,
            r#""enc":"A256GCM""#,
            r#""p2c":2147483647"#,
            r#""cty":"JWT""#,
            r#""iss":"x""#,
            r#""epk":{}"#,
        ] {
            let header = format!(r#"{{"alg":"ES256",{parameter}}}"#);
            assert_eq!(
                refusal(&header),
                TokenErrorKind::UnsupportedHeader,
                "{parameter}"
            );
        }
    }

    #[test]
    fn hdr_020_hdr_021_hdr_022_only_one_small_object_is_a_header() {
        for header in [
            "[]",
            "\"\"",
            "1",
            "null",
            "",
            "{",
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","\u0061lg":"none"}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
            r#"{"alg":"ES256"}{}"#,
            r#"{"alg":"ES256","typ":1}"#,
        ] {
            assert_eq!(refusal(header), TokenErrorKind::Malformed, "{header}");
        }
        let deep = format!(
            r#"{{"alg":"ES256","a":{}{}}}"#,
            "[".repeat(16),
            "]".repeat(16)
        );
        assert_eq!(refusal(&deep), TokenErrorKind::Malformed);
        let long = format!(r#"{{"alg":"ES256","a":"{}"}}"#, "a".repeat(2048));
        assert_eq!(refusal(&long), TokenErrorKind::TooLarge);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_refused(bytes: Vec<u8>) {
            let _ = Header::parse(&bytes);
        }

        #[test]
        fn any_members_are_a_header_or_refused(name in "[a-z0-9]{1,4}", value in "[ -~]{0,20}") {
            let header = serde_json::json!({ "alg": "ES256", name.as_str(): value.as_str() });
            if let Ok(header) = Header::parse(header.to_string().as_bytes()) {
                assert!(header.key_id().is_none_or(is_key_id));
            }
        }
    }
}
