//! A handler without a server, as function platforms call it: an event with a
//! method, a path and headers in, a status, headers and a body out. Nothing
//! here needs a runtime or a framework.
//!
//! ```text
//! cargo run -p doorward-verify --example lambda -- JWKS_FILE ISSUER AUDIENCE < event.json
//! ```

#![expect(clippy::print_stdout, reason = "its answer")]

use std::{
    error::Error,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::SystemTime,
};

use doorward_policy::{
    decision::{Decision, Reason, Step, TraceId},
    permission::Permission,
    permit::require_permission,
};
use doorward_verify::{
    clock::Timestamp,
    jose::{
        algorithm::Algorithm,
        jwk_set::{KeySet, Limits},
        validation::Validation,
    },
    key_source::KeySource,
    principal::Principal,
    refusal,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Event {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

/// One invocation.
fn handle(verifier: &Verifier, event: &Event, now: Timestamp) -> Response<Vec<u8>> {
    let mut decision = Decision::new(trace_id(), now.millis(), &event.method, &event.path);
    match admit(verifier, event, now, &mut decision) {
        Ok(principal) => {
            let body = json!({ "orders": ["a door"], "for": principal.subject() });
            Response::new(body.to_string().into_bytes())
        }
        // The same answer as the gateway's; log `decision`, it knows the rest.
        Err(_) => refusal::response(&decision, Some("orders:read")),
    }
}

fn admit(
    verifier: &Verifier,
    event: &Event,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Principal, Reason> {
    let headers = headers(event)
        .ok_or_else(|| decision.fail(Step::Request, Reason::BadRequest, "a bad header", ""))?;
    let principal = verifier.verify_bearer(&headers, now.unix(), decision)?;
    let orders_read = Permission::parse("orders:read").expect("a permission");
    require_permission(&orders_read, &principal, decision)?;
    Ok(principal)
}

/// Every field, also one that comes twice: whoever keeps only the last of two
/// `Authorization` fields decides about another request than it was sent.
fn headers(event: &Event) -> Option<HeaderMap> {
    let pairs = event.headers.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for pair in pairs {
        let (name, value) = pair?;
        map.append(name, value);
    }
    Some(map)
}

/// What a platform does once, before the first invocation, and then for each.
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = arguments();
    let [jwks, issuer, audience] = arguments.as_slice() else {
        return Err("give JWKS_FILE ISSUER AUDIENCE".into());
    };
    let algorithms = [Algorithm::Es256];
    let keys = KeySet::parse_for(&std::fs::read(jwks)?, Limits::default(), &algorithms)?;
    let validation = Validation::issuer(issuer)
        .audience(audience)
        .algorithms(algorithms);
    let trusted = TrustedIssuer::new(validation, KeySource::fixed(keys));
    let verifier = Verifier::new(vec![trusted], RevocationSet::new());

    let event: Event = serde_json::from_reader(std::io::stdin())?;
    let response = handle(&verifier, &event, now());
    let headers: Vec<(&str, &str)> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let body = String::from_utf8_lossy(response.body());
    println!(
        "{}",
        json!({ "status": response.status().as_u16(), "headers": headers, "body": body })
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program may read its arguments"
)]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

#[expect(clippy::disallowed_methods, reason = "a program may read the clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Different each time, which is all that a name asks for.
fn trace_id() -> TraceId {
    let random = || RandomState::new().build_hasher().finish();
    let bits = (u128::from(random()) << 64) | u128::from(random());
    TraceId::from_bytes(bits.to_be_bytes())
}
