//! Answers of success.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use doorward_policy::decision::{Caller, Reason};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::Refusal;
use crate::{hexadecimal::hex, session::TokenAnswer};

/// What the client of a private endpoint gets; never cached.
pub(super) struct Answer {
    reason: Reason,
    /// Who it is about, where the handler proved it.
    caller: Option<Caller>,
    body: Option<Vec<u8>>,
}

impl Answer {
    /// A JSON object.
    pub(super) fn json(reason: Reason, body: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(body)?;
        Ok(Self {
            reason,
            caller: None,
            body: Some(body),
        })
    }

    /// The same, about a caller whom the handler proved.
    pub(super) fn about(self, caller: Caller) -> Self {
        Self {
            caller: Some(caller),
            ..self
        }
    }

    /// 200 with an empty object: for endpoints whose specification wants a 200.
    pub(super) fn done(reason: Reason) -> Self {
        Self {
            reason,
            caller: None,
            body: Some(b"{}".to_vec()),
        }
    }

    /// 204, nothing to say.
    pub(super) fn empty(reason: Reason) -> Self {
        Self {
            reason,
            caller: None,
            body: None,
        }
    }

    /// RFC 6749 section 5.1.
    pub(super) fn tokens(reason: Reason, answer: &TokenAnswer) -> Result<Self, Refusal> {
        #[derive(Serialize)]
        struct Tokens<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: u64,
            refresh_token: &'a str,
        }
        let tokens = Self::json(
            reason,
            &Tokens {
                access_token: &answer.access_token,
                token_type: "Bearer",
                expires_in: answer.expires_in,
                refresh_token: &answer.refresh_token,
            },
        )?;
        let caller = Caller {
            subject: answer.subject.to_string(),
            tenant: Some(answer.tenant.to_string()),
            session: Some(answer.session_id.to_string()),
            ..Caller::default()
        };
        Ok(tokens.about(caller))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => {
                let mut response = Response::new(Body::from(body));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            None => StatusCode::NO_CONTENT.into_response(),
        };
        forbid_storing(response.headers_mut());
        response.extensions_mut().insert(self.reason);
        if let Some(caller) = self.caller {
            response.extensions_mut().insert(caller);
        }
        response
    }
}

/// RFC 6749 section 5.1 asks for both.
pub(super) fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// A public document that clients may keep for `max_age` seconds and ask for
/// again by its entity tag.
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) max_age: u64,
    pub(super) text: String,
}

impl Document {
    /// 200, or 304 if `request` shows that the client has it.
    pub(super) fn answer(self, request: &HeaderMap) -> Response {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.text.as_bytes());
        let tag = format!("\"{}\"", hex(&hash.as_ref()[..16]));
        let mut response = if is_current(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(self.text));
            let media_type = HeaderValue::from_static(self.media_type);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
            response
        };
        let caching = format!("public, max-age={}", self.max_age);
        for (name, text) in [(header::ETAG, tag), (header::CACHE_CONTROL, caching)] {
            let value = HeaderValue::try_from(text)
                .expect("INVARIANT: digits, hexadecimal and our own words");
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(Reason::Served);
        response
    }
}

/// `If-None-Match`, compared weakly (RFC 9110 section 13.1.2).
pub(super) fn is_current(request: &HeaderMap, tag: &str) -> bool {
    let fields = request.get_all(header::IF_NONE_MATCH).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(|known| known.trim())
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
