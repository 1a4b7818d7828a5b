//! `Idempotency-Key`: a POST that is sent twice is done once.
//!
//! The key is noted before the operation begins and the answer after it, sealed,
//! because answers hold secrets that are shown once. A request that comes while
//! the first one runs, or after a crash between operation and answer, is told
//! 409: whether it was done must be looked up, and is not guessed. What was
//! refused may be tried again under the same key.
//!
//! A key belongs to whoever sent it, in the tenant that their token reaches.
//! Of it and of the request only MACs are kept: a request may hold a password,
//! and who has the database must not be able to try passwords against it.

use aws_lc_rs::hmac;
use doorward_policy::decision::Reason;
use http::{HeaderMap, Method, request::Parts};
use serde_json::{Value, json};

use super::{administrator::Administrator, call::Said};
use crate::{
    error::StoreError, hexadecimal::hex, http::error::Refusal, issuer::Issuer,
    master_key::seal::Place,
};

/// Longest key, in bytes.
const MAX_LENGTH: usize = 255;

/// What is known of the key.
pub(super) enum Begun {
    /// This is the first request with it, or there is no key.
    First(Option<First>),
    /// The answer to the first.
    Again(Said),
}

/// A first request that runs.
pub(super) struct First {
    id: String,
}

/// Notes the key, if there is one.
pub(super) async fn begin(
    issuer: &Issuer,
    administrator: &Administrator,
    request: &Parts,
    body: &[u8],
) -> Result<Begun, Refusal> {
    let Some(key) = key_of(&request.headers)? else {
        return Ok(Begun::First(None));
    };
    if request.method != Method::POST {
        return Ok(Begun::First(None));
    }
    let macs = &issuer.keys().idempotency;
    let who = administrator.id();
    let tenant = administrator.only_tenant();
    // No tenant has this name.
    let tenant = tenant.map_or("*", |tenant| tenant.as_str());
    let id = mac_of(macs, &["key", &who, tenant, key].map(str::as_bytes));
    let path = request.uri.path().as_bytes();
    let asked = mac_of(macs, &[b"request", path, body]);
    let now = issuer.clock().now();
    let mut tx = issuer.store().begin().await?;
    if tx.note_idempotency(&id, &asked, now).await? {
        tx.commit().await?;
        return Ok(Begun::First(Some(First { id })));
    }
    let conflict = |why| Refusal::request(Reason::Conflict, why);
    let noted = tx.idempotency(&id).await?;
    let (first, sealed) =
        noted.ok_or_else(|| conflict("the first request was refused; try again"))?;
    if first != asked {
        return Err(conflict(
            "this Idempotency-Key was used for another request",
        ));
    }
    let sealed = sealed.ok_or_else(|| {
        conflict("the first request with this Idempotency-Key has no answer yet; look what it did")
    })?;
    let damaged = || StoreError::Corrupt(format!("the answer of idempotency {id}"));
    let opened = issuer.keys().sealer.open(place(&id), &sealed);
    let opened = opened.map_err(|_| damaged())?;
    let (status, body): (u16, Option<Value>) =
        serde_json::from_slice(&opened).map_err(|_| damaged())?;
    Ok(Begun::Again(Said::again(status, body).ok_or_else(damaged)?))
}

impl First {
    /// Notes the answer. A refusal leaves no trace of the key; a failure leaves
    /// it as one whose answer is not known.
    pub(super) async fn end(
        self,
        issuer: &Issuer,
        said: &Result<Said, Refusal>,
    ) -> Result<(), Refusal> {
        let mut tx = issuer.store().begin().await?;
        match said {
            Ok(said) => {
                let text = json!([said.status(), said.body()]).to_string();
                let text = zeroize::Zeroizing::new(text);
                let sealed = issuer.keys().sealer.seal(place(&self.id), text.as_bytes());
                tx.end_idempotency(&self.id, &sealed).await?;
            }
            Err(refusal) if refusal.is_failure() => return Ok(()),
            Err(_) => tx.forget_idempotency(&self.id).await?,
        }
        Ok(tx.commit().await?)
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut fields = headers.get_all("idempotency-key").iter();
    let malformed = || {
        let detail =
            format!("`Idempotency-Key` is one text of 1 to {MAX_LENGTH} visible characters");
        Refusal::request(Reason::BadRequest, detail)
    };
    let key = match (fields.next(), fields.next()) {
        (None, _) => return Ok(None),
        (Some(field), None) => field.to_str().map_err(|_| malformed())?,
        _ => return Err(malformed()),
    };
    match (1..=MAX_LENGTH).contains(&key.len()) {
        true => Ok(Some(key)),
        false => Err(malformed()),
    }
}

/// In hexadecimal. Only the last part may hold a zero byte, so the message has
/// one reading.
fn mac_of(key: &hmac::Key, parts: &[&[u8]]) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(b"\0");
        context.update(part);
    }
    hex(context.sign().as_ref())
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "idempotency",
        id,
        beside: &[],
    }
}
