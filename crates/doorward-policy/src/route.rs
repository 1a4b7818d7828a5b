//! Routes: which requests exist, and what each of them asks of its caller.

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalogue::{Catalogue, PermissionId};
use crate::decision::{RouteRef, SourceLine};
use crate::method::MethodSet;
use crate::permission::Permission;

/// What a route asks of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: anybody may call it.
    Public,
    /// A valid token.
    Authenticated,
    /// A valid token whose subject holds this permission.
    Allow(Permission),
}

/// A claim of the token must equal a parameter of the path, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Name of the claim.
    pub claim: String,
    /// Name of the path parameter.
    pub parameter: String,
}

/// A route as it was written, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// `METHOD /path/{parameter}/{*rest}`.
    pub pattern: String,
    /// What it asks.
    pub requirement: Requirement,
    /// Conditions that must all hold too.
    pub conditions: Vec<Condition>,
    /// Where it is written.
    pub source: Option<SourceLine>,
}

/// A checked route.
#[derive(Clone, Debug)]
pub struct Route {
    pattern: Arc<str>,
    methods: MethodSet,
    requirement: Requirement,
    permission_id: Option<PermissionId>,
    conditions: Vec<Condition>,
    source: Option<SourceLine>,
}

impl Route {
    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The methods it names.
    pub fn methods(&self) -> MethodSet {
        self.methods
    }

    /// What it asks.
    pub fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Number of the permission it asks for, in the table's catalogue.
    pub fn permission_id(&self) -> Option<PermissionId> {
        self.permission_id
    }

    /// Conditions that must all hold too.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Where it is written.
    pub fn source(&self) -> Option<&SourceLine> {
        self.source.as_ref()
    }

    /// How the decision record names it.
    pub fn reference(&self) -> RouteRef {
        RouteRef {
            pattern: Arc::clone(&self.pattern),
            source: self.source.clone(),
        }
    }
}

/// Every route, compiled. The default is the empty table: all is closed.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    catalogue: Catalogue,
}

impl RouteTable {
    /// Checks and compiles.
    ///
    /// # Errors
    ///
    /// Every problem of every route, at once.
    pub fn build(specs: Vec<RouteSpec>) -> Result<Self, Vec<RouteProblem>> {
        Self::build_on(&Catalogue::default(), specs)
    }

    /// Like [`RouteTable::build`], keeping the numbers of an earlier catalogue.
    ///
    /// # Errors
    ///
    /// Every problem of every route, at once.
    pub fn build_on(
        catalogue: &Catalogue,
        specs: Vec<RouteSpec>,
    ) -> Result<Self, Vec<RouteProblem>> {
        let _ = (catalogue, specs);
        todo!()
    }

    /// Finds the route of a request.
    ///
    /// `segments` are the decoded segments of the canonical path: what stands
    /// between the slashes after the first one, so `/` is one empty segment
    /// and `/orders/` ends with one.
    pub fn find<'t, 'p, S: AsRef<str>>(&'t self, method: &str, segments: &'p [S]) -> Match<'t, 'p> {
        let _ = (method, segments);
        todo!()
    }

    /// Every route, in the order in which they were written.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The permissions that the routes ask for.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// What [`RouteTable::find`] found.
#[derive(Debug)]
pub enum Match<'t, 'p> {
    /// The most specific route that matches path and method.
    Found(RouteMatch<'t, 'p>),
    /// Routes match the path, but none the method.
    MethodNotAllowed {
        /// What they do allow.
        allowed: MethodSet,
    },
    /// No route matches the path.
    NotFound,
}

/// A route and the parameters that the path gave it. Made only by
/// [`RouteTable::find`].
#[derive(Clone, Debug)]
pub struct RouteMatch<'t, 'p> {
    route: &'t Route,
    catalogue: &'t Catalogue,
    parameters: Vec<(&'t str, Cow<'p, str>)>,
}

impl<'t> RouteMatch<'t, '_> {
    /// The route.
    pub fn route(&self) -> &'t Route {
        self.route
    }

    /// The catalogue that numbers its permission.
    pub fn catalogue(&self) -> &'t Catalogue {
        self.catalogue
    }

    /// The value of a path parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values of all parameters, in the order of the path.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
    }
}

/// Something wrong with one of the specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteProblem {
    /// Index of the spec.
    pub route: usize,
}
