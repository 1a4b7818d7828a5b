//! Reading the one bearer token of a request (RFC 6750 section 2.1).
//!
//! One documented rule: exactly one `Authorization` field, the scheme
//! `Bearer` in any letter case, one space, one token of the `b64token`
//! alphabet. Tokens in queries, bodies or cookies are never read.

use doorward_policy::decision::{Decision, Reason, Step};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// The token in `headers`.
///
/// # Errors
///
/// [`Reason::NoToken`] without the field, [`Reason::AmbiguousCredential`]
/// with more than one, [`Reason::MalformedCredential`] for anything that is
/// not `Bearer`, one space and one token.
pub fn from_headers(headers: &HeaderMap) -> Result<&str, Reason> {
    let token = unverified_bytes(only(headers)?);
    let token = token.and_then(|token| std::str::from_utf8(token).ok());
    token
        .filter(|token| is_b64token(token))
        .ok_or(Reason::MalformedCredential)
}

/// [`unverified_bytes`] of the one `Authorization` field, if there is one: to be
/// compared with tokens that were verified before, and for nothing else.
pub(crate) fn sole_unverified_bytes(headers: &HeaderMap) -> Option<&[u8]> {
    unverified_bytes(only(headers).ok()?)
}

/// What stands behind `Bearer`, in any letter case, and one space (RFC 6750
/// section 2.1): any bytes, also none, and nobody has looked at them. For
/// telling what else is sent in the place of a token; [`from_headers`] reads one.
///
/// ```
/// use doorward_verify::bearer::unverified_bytes;
/// use http::HeaderValue;
///
/// let field = HeaderValue::from_static("bearer dw_key or anything");
/// assert_eq!(unverified_bytes(&field), Some(&b"dw_key or anything"[..]));
/// assert_eq!(unverified_bytes(&HeaderValue::from_static("DPoP a.b.c")), None);
/// ```
pub fn unverified_bytes(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = field.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn only(headers: &HeaderMap) -> Result<&HeaderValue, Reason> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Err(Reason::NoToken),
        (Some(field), None) => Ok(field),
        _ => Err(Reason::AmbiguousCredential),
    }
}

/// Records why no token was read.
pub(crate) fn refuse(reason: Reason, decision: &mut Decision) -> Reason {
    let wanted = "Authorization: Bearer TOKEN";
    decision.fail(Step::Credential, reason, reason.title(), wanted)
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

    use super::{from_headers, is_b64token, sole_unverified_bytes};

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
    fn par_014_what_is_not_read_stands_alone_behind_one_spelling_of_bearer() {
        assert_eq!(
            sole_unverified_bytes(&headers(&[b"bEARER a b\xff="])),
            Some(&b"a b\xff="[..])
        );
        for none in [
            "Bearer",
            "Bearer\ta.b.c",
            "DPoP a.b.c",
            "Bearerx a",
            "a.b.c",
            "",
        ] {
            assert_eq!(
                sole_unverified_bytes(&headers(&[none.as_bytes()])),
                None,
                "{none:?}"
            );
        }
        assert_eq!(
            sole_unverified_bytes(&headers(&[b"Bearer a", b"Bearer a"])),
            None
        );
        assert_eq!(sole_unverified_bytes(&HeaderMap::new()), None);
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
