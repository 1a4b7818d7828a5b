//! Reading the one bearer token of a request (RFC 6750 section 2.1).
//!
//! One documented rule: exactly one `Authorization` field, the scheme
//! `Bearer` in any letter case, one space, one token of the `b64token`
//! alphabet. Tokens in queries, bodies or cookies are never read.

use doorward_policy::decision::Reason;
use http::{HeaderMap, header::AUTHORIZATION};

/// The token in `headers`.
///
/// # Errors
///
/// [`Reason::NoToken`] without the field, [`Reason::AmbiguousCredential`]
/// with more than one, [`Reason::MalformedCredential`] for anything that is
/// not `Bearer`, one space and one token.
pub fn from_headers(headers: &HeaderMap) -> Result<&str, Reason> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Err(Reason::NoToken);
    };
    if fields.next().is_some() {
        return Err(Reason::AmbiguousCredential);
    }
    // Scheme and token are ASCII, or are refused below.
    let text = std::str::from_utf8(field.as_bytes()).map_err(|_| Reason::MalformedCredential)?;
    let (scheme, token) = text.split_once(' ').ok_or(Reason::MalformedCredential)?;
    if !scheme.eq_ignore_ascii_case("Bearer") || !is_b64token(token) {
        return Err(Reason::MalformedCredential);
    }
    Ok(token)
}

/// RFC 6750 `b64token`: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(crate) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // Every byte, without an early end: many at a time.
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            | matches!(byte, b'-' | b'.' | b'/')
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    };
    !body.is_empty() && body.bytes().fold(true, |all, byte| all & allowed(byte))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::Reason;
    use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

    use super::{from_headers, is_b64token};

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn par_014_only_one_spelling_of_bearer_passes() {
        for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c"] {
            assert_eq!(from_headers(&headers(&[good.as_bytes()])), Ok("a.b.c"));
        }
        let odd = [
            "Bearer",
            "Bearer ",
            "Bearer  a.b.c",
            "Bearer\ta.b.c",
            "Bearer \"a.b.c\"",
            "Bearer a.b.c, Bearer d.e.f",
            "Bearer a.b.c d",
            "Basic a.b.c",
            "a.b.c",
            "",
            "Bearer a.b.c ",
            "Bearer =",
            "DPoP a.b.c",
        ];
        for bad in odd {
            let sent = headers(&[bad.as_bytes()]);
            assert_eq!(
                from_headers(&sent),
                Err(Reason::MalformedCredential),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn par_015_two_authorization_headers_are_ambiguous() {
        let two = headers(&[b"Bearer a.b.c", b"Bearer a.b.c"]);
        assert_eq!(from_headers(&two), Err(Reason::AmbiguousCredential));
    }

    #[test]
    fn par_020_bytes_outside_ascii_are_refused() {
        let field = headers(&[b"Bearer a.b\xff.c"]);
        assert_eq!(from_headers(&field), Err(Reason::MalformedCredential));
    }

    #[test]
    fn nothing_sent_is_no_token() {
        assert_eq!(from_headers(&HeaderMap::new()), Err(Reason::NoToken));
    }

    #[test]
    fn par_014_a_token_has_the_characters_of_rfc_6750_and_no_other() {
        for byte in 0..=u8::MAX {
            let character = char::from(byte);
            let allowed = character.is_ascii_alphanumeric() || "-._~+/".contains(character);
            assert_eq!(is_b64token(&format!("a{character}b")), allowed, "{byte:#x}");
        }
        assert!(is_b64token("ab=="));
        assert!(!is_b64token("a=b"));
    }
}
