//! The one function that lets a request through.
//!
//! It takes the request by value and gives it back inside [`Permitted`], which
//! nothing else can make. What forwards a request takes a `Permitted`, so a
//! forgotten check does not compile:
//!
//! ```compile_fail
//! use doorward_policy::permit::Permitted;
//!
//! let smuggled = Permitted("GET /admin");
//! ```
//!
//! Every way through ends at one of a few `allow`s; all else is denied. Policies
//! ([`overlay`](crate::overlay)) may stand in for the permission, and for nothing
//! else: audience, issuer, `where` and the strength of the sign-in hold whatever
//! they say. What they forbid is forbidden, on a public route as well.
//!
//! A service that checks tokens in its own handlers has no route table; it asks
//! the same questions one by one: [`require_permission`], [`require_claim`].

use std::borrow::Cow;

use crate::catalogue::{Catalogue, PermissionSet};
use crate::decision::{Decision, Reason, Step, Text};
use crate::overlay::{Field, Question, Ruling};
use crate::permission::Permission;
use crate::route::{Condition, Requirement, RouteMatch};

/// The claim that names the caller's tenant (RFC 9068 leaves its name to us).
const TENANT: &str = "tenant";

/// A caller whose token was verified, as far as a decision asks about it.
pub trait Subject {
    /// Whether the caller holds `permission`.
    fn holds(&self, permission: &Permission) -> bool;

    /// The value of a claim of the token, exactly as it is there; `None` when
    /// it is absent or not a string.
    fn claim(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Whether the token is for `audience` (`aud`).
    fn is_for(&self, audience: &str) -> bool {
        let _ = audience;
        false
    }

    /// `auth_time`: when the caller last proved who they are, in seconds since
    /// 1970; `None` when the token does not say, or not in a way that counts.
    fn auth_time(&self) -> Option<u64> {
        None
    }

    /// The caller's permissions as bits of `catalogue`, when they are at hand:
    /// the check is a bit test then. A set of another catalogue is ignored.
    fn permission_set(&self, catalogue: &Catalogue) -> Option<&PermissionSet> {
        let _ = catalogue;
        None
    }

    /// What the caller holds, for the record of a refusal only.
    fn held(&self) -> Text {
        Text::default()
    }

    /// Whose token it is.
    fn kind(&self) -> Kind {
        Kind::Foreign
    }

    /// Names of the caller's roles in their tenant.
    fn roles(&self) -> &[String] {
        &[]
    }

    /// The permissions and patterns that the caller holds.
    fn permissions(&self) -> Vec<String> {
        Vec::new()
    }

    /// The value of a claim of the token, of whatever type; `None` when it is
    /// absent.
    fn value(&self, claim: &str) -> Option<ClaimValue<'_>> {
        self.claim(claim).map(ClaimValue::Text)
    }
}

/// Whose token it is. Subjects of different kinds are different subjects, even
/// where their names are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user of this issuer.
    User,
    /// A program of this issuer, for itself.
    Client,
    /// Whoever another issuer vouches for.
    Foreign,
}

/// The value of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue<'c> {
    /// A string.
    Text(Cow<'c, str>),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Truth(bool),
    /// An array of strings.
    Texts(Vec<Cow<'c, str>>),
    /// Anything else.
    Other,
}

/// Proof that a request was let through. Made only by [`permit`].
#[derive(Debug)]
pub struct Permitted<R>(R);

impl<R> Permitted<R> {
    /// The request.
    pub fn get(&self) -> &R {
        &self.0
    }

    /// The request, and the end of the proof.
    pub fn into_inner(self) -> R {
        self.0
    }
}

/// A request that was turned away.
#[derive(Debug)]
pub struct Denied<R> {
    reason: Reason,
    request: R,
}

impl<R> Denied<R> {
    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The request.
    pub fn into_inner(self) -> R {
        self.request
    }
}

/// Who asks, and with what.
#[derive(Clone, Copy, Default)]
pub struct Asking<'a> {
    /// The proven caller.
    pub subject: Option<&'a dyn Subject>,
    /// The header fields that the [policies of the route](crate::route::Route::policies)
    /// read, as far as the request has them.
    pub fields: &'a [Field],
}

impl<'a> Asking<'a> {
    /// `subject`, of whose request no header field is known.
    pub fn by(subject: Option<&'a dyn Subject>) -> Self {
        Self {
            subject,
            fields: &[],
        }
    }
}

/// Lets `request` through if `route` asks nothing that `subject` lacks, and
/// writes every check into `decision`.
///
/// # Errors
///
/// The request comes back with the reason.
pub fn permit<R>(
    route: &RouteMatch<'_, '_>,
    asking: Asking<'_>,
    request: R,
    decision: &mut Decision,
) -> Result<Permitted<R>, Denied<R>> {
    if decision.route.is_none() {
        decision.route = Some(route.route().reference());
    }
    match judge(route, asking, decision) {
        Ok(reason) => {
            decision.allow(reason);
            Ok(Permitted(request))
        }
        Err(reason) => Err(Denied { reason, request }),
    }
}

