//! The claims of an access token (RFC 7519 section 4.1, RFC 9068 section 2.2).
//!
//! [`Claims`] are read from a proven token: every registered claim has its
//! type or the token is refused; a claim of the wrong type is never treated as
//! absent. [`AccessClaims`] are written by an issuer.

mod access;
mod borrowed;
mod read;
pub(crate) mod scan;

use serde::Serialize;

pub use self::access::{AccessClaims, RequiredClaims};
pub use self::borrowed::{BorrowedClaims, RawClaim};
pub(crate) use self::read::parse;

use crate::{
    json::{Object, Value},
    time::UnixTime,
};

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claims {
    iss: String,
    sub: String,
    #[serde(serialize_with = "one_or_many")]
    aud: Vec<String>,
    exp: UnixTime,
    iat: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<UnixTime>,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Value>,
    #[serde(flatten)]
    others: Object,
}

impl Claims {
    /// `iss`: who made the token.
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// `sub`: whom it is about.
    pub fn subject(&self) -> &str {
        &self.sub
    }

    /// `aud`: whom it is for; never empty.
    pub fn audience(&self) -> &[String] {
        &self.aud
    }

    /// `exp`: no longer valid from here on.
    pub const fn expires_at(&self) -> UnixTime {
        self.exp
    }

    /// `iat`: when it was made.
    pub const fn issued_at(&self) -> UnixTime {
        self.iat
    }

    /// `nbf`: not valid before.
    pub const fn not_before(&self) -> Option<UnixTime> {
        self.nbf
    }

    /// `jti`: the token's own id.
    pub fn token_id(&self) -> &str {
        &self.jti
    }

    /// `sid`: the session that it belongs to.
    pub fn session_id(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// `client_id`: the client that asked for it; present in every `at+jwt`.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// `scope`, as written (RFC 6749 section 3.3).
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The scope's values, one by one, for comparison as wholes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope()
            .into_iter()
            .flat_map(|scope| scope.split(' '))
            .filter(|one| !one.is_empty())
    }

    /// `tenant`: the tenant in which the roles hold.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// `roles`.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// `permissions`.
    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    /// `auth_time`: when the subject last proved who they are.
    pub const fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }

    /// `acr`: how well they proved it.
    pub fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    /// `amr`: by which methods.
    pub fn amr(&self) -> &[String] {
        &self.amr
    }

    /// `cnf`: the key whose possession must be proven (RFC 7800).
    pub const fn confirmation(&self) -> Option<&Value> {
        self.cnf.as_ref()
    }

    /// Every other claim.
    pub const fn others(&self) -> &Object {
        &self.others
    }
}

/// Values separated by single spaces, or nothing (RFC 6749 section 3.3).
fn is_scope(text: &str) -> bool {
    let mut last = b' ';
    for byte in text.bytes() {
        match byte {
            0x21 | 0x23..=0x5b | 0x5d..=0x7e => {}
            b' ' if last != b' ' => {}
            _ => return false,
        }
        last = byte;
    }
    text.is_empty() || last != b' '
}

/// RFC 7519 section 4.1.3: a single audience may stand alone.
fn one_or_many<S: serde::Serializer>(aud: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match aud {
        [only] => only.serialize(serializer),
        several => several.serialize(serializer),
    }
}
