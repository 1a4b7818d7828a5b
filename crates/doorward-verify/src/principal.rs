//! The proven caller.

use std::{borrow::Cow, sync::Arc};

use doorward_jose::{claims::Claims, time::UnixTime, token::VerifiedToken};
use doorward_policy::{
    decision::{Caller, Text},
    permission::{Permission, PermissionPattern},
    permit::Subject,
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
}

impl Principal {
    /// INVARIANT: called only after signature, claims and revocation held.
    pub(crate) fn new(token: VerifiedToken) -> Self {
        // A name that is not a permission grants nothing.
        let permissions = token
            .claims()
            .permissions()
            .iter()
            .filter_map(|name| PermissionPattern::parse(name).ok())
            .collect();
        let caller = Arc::new(caller_of(&token));
        Self(Arc::new(Proven {
            token,
            permissions,
            caller,
        }))
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

    /// The tenant that the token is for.
    pub fn tenant(&self) -> Option<&str> {
        self.claims().tenant()
    }

    /// Roles in that tenant.
    pub fn roles(&self) -> &[String] {
        self.claims().roles()
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

fn caller_of(token: &VerifiedToken) -> Caller {
    let claims = token.claims();
    Caller {
        subject: claims.subject().to_owned(),
        tenant: claims.tenant().map(str::to_owned),
        roles: claims.roles().to_vec(),
        session: claims.session_id().map(str::to_owned),
        token_id: Some(claims.token_id().to_owned()),
        key_id: token.key_id().map(str::to_owned),
    }
}

impl Subject for Principal {
    fn holds(&self, permission: &Permission) -> bool {
        self.0
            .permissions
            .iter()
            .any(|pattern| pattern.covers(permission))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        let claims = self.claims();
        let known = match name {
            "sub" => Some(claims.subject()),
            "tenant" => claims.tenant(),
            "sid" => claims.session_id(),
            "client_id" => claims.client_id(),
            "iss" => Some(claims.issuer()),
            "jti" => Some(claims.token_id()),
            "acr" => claims.acr(),
            _ => claims.others().get(name).and_then(|value| value.as_str()),
        };
        known.map(Cow::Borrowed)
    }

    fn held(&self) -> Text {
        Text::Owned(self.claims().permissions().join(", "))
    }
}
