//! Who administers, and how far they reach.
//!
//! The operator of the machine reaches everything. An access token reaches the
//! tenant that it is for, and no more; what belongs to the installation as a
//! whole (tenants, signing keys) is the operator's. What lies beyond is *not
//! there*: the answer is that of a name that nobody has.
//!
//! Nobody hands out more than they hold: neither by a role, nor by a client or a
//! key, nor by taking over the account of somebody who may do more.
//!
//! An API key opens nothing here (APK-005): it lies in a file of some program,
//! and could otherwise make itself a wider one.

use std::collections::BTreeSet;

use doorward_jose::json::Object;
use doorward_policy::{
    decision::{Caller, Reason, Step},
    permission::{Permission, PermissionPattern},
    permit::Subject as _,
};
use doorward_verify::{bearer, principal::Principal};
use http::request::Parts;
use serde_json::Value;

use super::{Needs, Operation};
use crate::{
    Admin,
    audit::Actor,
    http::{error::Refusal, extract::Arrival},
    issuer::Issuer,
    session::FIRST_PARTY_CLIENT,
    tenant::TenantName,
    user::{User, UserId},
};

/// The request comes from the operator of the machine: whoever runs the router
/// puts it into the request's extensions, and nobody else can.
#[derive(Clone, Copy, Debug)]
pub struct Operator;

/// What it takes to say what a user is.
const ATTRIBUTES_WRITE: &str = "doorward:attributes:write";

/// Who asks.
#[derive(Clone)]
pub(super) struct Administrator {
    actor: Actor,
    /// Absent: the operator, who reaches and may do everything.
    bounds: Option<Bounds>,
    pub(super) caller: Option<Caller>,
}

#[derive(Clone)]
struct Bounds {
    tenant: TenantName,
    permissions: BTreeSet<PermissionPattern>,
    /// What else their token says.
    claims: Object,
}

