//! Policies in Cedar, for what roles cannot say: attributes, ownership, time,
//! a second factor, an explicit forbid.
//!
//! Nothing here is believed unchecked. Policies are parsed with all their
//! faults at once, then validated strictly against a [`schema`] that is made
//! from the routes and the claims that a token can have, so that a misspelled
//! attribute, role or action is found before a request is.
//!
//! Cedar evaluates every policy that it is given. So they are *sliced*: each
//! route gets those that speak of its action ([`slice`]), chosen once, when the
//! table is made, and the number of all policies costs no request anything.
//! What speaks of every action is in every slice, so of that kind there are at
//! most [`MOST_UNSCOPED`].
//!
//! How a request is decided is no business of this room: a slice only says what
//! its policies say, [`permit`](crate::permit::permit) decides. Of what Cedar
//! leaves open it says the safe thing: a policy that cannot be evaluated does
//! not permit, and forbids.

mod facts;
mod reads;
mod schema;
mod slice;
mod source;
mod validation;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::ActionConstraint;
use miette::Diagnostic;

use crate::overlay::Slice;
use crate::route::{Route, RouteTable};
use reads::Reads;
use schema::Shapes;
use slice::Actions;
use source::Place;

pub use schema::RESERVED_CLAIMS;

/// Most policies that name no action: they cost every request of every route.
pub const MOST_UNSCOPED: usize = 8;

/// A file with policies.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, as the decision record tells it.
    pub file: Arc<str>,
    /// What is in it.
    pub text: String,
}

/// What policies may speak of, besides the routes.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Claims of a token beyond those that are always known, and their types.
    pub claims: BTreeMap<String, ClaimType>,
    /// Header fields of the request, in lower case.
    pub fields: Vec<String>,
    /// The roles that there are.
    pub roles: Vec<String>,
    /// Whether tokens of other issuers are accepted.
    pub foreign: bool,
}

/// The type that a claim has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimType {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Truth,
    /// An array of strings.
    Texts,
}

/// Something wrong with the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Index of the source.
    pub source: usize,
    /// The bytes of its text that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// A word beside the caret; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// Policies that can be read, not yet held against any routes.
#[derive(Clone, Debug, Default)]
pub struct Policies(Vec<Arc<Policy>>);

#[derive(Debug)]
struct Policy {
    place: Place,
    policy: cedar_policy::Policy,
    reads: Reads,
}

impl Policies {
    /// Reads every policy of every source.
    ///
    /// # Errors
    ///
    /// All faults of all sources.
    pub fn parse(sources: &[Source]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut policies = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match source::policies(index, source, policies.len()) {
                Ok(read) => policies.extend(read),
                Err(found) => faults.extend(found),
            }
        }
        faults.extend(source::names_used_twice(&policies));
        if !faults.is_empty() {
            return Err(faults);
        }
        let read = |(place, policy): (Place, cedar_policy::Policy)| {
            let reads = Reads::of(&policy);
            Arc::new(Policy {
                place,
                policy,
                reads,
            })
        };
        Ok(Self(policies.into_iter().map(read).collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `table` under these policies.
    ///
    /// # Errors
    ///
    /// Every policy that speaks of what there is not, or that can never apply.
    pub fn govern(
        &self,
        table: RouteTable,
        vocabulary: &Vocabulary,
    ) -> Result<RouteTable, Vec<Fault>> {
        if self.is_empty() {
            return Ok(table);
        }
        let shapes = Shapes::of(&table, vocabulary).map_err(|message| {
            vec![Fault {
                source: 0,
                span: 0..0,
                message,
                label: String::new(),
                help: None,
            }]
        })?;
        let mut faults = validation::faults(&self.0, &shapes);
        faults.extend(self.too_many_unscoped());
        if !faults.is_empty() {
            return Err(faults);
        }
        let vocabulary = Arc::new(vocabulary.clone());
        let actions = Actions::of(&shapes);
        let mut made: HashMap<String, Option<Arc<dyn Slice>>> = HashMap::new();
        let slice = |route: &Route| {
            let action = schema::action(route);
            let slice = made.entry(action).or_insert_with_key(|action| {
                let policies = self.0.iter().filter(|it| speaks_of(it, action));
                slice::of(&shapes, &actions, action, policies, &vocabulary)
            });
            slice.clone()
        };
        Ok(table.governed(slice))
    }

    fn too_many_unscoped(&self) -> Option<Fault> {
        let is_unscoped =
            |it: &&Arc<Policy>| it.policy.action_constraint() == ActionConstraint::Any;
        let mut unscoped = self.0.iter().filter(is_unscoped);
        let one_more = unscoped.nth(MOST_UNSCOPED)?;
        Some(Fault {
            source: one_more.place.source,
            span: one_more.place.head.clone(),
            message: format!("more than {MOST_UNSCOPED} policies name no action"),
            label: "each costs every request of every route".to_owned(),
            help: Some(
                "name the actions: `action == Action::\"orders:read\"`, or `action in [...]`"
                    .to_owned(),
            ),
        })
    }
}

impl Fault {
    fn key(&self) -> (usize, usize, usize) {
        (self.source, self.span.start, self.span.end)
    }
}

/// Whether the scope of `policy` takes in `action`.
fn speaks_of(policy: &Policy, action: &str) -> bool {
    let is_it = |uid: &cedar_policy::EntityUid| {
        let named = uid.id().unescaped();
        named == action || schema::groups(action).iter().any(|group| group == named)
    };
    match policy.policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid.id().unescaped() == action,
        ActionConstraint::In(uids) => uids.iter().any(is_it),
    }
}

/// The fault that `error` tells.
fn told(error: &(dyn Diagnostic + '_)) -> (String, Option<Range<usize>>, Option<String>) {
    let span = error.labels().and_then(|mut labels| labels.next());
    let span = span.map(|label| label.offset()..label.offset() + label.len());
    (
        error.to_string(),
        span,
        error.help().map(|help| help.to_string()),
    )
}

#[cfg(test)]
mod tests;