/// The reason to let through, or the reason that was written as failed.
fn judge(
    route: &RouteMatch<'_, '_>,
    asking: Asking<'_>,
    decision: &mut Decision,
) -> Result<Reason, Reason> {
    let requirement = route.route().requirement();
    if *requirement == Requirement::Public {
        // Nobody is vouched for there, whatever token may be at hand.
        ask_policies(route, None, asking.fields, decision)?;
        return Ok(Reason::PublicRoute);
    }
    let Some(subject) = asking.subject else {
        return Err(decision.fail(
            Step::Credential,
            Reason::NoToken,
            "no caller",
            "a valid token",
        ));
    };
    let demands = route.route().demands();
    demands.check_token(subject, decision)?;
    let is_permitted = ask_policies(route, Some(subject), asking.fields, decision)?;
    let reason = match requirement.permission() {
        None => Reason::Authenticated,
        Some(permission) if holds(route, permission, subject) => {
            record_permission(true, permission, subject, decision)?
        }
        Some(_) if is_permitted => Reason::PermittedByPolicy,
        Some(permission) => record_permission(false, permission, subject, decision)?,
    };
    for condition in route.route().conditions() {
        check_condition(route, condition, subject, decision)?;
    }
    // Last: nobody is sent to sign in again for what they may not do anyway.
    demands.step_up.check(subject, decision)?;
    Ok(reason)
}

/// Whether a policy permits; an error, if one forbids or could.
fn ask_policies(
    route: &RouteMatch<'_, '_>,
    subject: Option<&dyn Subject>,
    fields: &[Field],
    decision: &mut Decision,
) -> Result<bool, Reason> {
    let Some(slice) = route.route().policies() else {
        return Ok(false);
    };
    let ruling = slice.rule(&Question {
        route,
        subject,
        fields,
        decision,
    });
    let wanted = "no policy that forbids it";
    match ruling {
        Ruling::Silent(told) => {
            decision.pass(Step::Policy, told);
            Ok(false)
        }
        Ruling::Permit(told) => {
            decision.pass(Step::Policy, told);
            Ok(true)
        }
        Ruling::Forbid(told) => {
            Err(decision.fail(Step::Policy, Reason::ForbiddenByPolicy, told, wanted))
        }
        Ruling::Fault(told) => Err(decision.fail(Step::Policy, Reason::PolicyError, told, wanted)),
    }
}

fn holds(route: &RouteMatch<'_, '_>, permission: &Permission, subject: &dyn Subject) -> bool {
    let set = subject
        .permission_set(route.catalogue())
        .filter(|set| set.is_of(route.catalogue()));
    match (set, route.route().permission_id()) {
        (Some(set), Some(id)) => set.contains(id),
        _ => subject.holds(permission),
    }
}

/// Asks whether `subject` holds `permission`, as a route that `allow`s it
/// does. For services without a route table; it writes the same check.
///
/// # Errors
///
/// [`Reason::MissingPermission`], written into `decision`.
pub fn require_permission(
    permission: &Permission,
    subject: &dyn Subject,
    decision: &mut Decision,
) -> Result<Reason, Reason> {
    let holds = subject.holds(permission);
    let reason = record_permission(holds, permission, subject, decision)?;
    decision.allow(reason);
    Ok(reason)
}

fn record_permission(
    holds: bool,
    permission: &Permission,
    subject: &dyn Subject,
    decision: &mut Decision,
) -> Result<Reason, Reason> {
    if !holds {
        return Err(decision.fail(
            Step::Permission,
            Reason::MissingPermission,
            subject.held(),
            permission.to_string(),
        ));
    }
    decision.pass(Step::Permission, Text::copied(permission.as_str()));
    Ok(Reason::PermissionGranted)
}

fn check_condition(
    route: &RouteMatch<'_, '_>,
    condition: &Condition,
    subject: &dyn Subject,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let Condition { claim, parameter } = condition;
    let wanted = route.parameter(parameter);
    require_claim(claim, wanted.as_deref(), subject, decision)
}

/// Asks whether `claim` of the token equals `wanted`, the value of a path
/// parameter, as a route's `where` does; an absent one equals nothing.
///
/// # Errors
///
/// [`Reason::WrongTenant`] for the claim `tenant`, else
/// [`Reason::ConditionFailed`], written into `decision`.
pub fn require_claim(
    claim: &str,
    wanted: Option<&str>,
    subject: &dyn Subject,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let seen = subject.claim(claim);
    if let (Some(seen), Some(wanted)) = (&seen, wanted)
        && **seen == *wanted
    {
        decision.pass(Step::Condition, format!("{claim} is {seen}"));
        return Ok(());
    }
    let reason = match claim {
        TENANT => Reason::WrongTenant,
        _ => Reason::ConditionFailed,
    };
    let seen = match seen {
        Some(seen) => format!("{claim} is {seen}"),
        None => format!("no {claim}"),
    };
    let wanted = wanted.unwrap_or_default();
    Err(decision.fail(
        Step::Condition,
        reason,
        seen,
        format!("{claim} is {wanted}"),
    ))
}

#[cfg(test)]
mod tests;
