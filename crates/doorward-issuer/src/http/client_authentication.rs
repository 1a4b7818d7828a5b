//! Who the client is (RFC 6749 section 2.3.1): `client_secret_basic` or
//! `client_secret_post`, one of them and once.
//!
//! Whatever is wrong with the credentials is one answer, `invalid_client`; two
//! methods in one request are `invalid_request`, as section 5.2 says. A secret in
//! the query is not read, so such a request has none.

use base64_simd::STANDARD;
use doorward_policy::decision::Reason;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::{
    error::Refusal,
    extract::Arrival,
    form::{Form, decode, invalid},
};
use crate::{
    client::{ClientTokenError, ProvenClient},
    issuer::Issuer,
    session::FIRST_PARTY_CLIENT,
};

/// Who sent a form.
pub(super) enum Sender {
    /// A client that proved itself.
    Client(Box<ProvenClient>),
    /// The first-party client, which is public: whoever holds a refresh token.
    FirstParty,
}

/// What a request brings to prove itself.
struct Presented {
    client_id: Zeroizing<String>,
    secret: Zeroizing<String>,
}

/// The client that sent `form`.
pub(super) async fn authenticate(
    issuer: &Issuer,
    arrival: &Arrival,
    form: &mut Form,
) -> Result<Sender, Refusal> {
    let basic = basic(&form.headers)?;
    let (client_id, secret) = (form.optional("client_id"), form.optional("client_secret"));
    let presented = match (basic, client_id, secret) {
        (Some(_), _, Some(_)) => {
            return Err(invalid(
                "the client authenticates in two ways; use one of them",
            ));
        }
        (Some(basic), Some(client_id), None) if basic.client_id != client_id => {
            return Err(invalid("`client_id` is another client's"));
        }
        (Some(basic), _, None) => basic,
        (None, Some(client_id), Some(secret)) => Presented { client_id, secret },
        (None, Some(client_id), None) if *client_id != FIRST_PARTY_CLIENT => {
            return Err(wrong("no secret"));
        }
        (None, None, Some(_)) => return Err(wrong("a secret without a client_id")),
        (None, _, None) => return Ok(Sender::FirstParty),
    };
    let client = issuer
        .prove_client(&presented.client_id, &presented.secret, arrival.at())
        .await?;
    Ok(Sender::Client(Box::new(client)))
}

/// The same, where only clients with credentials are heard.
pub(super) async fn require_client(
    issuer: &Issuer,
    arrival: &Arrival,
    form: &mut Form,
) -> Result<Box<ProvenClient>, Refusal> {
    match authenticate(issuer, arrival, form).await? {
        Sender::Client(client) => Ok(client),
        Sender::FirstParty => Err(wrong("no client credentials")),
    }
}

/// `Authorization: Basic`, whose id and secret are URL-encoded within.
fn basic(headers: &HeaderMap) -> Result<Option<Presented>, Refusal> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => return Ok(None),
        (Some(field), None) => field,
        _ => return Err(invalid("more than one Authorization header")),
    };
    let presented = || {
        let (scheme, digits) = field.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode_to_vec(digits).ok()?);
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        Some(Presented {
            client_id: decode(&bytes[..colon])?,
            secret: decode(&bytes[colon + 1..])?,
        })
    };
    match presented() {
        Some(presented) => Ok(Some(presented)),
        None => Err(wrong("an Authorization header that is not Basic")),
    }
}

fn wrong(seen: &'static str) -> Refusal {
    Refusal::new(Reason::InvalidClient).seen(seen)
}

impl From<ClientTokenError> for Refusal {
    fn from(error: ClientTokenError) -> Self {
        match error {
            ClientTokenError::WrongCredentials(why) => wrong(why),
            ClientTokenError::Scope => Self::new(Reason::InvalidScope),
            ClientTokenError::Mint(error) => error.into(),
            ClientTokenError::Store(error) => error.into(),
        }
    }
}
