//! What handlers take from a request.

use std::net::IpAddr;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
};
use doorward_jose::json::{self, JsonError, Limits, Object, Value};
use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::clock::Timestamp;
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{Peer, error::Refusal};
use crate::{admission::Network, entropy, issuer::Issuer};

/// Bounds on a body: none of ours needs a tenth of it.
const BODY: Limits = Limits {
    max_bytes: 8 * 1024,
    max_depth: 4,
};

/// When, from where and under which name a request arrived. The clock is read
/// once for each request, here.
#[derive(Clone)]
pub(super) struct Arrival {
    at: Timestamp,
    trace_id: TraceId,
    peer: Option<IpAddr>,
    method: String,
    path: String,
}

impl Arrival {
    /// A trace id in the request's extensions is kept, so that the gateway's
    /// record and ours bear the same name.
    pub(super) fn of(request: &Request, issuer: &Issuer) -> Self {
        let given = request.extensions().get::<TraceId>().copied();
        let fresh = || TraceId::from_bytes(entropy::random(issuer.entropy()));
        Self {
            at: issuer.clock().now(),
            trace_id: given.unwrap_or_else(fresh),
            peer: request.extensions().get::<Peer>().map(|peer| peer.0),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
        }
    }

    /// Whether it asks one of OAuth's own endpoints.
    pub(super) fn speaks_oauth(&self) -> bool {
        self.path.starts_with("/oauth2/")
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn network(&self) -> Network {
        Network::from(self.peer)
    }

    /// A record of this request without any check.
    pub(super) fn decision(&self) -> Decision {
        let mut decision = Decision::new(self.trace_id, self.at.millis(), &self.method, &self.path);
        decision.peer = self.peer;
        decision
    }
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let arrival = parts.extensions.get::<Self>().cloned();
        arrival.ok_or_else(|| Refusal::new(Reason::Internal).seen("the request has no arrival"))
    }
}

/// The members of a JSON body.
///
/// Strict: `application/json` in UTF-8, not compressed, at most 8 KiB, one
/// object without duplicates. Which members it may have is said by
/// [`Members::only`].
pub(super) struct JsonBody(Object);

impl JsonBody {
    /// The members, if there is none but `known` (ISS-001: what an endpoint
    /// does not take is refused, not ignored).
    pub(super) fn only(self, known: &[&str]) -> Result<Members, Refusal> {
        let unknown = self.0.keys().find(|name| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(Members(self.0)),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                Err(bad_body(format!(
                    "unknown member `{name}`; this endpoint takes {}",
                    known.join(", ")
                )))
            }
        }
    }
}

/// Members of a body, taken one by one.
pub(super) struct Members(Object);

impl Members {
    /// A member that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Refusal> {
        self.optional_text(name)?
            .ok_or_else(|| bad_body(format!("member `{name}` is missing")))
    }

    /// A member that may be there.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad_body(format!("member `{name}` must be a string"))),
        }
    }

    /// A list of strings that may be there.
    pub(super) fn optional_texts(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let wrong = || bad_body(format!("member `{name}` must be an array of strings"));
        let items = match self.0.remove(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(wrong()),
        };
        let text = |item| match item {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        };
        items
            .into_iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An object, which must be there.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Object, Refusal> {
        match self.0.remove(name) {
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(bad_body(format!("member `{name}` must be an object"))),
            None => Err(bad_body(format!("member `{name}` is missing"))),
        }
    }

    /// A whole number that may be there.
    pub(super) fn optional_number(&mut self, name: &'static str) -> Result<Option<u64>, Refusal> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                bad_body(format!("member `{name}` must be a whole number, 0 or more"))
            }),
        }
    }

    /// A whole number that must be there.
    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, Refusal> {
        self.optional_number(name)?
            .ok_or_else(|| bad_body(format!("member `{name}` is missing")))
    }

    /// `true` or `false`, which must be there.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        match self.0.remove(name) {
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(bad_body(format!("member `{name}` must be true or false"))),
            None => Err(bad_body(format!("member `{name}` is missing"))),
        }
    }
}

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        demand_json(&parts.headers)?;
        parse(&read(&parts.headers, body).await?)
    }
}

/// A JSON body, or none at all.
pub(super) struct OptionalJsonBody(pub(super) Option<JsonBody>);

impl<S: Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        demand_json(&parts.headers)?;
        parse(&bytes).map(Some).map(Self)
    }
}

/// The members of a body that was read; none if the endpoint takes none or
/// nothing was sent.
pub(super) fn members_of(
    headers: &HeaderMap,
    body: &[u8],
    known: &[&str],
) -> Result<Members, Refusal> {
    if body.is_empty() {
        return Ok(Members(Object::new()));
    }
    demand_json(headers)?;
    parse(body)?.only(known)
}

/// Bytes of the body, up to the bound; a longer one is not read to its end.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY.max_bytes) {
        return Err(too_large());
    }
    match Limited::new(body, BODY.max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Refusal::request(Reason::BadRequest, "the body broke off")),
    }
}

fn parse(bytes: &[u8]) -> Result<JsonBody, Refusal> {
    match json::parse_object(bytes, BODY) {
        Ok(object) => Ok(JsonBody(object)),
        Err(JsonError::NotAnObject) => Err(bad_body("the body must be a JSON object")),
        Err(_) => Err(bad_body(
            "the body is not strict JSON: check syntax, UTF-8, duplicate members and depth",
        )),
    }
}

/// ISS-033: exactly one `Content-Type`, `application/json`, UTF-8 if it says
/// so at all; no `Content-Encoding` (DOS-006: nothing is inflated).
fn demand_json(headers: &HeaderMap) -> Result<(), Refusal> {
    demand_media_type(headers, "application/json")
}

/// The same for another media type.
pub(super) fn demand_media_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Refusal> {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let only = match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().unwrap_or_default(),
        _ => "",
    };
    let (essence, parameters) = only.split_once(';').unwrap_or((only, ""));
    let parameters = parameters.trim().replace('"', "");
    let is_utf8 = parameters.is_empty() || parameters.eq_ignore_ascii_case("charset=utf-8");
    let is_wanted = essence.trim().eq_ignore_ascii_case(wanted);
    if is_wanted && is_utf8 && !headers.contains_key(header::CONTENT_ENCODING) {
        Ok(())
    } else {
        Err(Refusal::request(
            Reason::UnsupportedMediaType,
            format!("send `Content-Type: {wanted}`, in UTF-8 and not compressed"),
        ))
    }
}

pub(super) fn bad_body(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::request(Reason::BadBody, detail)
}

fn too_large() -> Refusal {
    let detail = format!("the body may have at most {} bytes", BODY.max_bytes);
    Refusal::request(Reason::BodyTooLarge, detail)
}
