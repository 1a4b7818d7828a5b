//! Claims to be written by an issuer (RFC 9068 section 2.2).

use serde::Serialize;

use crate::{
    json::{Object, Value},
    time::UnixTime,
};

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
    permission_set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Value>,
    #[serde(flatten)]
    others: Object,
}

impl AccessClaims {
    /// The names of the claims that have a method here: nothing else may be
    /// called so, or a token would have a claim twice.
    pub const NAMED: [&str; 19] = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "client_id",
        "sid",
        "scope",
        "tenant",
        "roles",
        "permissions",
        "permission_set",
        "auth_time",
        "acr",
        "amr",
        "cnf",
        "act",
    ];

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
            permission_set: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            cnf: None,
            act: None,
            others: Object::new(),
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

    /// `permission_set` in place of `permissions`: the same by numbers.
    #[must_use]
    pub fn permission_set(mut self, set: impl Into<String>) -> Self {
        self.permission_set = Some(set.into());
        self.permissions = Vec::new();
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

    /// `act`: who acts for the subject (RFC 8693 section 4.1).
    #[must_use]
    pub fn actor(mut self, actor: Object) -> Self {
        self.act = Some(Value::Object(actor));
        self
    }

    /// Claims of the issuer's own. One that is called like a claim that has a
    /// method here is left out: it is never in a token twice.
    #[must_use]
    pub fn others(mut self, mut others: Object) -> Self {
        others.retain(|name, _| !Self::NAMED.contains(&name.as_str()));
        self.others = others;
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

    /// What `permissions` names.
    pub fn named_permissions(&self) -> &[String] {
        &self.permissions
    }

    /// `exp`.
    pub const fn expires_at(&self) -> UnixTime {
        self.exp
    }
}
