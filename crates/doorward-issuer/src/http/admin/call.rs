//! One call of an operation, and what it says.

use std::collections::HashMap;

use axum::{
    RequestPartsExt,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
};
use doorward_policy::decision::Reason;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::Value;

use super::{Operation, administrator::Administrator, cursor, shape::Documented};
use crate::{
    Admin,
    http::{
        answer::forbid_storing,
        error::Refusal,
        extract::{Members, bad_body, members_of},
    },
    issuer::Issuer,
};

/// Most items of one page.
const MAX_PAGE: usize = 200;

/// Items of a page that asks for no number.
const DEFAULT_PAGE: usize = 50;

/// What an operation is called with. The caller is admitted.
pub(super) struct Call {
    pub(super) issuer: Issuer,
    pub(super) administrator: Administrator,
    pub(super) operation: &'static Operation,
    pub(super) body: Members,
    path: HashMap<String, String>,
    query: HashMap<String, String>,
    if_match: Option<String>,
}

impl Call {
    pub(super) async fn read(
        issuer: Issuer,
        administrator: Administrator,
        operation: &'static Operation,
        parts: &mut Parts,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let path = parts.extract::<Path<HashMap<String, String>>>().await;
        let path = path.map_or_else(|_| HashMap::new(), |Path(path)| path);
        let known = operation.asks.map(|shape| shape.names());
        Ok(Self {
            body: members_of(&parts.headers, body, &known.unwrap_or_default())?,
            query: query(parts.uri.query().unwrap_or_default(), operation)?,
            if_match: if_match(&parts.headers, operation)?,
            issuer,
            administrator,
            operation,
            path,
        })
    }

    /// Administration in the caller's name.
    pub(super) fn admin(&self) -> Admin {
        self.administrator.admin(&self.issuer)
    }

    /// A part of the path. What is no name is the name of nothing.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The entity tag that the caller's change is for.
    pub(super) fn if_match(&self) -> Option<&str> {
        self.if_match.as_deref()
    }

    /// How many items the page has, and after which it begins.
    pub(super) fn page(&self) -> Result<(usize, String), Refusal> {
        let limit = match self.query.get("limit") {
            None => DEFAULT_PAGE,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MAX_PAGE) => limit,
                _ => return Err(bad_query(format!("`limit` is 1 to {MAX_PAGE}"))),
            },
        };
        let after = match self.query.get("cursor") {
            None => String::new(),
            Some(text) => cursor::read(text, &self.list(), &self.issuer.keys().tickets)
                .ok_or_else(|| bad_query("`cursor` is not of this list"))?,
        };
        Ok((limit, after))
    }

    /// Where the next page begins, if `last` was the last of a full one.
    pub(super) fn next(&self, last: Option<&str>, is_full: bool) -> Option<String> {
        let last = last.filter(|_| is_full)?;
        Some(cursor::write(
            last,
            &self.list(),
            &self.issuer.keys().tickets,
        ))
    }

    /// A page of a list that is in memory, in the order of `key`.
    pub(super) fn cut<T>(
        &self,
        mut all: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Refusal> {
        let (limit, after) = self.page()?;
        all.sort_by_key(&key);
        all.retain(|item| key(item) > after);
        let is_full = all.len() > limit;
        all.truncate(limit);
        let next = self.next(all.last().map(&key).as_deref(), is_full);
        Ok((all, next))
    }

    /// What a cursor is bound to.
    fn list(&self) -> String {
        let tenant = self.administrator.only_tenant();
        let tenant = tenant.map_or("*", |tenant| tenant.as_str());
        format!("{}/{tenant}", self.operation.id)
    }
}

/// What an operation says.
pub(super) struct Said {
    status: StatusCode,
    body: Option<Value>,
    tag: Option<String>,
}

impl Said {
    pub(super) fn ok<D: Documented>(body: &D) -> Result<Self, Refusal> {
        Self::document(StatusCode::OK, body)
    }

    pub(super) fn made<D: Documented>(body: &D) -> Result<Self, Refusal> {
        Self::document(StatusCode::CREATED, body)
    }

    pub(super) fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            tag: None,
        }
    }

    /// What was said to the first of two equal requests.
    pub(super) fn again(status: u16, body: Option<Value>) -> Option<Self> {
        Some(Self {
            status: StatusCode::from_u16(status).ok()?,
            body,
            tag: None,
        })
    }

    pub(super) fn tagged(self, tag: String) -> Self {
        Self {
            tag: Some(tag),
            ..self
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    fn document<D: Documented>(status: StatusCode, body: &D) -> Result<Self, Refusal> {
        Ok(Self {
            status,
            body: Some(serde_json::to_value(body)?),
            tag: None,
        })
    }
}

impl IntoResponse for Said {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        forbid_storing(headers);
        if let Some(tag) = self.tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        if let Some(body) = self.body {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            *response.body_mut() = Body::from(body.to_string());
        }
        response.extensions_mut().insert(Reason::Administered);
        response
    }
}

/// The parameters that a list takes, and no others.
fn query(text: &str, operation: &Operation) -> Result<HashMap<String, String>, Refusal> {
    let mut query = HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_known = operation.is_list && matches!(name, "limit" | "cursor");
        let is_twice = query.insert(name.to_owned(), value.to_owned()).is_some();
        if !is_known || is_twice {
            let name: String = name.chars().take(64).collect();
            return Err(bad_query(format!(
                "`{name}` is not a parameter here, or is there twice"
            )));
        }
    }
    Ok(query)
}

/// One strong entity tag (RFC 9110 section 13.1.1). A change that is not made
/// conditional by it is not made unconditionally instead.
fn if_match(headers: &HeaderMap, operation: &Operation) -> Result<Option<String>, Refusal> {
    let is_change = operation.method != Method::GET;
    if is_change && !operation.takes_if_match && headers.contains_key(header::IF_MATCH) {
        return Err(bad_query("`If-Match` is not taken here; leave it out"));
    }
    let mut fields = headers.get_all(header::IF_MATCH).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => match field.to_str() {
            Ok(tag) if tag.starts_with('"') && tag.len() > 2 => Ok(Some(tag.to_owned())),
            _ => Err(bad_query("`If-Match` is one entity tag in quotes")),
        },
        _ => Err(bad_query("`If-Match` is one entity tag in quotes")),
    }
}

fn bad_query(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::request(Reason::BadRequest, detail)
}

/// A member that must be there and is not.
pub(super) fn missing(name: &str) -> Refusal {
    bad_body(format!("member `{name}` is missing"))
}
