//! The form of a request to one of OAuth's own endpoints (RFC 6749 appendix B).
//!
//! Strict: `application/x-www-form-urlencoded` in UTF-8, not compressed, at most
//! 8 KiB, no parameter twice (section 3.2; ISS-013). A parameter without a value
//! counts as absent, and unknown ones are ignored, as section 3.2 wants.
//! Parameters in the query are never read.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use doorward_policy::decision::Reason;
use http::HeaderMap;
use zeroize::Zeroizing;

use super::{
    error::Refusal,
    extract::{demand_media_type, read},
};

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// More than any of our endpoints knows.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a form, taken one by one, and the request's header fields.
pub(super) struct Form {
    pub(super) headers: HeaderMap,
    parameters: BTreeMap<String, Zeroizing<String>>,
}

impl Form {
    /// A parameter that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Zeroizing<String>, Refusal> {
        self.optional(name)
            .ok_or_else(|| invalid(format!("parameter `{name}` is missing")))
    }

    /// A parameter that may be there.
    pub(super) fn optional(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.parameters.remove(name)
    }
}

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        demand_media_type(&parts.headers, MEDIA_TYPE)?;
        let parameters = parameters(&parts.headers, body).await?;
        Ok(Self {
            headers: parts.headers,
            parameters,
        })
    }
}

async fn parameters(
    headers: &HeaderMap,
    body: Body,
) -> Result<BTreeMap<String, Zeroizing<String>>, Refusal> {
    let bytes = read(headers, body).await?;
    let mut parameters = BTreeMap::new();
    let pairs = bytes.split(|byte| *byte == b'&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = pair.split_at(at.unwrap_or(pair.len()));
        let value = value.strip_prefix(b"=").unwrap_or_default();
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(invalid("the form is not URL-encoded UTF-8"));
        };
        if parameters.len() == MAX_PARAMETERS {
            return Err(invalid("the form has too many parameters"));
        }
        let name = name.to_string();
        if parameters.insert(name, value).is_some() {
            return Err(invalid("a parameter is there twice"));
        }
    }
    parameters.retain(|_, value| !value.is_empty());
    Ok(parameters)
}

/// One name or value out of its encoding: `+` is a blank, `%` and two digits a
/// byte. `None` for broken escapes and for what is no text.
pub(super) fn decode(encoded: &[u8]) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => *other,
        });
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    // A control character is in no parameter that we know.
    let is_plain = !text.chars().any(char::is_control);
    is_plain.then(|| Zeroizing::new(text.to_owned()))
}

/// RFC 6749 `invalid_request`.
pub(super) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::request(Reason::BadBody, detail)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn names_and_values_are_decoded_strictly() {
        let decoded = |text: &str| decode(text.as_bytes()).map(|text| text.to_string());
        assert_eq!(decoded("a+b%2Bc%3d"), Some("a b+c=".to_owned()));
        assert_eq!(decoded("%C3%A9"), Some("é".to_owned()));
        for broken in ["%", "%4", "%zz", "%ff", "a%00", "%0a", "%+1"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }
}