impl Administrator {
    /// Whoever may call `operation`.
    pub(super) fn admit(
        issuer: &Issuer,
        operation: &Operation,
        arrival: &Arrival,
        request: &Parts,
    ) -> Result<Self, Refusal> {
        if request.extensions.get::<Operator>().is_some() {
            return Ok(Self {
                actor: Actor::operator("api"),
                bounds: None,
                caller: None,
            });
        }
        let mut decision = arrival.decision();
        let bearer = bearer::from_headers(&request.headers).map_err(|reason| {
            let wanted = "Authorization: Bearer TOKEN";
            decision.fail(Step::Credential, reason, reason.title(), wanted);
            Refusal::decided(decision.clone())
        })?;
        let now = arrival.at().unix();
        let verified = issuer.verifier().verify(bearer, now, &mut decision);
        let Ok(principal) = verified else {
            return Err(Refusal::decided(decision));
        };
        let mut refuse = |reason, seen: String, wanted: &'static str| {
            decision.fail(Step::Permission, reason, seen, wanted);
            Err(Refusal::decided(decision.clone()))
        };
        if is_of_api_key(&principal) {
            let seen = "a token that an API key was exchanged for".to_owned();
            return refuse(Reason::ApiKeyNotAllowed, seen, "a person or a client");
        }
        let wanted = Permission::parse(operation.permission)
            .expect("INVARIANT: OPERATIONS names permissions");
        let tenant = principal.tenant().map(TenantName::parse);
        let reaches = matches!(operation.needs, Needs::Tenant);
        match tenant {
            Some(Ok(tenant)) if reaches && principal.holds(&wanted) => Ok(Self {
                actor: actor_of(&principal),
                bounds: Some(Bounds {
                    tenant,
                    permissions: permissions_of(&principal),
                    claims: principal.claims().others().clone(),
                }),
                caller: Some(principal.caller()),
            }),
            _ => refuse(
                Reason::MissingPermission,
                principal.held().to_string(),
                operation.permission,
            ),
        }
    }

    /// Administration in their name.
    pub(super) fn admin(&self, issuer: &Issuer) -> Admin {
        issuer.admin().acting_as(self.actor.clone())
    }

    /// By what their idempotency keys and cursors are told from others'.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.actor.kind.name(), self.actor.id)
    }

    /// The one tenant that they reach; absent if it is all of them.
    pub(super) fn only_tenant(&self) -> Option<&TenantName> {
        self.bounds.as_ref().map(|bounds| &bounds.tenant)
    }

    /// What is in another tenant is not there.
    pub(super) fn reaches(&self, tenant: &TenantName) -> Result<(), Refusal> {
        match self.only_tenant() {
            Some(own) if own != tenant => Err(Refusal::new(Reason::NotFound)),
            _ => Ok(()),
        }
    }

    /// Whether they hold all of what they hand out.
    pub(super) fn may_give<'p>(
        &self,
        given: impl IntoIterator<Item = &'p PermissionPattern>,
    ) -> Result<(), Refusal> {
        let Some(bounds) = &self.bounds else {
            return Ok(());
        };
        let is_held =
            |one: &PermissionPattern| bounds.permissions.iter().any(|it| it.includes(one));
        match given.into_iter().find(|one| !is_held(one)) {
            None => Ok(()),
            Some(beyond) => Err(Refusal::request(
                Reason::BeyondOwnRights,
                format!("`{beyond}` is more than you hold yourself"),
            )),
        }
    }

    /// Whether they may do what would let them act as `user`: what the user may do
    /// must be theirs, and what tokens say of the user must be said of them, or be
    /// theirs to say. Routes and policies go by both.
    pub(super) async fn may_act_as(&self, issuer: &Issuer, user: &User) -> Result<(), Refusal> {
        self.holds_all_of(issuer, user).await?;
        let claims = &issuer.config().claims;
        let Some(bounds) = self.bounds.as_ref().filter(|_| !claims.is_empty()) else {
            return Ok(());
        };
        let say = PermissionPattern::parse(ATTRIBUTES_WRITE);
        let say = say.expect("INVARIANT: the constant is a permission");
        if self.may_give([&say]).is_ok() {
            return Ok(());
        }
        let said = claims.of(&issuer.store().attributes(&user.id).await?.attributes);
        let is_other =
            |(claim, value): &(&String, &Value)| bounds.claims.get(*claim) != Some(value);
        match said.iter().find(is_other) {
            None => Ok(()),
            Some((claim, _)) => Err(Refusal::request(
                Reason::BeyondOwnRights,
                format!(
                    "tokens of {} say `{claim}`, and yours do not say the same; who may do \
                     `{ATTRIBUTES_WRITE}` needs not be like them",
                    user.username
                ),
            )),
        }
    }

    /// Whether all that `user` may do is theirs too, and in their tenant.
    pub(super) async fn holds_all_of(&self, issuer: &Issuer, user: &User) -> Result<(), Refusal> {
        if self.bounds.is_none() {
            return Ok(());
        }
        let grants = issuer.store().grants(&user.id).await?;
        if let Some((tenant, ..)) = grants.iter().find(|grant| self.reaches(&grant.0).is_err()) {
            return Err(Refusal::request(
                Reason::BeyondOwnRights,
                format!("{} also holds roles outside of your tenant", user.username),
            )
            .seen(tenant.to_string()));
        }
        let roles: Vec<String> = grants.into_iter().map(|(_, role, _)| role).collect();
        self.may_give(&issuer.roles().effective(&roles))
    }
}

fn permissions_of(principal: &Principal) -> BTreeSet<PermissionPattern> {
    principal.permissions().iter().cloned().collect()
}

/// A token of a session, one that the operator minted, or a client's own; not
/// one of which `client_id` is a key.
fn is_of_api_key(principal: &Principal) -> bool {
    let client_id = principal.claims().client_id();
    let is_direct = client_id == Some(FIRST_PARTY_CLIENT) || client_id == Some(principal.subject());
    principal.session_id().is_none() && !is_direct
}

fn actor_of(principal: &Principal) -> Actor {
    let id = principal.subject();
    match principal.claims().client_id() == Some(id) {
        true => Actor::client(id),
        false => Actor::user(&UserId::from_text(id.to_owned())),
    }
}
