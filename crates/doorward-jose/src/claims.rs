//! The claims of an access token (RFC 7519 section 4.1, RFC 9068 section 2.2).
//!
//! [`Claims`] are read from a proven token: every registered claim has its
//! type or the token is refused; a claim of the wrong type is never treated as
//! absent. [`AccessClaims`] are written by an issuer.

use serde::{Deserialize, Serialize};

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

/// The claims that every access token has (RFC 9068 section 2.2).
#[derive(Clone, Debug)]
pub struct RequiredClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audience: String,
    /// `client_id`.
    pub client_id: String,
    /// `jti`: unique for each token.
    pub token_id: String,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp` minus `iat`, in seconds.
    pub lifetime_seconds: u64,
}

/// The claims of a token to be made; absent ones are not written.
///
/// ```
/// use doorward_jose::{
///     claims::{AccessClaims, RequiredClaims},
///     time::UnixTime,
/// };
///
/// let claims = AccessClaims::new(RequiredClaims {
///     issuer: "https://id.example".into(),
///     subject: "user-1".into(),
///     audience: "https://api.example".into(),
///     client_id: "cli".into(),
///     token_id: "t-1".into(),
///     issued_at: UnixTime::from_secs(1_700_000_000),
///     lifetime_seconds: 300,
/// })
/// .tenant("acme")
/// .roles(["reader"]);
/// let json = serde_json::to_value(&claims)?;
/// assert_eq!(json["exp"], 1_700_000_300);
/// assert!(json.get("sid").is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct AccessClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: UnixTime,
    iat: UnixTime,
    jti: String,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
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
}

impl AccessClaims {
    /// Only what is required; `exp` follows from `iat` and the lifetime.
    pub fn new(required: RequiredClaims) -> Self {
        Self {
            exp: required.issued_at.saturating_add(required.lifetime_seconds),
            iss: required.issuer,
            sub: required.subject,
            aud: required.audience,
            iat: required.issued_at,
            jti: required.token_id,
            client_id: required.client_id,
            sid: None,
            scope: None,
            tenant: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            cnf: None,
        }
    }

    /// `sid`.
    #[must_use]
    pub fn session(mut self, session_id: impl Into<String>) -> Self {
        self.sid = Some(session_id.into());
        self
    }

    /// `scope`: values separated by single spaces (RFC 6749 section 3.3).
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// `tenant`.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// `roles`.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// `permissions`.
    #[must_use]
    pub fn permissions<P: Into<String>>(
        mut self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// `auth_time`, and how the subject signed in: `amr` (RFC 8176).
    #[must_use]
    pub fn authentication<M: Into<String>>(
        mut self,
        at: UnixTime,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        self.auth_time = Some(at);
        self.amr = methods.into_iter().map(Into::into).collect();
        self
    }

    /// `acr`.
    #[must_use]
    pub fn acr(mut self, acr: impl Into<String>) -> Self {
        self.acr = Some(acr.into());
        self
    }

    /// `cnf`: the key that the token is bound to (RFC 7800).
    #[must_use]
    pub fn confirmation(mut self, confirmation: Object) -> Self {
        self.cnf = Some(Value::Object(confirmation));
        self
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// `jti`.
    pub fn token_id(&self) -> &str {
        &self.jti
    }

    /// `exp`.
    pub const fn expires_at(&self) -> UnixTime {
        self.exp
    }
}

/// RFC 7519 section 4.1.3: a single audience may stand alone.
fn one_or_many<S: serde::Serializer>(aud: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match aud {
        [only] => only.serialize(serializer),
        several => several.serialize(serializer),
    }
}
