//! What policies say of a request, beside roles and routes.
//!
//! This is the seam, not a policy language: [`permit`](crate::permit::permit)
//! asks the [`Slice`] of the route, which holds the policies that speak of its
//! action and no others. A route without any is never asked, so policies cost
//! only the routes that they are about. The feature `cedar` brings the one
//! implementation.
//!
//! A policy can give what roles do not, and take what roles give; nothing it
//! gives outweighs what another takes.

use std::fmt;

use crate::decision::{Decision, Text};
use crate::permit::Subject;
use crate::route::RouteMatch;

/// The policies that speak of a route's action.
pub trait Slice: fmt::Debug + Send + Sync {
    /// The header fields that they read, in lower case.
    fn fields(&self) -> &[String];

    /// What they say of a request. It must not panic, and answers
    /// [`Ruling::Fault`] whenever a policy that could forbid gives no answer.
    fn rule(&self, question: &Question<'_>) -> Ruling;
}

/// A request, as policies see it.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The route, and the parameters that the path gave it.
    pub route: &'q RouteMatch<'q, 'q>,
    /// Who asks; nobody on a public route.
    pub subject: Option<&'q dyn Subject>,
    /// Values of the header fields that the slice reads.
    pub fields: &'q [Field],
    /// Method, path, address and time.
    pub decision: &'q Decision,
}

/// A header field of a request: its name in lower case, and its values in one
/// line (RFC 9110, 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// In lower case.
    pub name: String,
    /// Several are joined with a comma and a space.
    pub value: String,
}

/// What the policies of a slice say together. Each holds what the record tells:
/// which policies, where they are written, and what they saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// None of them applies.
    Silent(Text),
    /// At least one permits, and none forbids.
    Permit(Text),
    /// At least one forbids.
    Forbid(Text),
    /// One that could forbid cannot be evaluated.
    Fault(Text),
}
