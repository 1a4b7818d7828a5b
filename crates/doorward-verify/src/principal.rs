//! The proven caller.

use std::{
    any::Any,
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use doorward_jose::{claims::Claims, time::UnixTime, token::VerifiedToken};
use doorward_policy::{
    decision::{Caller, Text},
    permission::{Permission, PermissionPattern},
    permit::{ClaimValue, Kind, Subject},
};
use serde_json::Value;

use crate::{
    claim_mapping::{ClaimMapping, Mapped},
    permission_numbers::{self, PermissionNumbers, Unreadable},
};

/// Who asks: made only from a [`VerifiedToken`] that is not revoked. Clones
/// share one.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Proven>);

#[derive(Debug)]
struct Proven {
    token: VerifiedToken,
    permissions: Vec<PermissionPattern>,
    caller: Arc<Caller>,
    /// With what another issuer's token was read.
    mapping: Option<ClaimMapping>,
    kept: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Principal {
    /// `mapping` says what of another issuer's token counts; without one the
    /// token says it in our own claims, in which `numbers` says what numbers
    /// mean.
    ///
    /// INVARIANT: called only after signature and claims held, and given to
    /// nobody before the revocation check.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: what the token permits is not known.
    pub(crate) fn new(
        token: VerifiedToken,
        mapping: Option<&ClaimMapping>,
        numbers: impl FnOnce() -> PermissionNumbers,
    ) -> Result<Self, Unreadable> {
        let claims = token.claims();
        let granted = match mapping {
            Some(mapping) => mapping.read(claims),
            None => own(&token, numbers)?,
        };
        let caller = Arc::new(Caller {
            subject: claims.subject().to_owned(),
            issuer: mapping.map(|_| claims.issuer().to_owned()),
            tenant: granted.tenant,
            permissions: match granted.roles.is_empty() {
                true => granted
                    .permissions
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                false => Vec::new(),
            },
            roles: granted.roles,
            client: claims.client_id().map(str::to_owned),
            acr: claims.acr().map(str::to_owned),
            auth_time: claims.auth_time().map(UnixTime::as_secs),
            session: claims.session_id().map(str::to_owned),
            token_id: Some(claims.token_id().to_owned()),
            key_id: token.key_id().map(str::to_owned),
        });
        Ok(Self(Arc::new(Proven {
            permissions: granted.permissions,
            caller,
            mapping: mapping.cloned(),
            kept: OnceLock::new(),
            token,
        })))
    }

    pub(crate) fn token(&self) -> &VerifiedToken {
        &self.0.token
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        self.claims().subject()
    }

    /// `sid`, if the token belongs to a session.
    pub fn session_id(&self) -> Option<&str> {
        self.claims().session_id()
    }

    /// The issuer, if it is another one, whose token was read with a
    /// [`ClaimMapping`]: its subjects are not ours, and the names of both may
    /// be the same.
    pub fn foreign_issuer(&self) -> Option<&str> {
        self.0.caller.issuer.as_deref()
    }

    /// The tenant that the token is for.
    pub fn tenant(&self) -> Option<&str> {
        self.0.caller.tenant.as_deref()
    }

    /// Roles in that tenant.
    pub fn roles(&self) -> &[String] {
        &self.0.caller.roles
    }

    /// What the token permits, whether it says so by names or by numbers.
    pub fn permissions(&self) -> &[PermissionPattern] {
        &self.0.permissions
    }

    /// `jti`.
    pub fn token_id(&self) -> &str {
        self.claims().token_id()
    }

    /// `kid` of the key that signed the token.
    pub fn key_id(&self) -> Option<&str> {
        self.token().key_id()
    }

    /// `exp`.
    pub fn expires_at(&self) -> UnixTime {
        self.claims().expires_at()
    }

    /// What `make` makes of this caller, made once and kept as long as the
    /// caller is, clones and a cache of tokens included: for what is asked of
    /// each request and never changes. One thing is kept, the first; of another
    /// type it is made anew each time.
    pub fn keep<T: Any + Send + Sync>(&self, make: impl Fn(&Self) -> T) -> Arc<T> {
        let kept = self.0.kept.get_or_init(|| Arc::new(make(self)));
        let kept = Arc::clone(kept).downcast();
        kept.unwrap_or_else(|_| Arc::new(make(self)))
    }

    /// Every claim.
    pub fn claims(&self) -> &Claims {
        self.token().claims()
    }

    /// The part of it that a decision records.
    pub fn caller(&self) -> Caller {
        Caller::clone(&self.0.caller)
    }

    /// The same, shared.
    pub(crate) fn shared_caller(&self) -> Arc<Caller> {
        Arc::clone(&self.0.caller)
    }
}

/// What a token of our own grants.
fn own(
    token: &VerifiedToken,
    numbers: impl FnOnce() -> PermissionNumbers,
) -> Result<Mapped, Unreadable> {
    let claims = token.claims();
    // A name that is not a permission grants nothing.
    let permissions = claims.permissions().iter();
    let permissions = permissions.filter_map(|name| PermissionPattern::parse(name).ok());
    let mut permissions: Vec<_> = permissions.collect();
    if let Some(set) = claims.others().get(permission_numbers::CLAIM) {
        let set = set.as_str().ok_or(Unreadable::Malformed)?;
        permissions.extend(numbers().decode(set)?);
    }
    Ok(Mapped {
        permissions,
        roles: claims.roles().to_vec(),
        tenant: claims.tenant().map(str::to_owned),
    })
}

impl Subject for Principal {
    fn holds(&self, permission: &Permission) -> bool {
        self.0
            .permissions
            .iter()
            .any(|pattern| pattern.covers(permission))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(mapping) = &self.0.mapping
            && !mapping.compares(name)
        {
            return None;
        }
        let claims = self.claims();
        let known = match name {
            "sub" => Some(claims.subject()),
            "tenant" => self.tenant(),
            "sid" => claims.session_id(),
            "client_id" => claims.client_id(),
            "iss" => Some(claims.issuer()),
            "jti" => Some(claims.token_id()),
            "acr" => claims.acr(),
            _ => claims.others().get(name).and_then(|value| value.as_str()),
        };
        known.map(Cow::Borrowed)
    }

    fn is_for(&self, audience: &str) -> bool {
        self.claims().audience().iter().any(|one| one == audience)
    }

    fn auth_time(&self) -> Option<u64> {
        match &self.0.mapping {
            Some(mapping) if !mapping.compares("auth_time") => None,
            _ => self.claims().auth_time().map(UnixTime::as_secs),
        }
    }

    fn held(&self) -> Text {
        let held = self.0.permissions.iter().map(PermissionPattern::as_str);
        Text::from(held.collect::<Vec<_>>().join(", "))
    }

    fn kind(&self) -> Kind {
        let claims = self.claims();
        if self.foreign_issuer().is_some() {
            return Kind::Foreign;
        }
        // RFC 9068, 5: a token without a resource owner is the client's own.
        match claims.client_id() == Some(claims.subject()) {
            true => Kind::Client,
            false => Kind::User,
        }
    }

    fn roles(&self) -> &[String] {
        self.roles()
    }

    fn permissions(&self) -> Vec<String> {
        let held = self.0.permissions.iter();
        held.map(ToString::to_string).collect()
    }

    fn value(&self, claim: &str) -> Option<ClaimValue<'_>> {
        if let Some(mapping) = &self.0.mapping
            && !mapping.compares(claim)
        {
            return None;
        }
        if claim == "amr" {
            let methods = self.claims().amr().iter();
            let methods = methods.map(|method| Cow::Borrowed(method.as_str()));
            return Some(ClaimValue::Texts(methods.collect()));
        }
        if let Some(text) = self.claim(claim) {
            return Some(ClaimValue::Text(text));
        }
        self.claims().others().get(claim).map(of_json)
    }
}

/// A claim that is no registered one, as it stands in the token.
fn of_json(value: &Value) -> ClaimValue<'_> {
    match value {
        Value::String(text) => ClaimValue::Text(Cow::Borrowed(text)),
        Value::Bool(truth) => ClaimValue::Truth(*truth),
        Value::Number(number) => number
            .as_i64()
            .map_or(ClaimValue::Other, ClaimValue::Number),
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(Cow::Borrowed));
            let texts: Option<_> = texts.collect();
            texts.map_or(ClaimValue::Other, ClaimValue::Texts)
        }
        Value::Null | Value::Object(_) => ClaimValue::Other,
    }
}
