//! The one function that lets a request through.

use std::borrow::Cow;

use crate::catalogue::{Catalogue, PermissionSet};
use crate::decision::{Decision, Reason, Text};
use crate::permission::Permission;
use crate::route::RouteMatch;

/// A caller whose token was verified, as far as a decision asks about it.
pub trait Subject {
    /// Whether the caller holds `permission`.
    fn holds(&self, permission: &Permission) -> bool;

    /// The value of a claim of the token, exactly as it is there; `None` when
    /// it is absent or not a string.
    fn claim(&self, name: &str) -> Option<Cow<'_, str>>;

    /// The caller's permissions as bits of `catalogue`, when they are at hand:
    /// the check is a bit test then. A set of another catalogue is ignored.
    fn permission_set(&self, catalogue: &Catalogue) -> Option<&PermissionSet> {
        let _ = catalogue;
        None
    }

    /// What the caller holds, for the record of a refusal only.
    fn held(&self) -> Text {
        Text::Borrowed("")
    }
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

/// Lets `request` through if `route` asks nothing that `subject` lacks, and
/// writes every check into `decision`.
///
/// # Errors
///
/// The request comes back with the reason.
pub fn permit<R>(
    route: &RouteMatch<'_, '_>,
    subject: Option<&dyn Subject>,
    request: R,
    decision: &mut Decision,
) -> Result<Permitted<R>, Denied<R>> {
    let _ = (route, subject, request, decision);
    todo!()
}
