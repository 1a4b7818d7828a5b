//! Who may ask: the tokens of the data folder, and nobody through a browser.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use doorward_issuer::{hexadecimal::hex, http::admin::Operator};
use doorward_verify::bearer;

use super::{Admin, refused};

/// The secret of the data folder's owner.
#[derive(Clone)]
pub(crate) struct OperatorToken(String);

impl OperatorToken {
    /// Reads what [`OperatorToken::generate`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// A new one from 32 random bytes.
    pub(crate) fn generate(random: [u8; 32]) -> Self {
        Self(hex(&random))
    }

    /// The text to keep.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The field to send.
    pub(crate) fn authorization(&self) -> HeaderValue {
        let text = format!("Bearer {}", self.0);
        let mut value =
            HeaderValue::try_from(text).expect("an operator token is made of hexadecimal digits");
        value.set_sensitive(true);
        value
    }

    /// Compares without a hint of how much was right: every byte is looked at.
    fn matches(&self, sent: &str) -> bool {
        let (own, sent) = (self.0.as_bytes(), sent.as_bytes());
        let different = own.iter().zip(sent).fold(0, |seen, (a, b)| seen | (a ^ b));
        own.len() == sent.len() && std::hint::black_box(different) == 0
    }
}

/// Tells the administration that the operator asks, by the token of the data
/// folder. Whoever else asks shows an access token there.
pub(super) async fn know_operator(
    State(admin): State<Arc<Admin>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_operator = matches!(
        bearer::from_headers(request.headers()),
        Ok(token) if admin.operator_token.matches(token)
    );
    if is_operator {
        request.extensions_mut().insert(Operator);
    }
    next.run(request).await
}

/// A browser that was talked into calling loopback by another name (DNS
/// rebinding) or from another site's page is turned away before anything else.
pub(super) async fn same_machine_names(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return refused(
            StatusCode::FORBIDDEN,
            "requests from web pages are not taken here",
        );
    }
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_none_or(|host| !names_an_address(host)) {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "call this listener by its address",
        );
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// `127.0.0.1:4181`, `[::1]:4181`, `localhost:4181`, with or without a port.
fn names_an_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

pub(super) async fn operator_only(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match bearer::from_headers(&headers) {
        Ok(token) if admin.operator_token.matches(token) => next.run(request).await,
        _ => unauthorized("send the operator token of the data folder as a bearer token"),
    }
}

pub(super) async fn scraper_or_operator(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let is_known =
        |token: &str| admin.metrics_token.matches(token) || admin.operator_token.matches(token);
    match bearer::from_headers(&headers) {
        Ok(token) if is_known(token) => next.run(request).await,
        _ => unauthorized("send the metrics token of the data folder as a bearer token"),
    }
}

fn unauthorized(title: &str) -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, title);
    let challenge = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}
