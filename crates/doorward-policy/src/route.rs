//! Routes: which requests exist, and what each of them asks of its caller.
//!
//! What no route matches is closed. A route must state what it asks; there is
//! no default and no way to leave it out. Which of several matching routes
//! decides is the business of the matcher: the most specific one, and two
//! equally specific ones are refused here, when the table is built (tests
//! `gwy_010_*`).

pub mod demands;
pub mod pattern;

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalogue::{Catalogue, PermissionId};
use crate::decision::{RouteRef, SourceLine};
use crate::matcher::{Hit, Tree};
use crate::method::MethodSet;
use crate::overlay::Slice;
use crate::permission::Permission;
use crate::route::demands::Demands;
use crate::route::pattern::{Methods, Pattern, PatternError, Segment};

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

impl Requirement {
    /// The permission it asks for.
    pub fn permission(&self) -> Option<&Permission> {
        match self {
            Self::Allow(permission) => Some(permission),
            Self::Public | Self::Authenticated => None,
        }
    }
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
    /// What it asks of the token itself.
    pub demands: Demands,
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
    demands: Demands,
    source: Option<SourceLine>,
    parameters: Vec<Parameter>,
    policies: Option<Arc<dyn Slice>>,
}

#[derive(Clone, Debug)]
struct Parameter {
    name: Box<str>,
    segment: usize,
    rest: bool,
}

impl Parameter {
    /// What stands in its place.
    fn value<'p>(&self, segments: &[&'p str]) -> Cow<'p, str> {
        match self.rest {
            true => Cow::Owned(segments.get(self.segment..).unwrap_or(&[]).join("/")),
            false => Cow::Borrowed(segments.get(self.segment).copied().unwrap_or("")),
        }
    }
}

impl Route {
    fn new(spec: &RouteSpec, pattern: &Pattern, catalogue: &Catalogue) -> Self {
        let parameter = |(segment, kind): (usize, &Segment)| match kind {
            Segment::Literal(_) => None,
            Segment::Parameter(name) | Segment::Rest(name) => Some(Parameter {
                name: name.as_str().into(),
                segment,
                rest: matches!(kind, Segment::Rest(_)),
            }),
        };
        Self {
            pattern: spec.pattern.as_str().into(),
            methods: match pattern.methods {
                Methods::Any => MethodSet::ALL,
                Methods::Named(set) => set,
            },
            requirement: spec.requirement.clone(),
            permission_id: spec.requirement.permission().and_then(|p| catalogue.id(p)),
            conditions: spec.conditions.clone(),
            demands: spec.demands.clone(),
            source: spec.source.clone(),
            parameters: pattern
                .segments
                .iter()
                .enumerate()
                .filter_map(parameter)
                .collect(),
            policies: None,
        }
    }

    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The methods it names; all of them for `*`.
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

    /// What it asks of the token itself.
    pub fn demands(&self) -> &Demands {
        &self.demands
    }

    /// Where it is written.
    pub fn source(&self) -> Option<&SourceLine> {
        self.source.as_ref()
    }

    /// Names of its parameters, in the order of the path.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .map(|parameter| parameter.name.as_ref())
    }

    /// The policies that speak of its action, if any do.
    pub fn policies(&self) -> Option<&dyn Slice> {
        self.policies.as_deref()
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
///
/// ```
/// use doorward_policy::route::{Match, Requirement, RouteSpec, RouteTable};
///
/// let table = RouteTable::build(vec![RouteSpec {
///     pattern: "GET /orders/{id}".to_owned(),
///     requirement: Requirement::Allow("orders:read".parse()?),
///     conditions: Vec::new(),
///     demands: Default::default(),
///     source: None,
/// }])
/// .expect("the pattern is well formed");
/// let Match::Found(found) = table.find("GET", &["orders", "7"]) else {
///     panic!("the route matches");
/// };
/// assert_eq!(found.parameter("id").as_deref(), Some("7"));
/// assert!(matches!(table.find("GET", &["users"]), Match::NotFound));
/// # Ok::<(), doorward_policy::permission::PermissionError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    catalogue: Catalogue,
    tree: Tree,
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
        let mut problems = Vec::new();
        let mut tree = Tree::default();
        let asked = specs
            .iter()
            .filter_map(|spec| spec.requirement.permission());
        let catalogue = catalogue.extended(asked).unwrap_or_else(|_| {
            problems.push(RouteProblemKind::TooManyPermissions.of(0));
            catalogue.clone()
        });
        let mut routes = Vec::with_capacity(specs.len());
        for (number, spec) in specs.iter().enumerate() {
            let pattern = match Pattern::parse(&spec.pattern) {
                Ok(pattern) => pattern,
                Err(errors) => {
                    let fault = |error| RouteProblemKind::Pattern(error).of(number);
                    problems.extend(errors.into_iter().map(fault));
                    continue;
                }
            };
            problems.extend(condition_faults(spec, &pattern).map(|kind| kind.of(number)));
            if let Err((earlier, methods)) = tree.insert(&pattern, number) {
                let pattern = specs[earlier].pattern.clone();
                problems.push(
                    RouteProblemKind::Ambiguous {
                        earlier,
                        pattern,
                        methods,
                    }
                    .of(number),
                );
            }
            routes.push(Route::new(spec, &pattern, &catalogue));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            routes,
            catalogue,
            tree,
        })
    }

    /// Finds the route of a request.
    ///
    /// `segments` are the decoded segments of the canonical path: what stands
    /// between the slashes after the first one, so `/` is one empty segment
    /// and `/orders/` ends with one.
    pub fn find<'t, 'p>(&'t self, method: &str, segments: &'p [&'p str]) -> Match<'t, 'p> {
        let hit = match segments.is_empty() {
            true => self.tree.find(method, &[""]),
            false => self.tree.find(method, segments),
        };
        match hit {
            Hit::Route(number) => Match::Found(RouteMatch {
                route: &self.routes[number],
                catalogue: &self.catalogue,
                segments,
            }),
            Hit::OtherMethods(allowed) => Match::MethodNotAllowed { allowed },
            Hit::Nothing => Match::NotFound,
        }
    }

    /// The same routes, each under the policies that `slice` gives it. One
    /// value, so that no request sees the routes without their policies.
    #[must_use]
    pub fn governed(mut self, mut slice: impl FnMut(&Route) -> Option<Arc<dyn Slice>>) -> Self {
        for route in &mut self.routes {
            route.policies = slice(route);
        }
        self
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
    segments: &'p [&'p str],
}

impl<'t, 'p> RouteMatch<'t, 'p> {
    /// The route.
    pub fn route(&self) -> &'t Route {
        self.route
    }

    /// The catalogue that numbers its permission.
    pub fn catalogue(&self) -> &'t Catalogue {
        self.catalogue
    }

    /// The value of a path parameter.
    pub fn parameter(&self, name: &str) -> Option<Cow<'p, str>> {
        let mut parameters = self.route.parameters.iter();
        let parameter = parameters.find(|parameter| *parameter.name == *name)?;
        Some(parameter.value(self.segments))
    }

    /// Names and values of all parameters, in the order of the path.
    pub fn parameters(&self) -> impl Iterator<Item = (&'t str, Cow<'p, str>)> {
        let value = |parameter: &'t Parameter| {
            let value = parameter.value(self.segments);
            (parameter.name.as_ref(), value)
        };
        self.route.parameters.iter().map(value)
    }
}

/// Something wrong with one of the specs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route {}: {kind}", route + 1)]
pub struct RouteProblem {
    /// Index of the spec.
    pub route: usize,
    /// What is wrong.
    pub kind: RouteProblemKind,
}

/// What is wrong with a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteProblemKind {
    /// A fault of the pattern.
    #[error(transparent)]
    Pattern(PatternError),
    /// An earlier route matches the same requests and is as specific.
    #[error("matches the same requests as `{pattern}`{}", for_methods(*methods))]
    Ambiguous {
        /// Index of the earlier route.
        earlier: usize,
        /// Pattern of the earlier route.
        pattern: String,
        /// For which methods; empty when both are for `*`.
        methods: MethodSet,
    },
    /// A condition names a parameter that the pattern lacks.
    #[error("the path has no parameter `{parameter}`")]
    UnknownParameter {
        /// Index of the condition.
        condition: usize,
        /// The name it gives.
        parameter: String,
    },
    /// A condition names the rest of the path.
    #[error("`{{*{parameter}}}` can be several segments; a claim is compared with exactly one")]
    RestInCondition {
        /// Index of the condition.
        condition: usize,
        /// The name it gives.
        parameter: String,
    },
    /// A public route has conditions, but nobody whose claims could be asked.
    #[error("a public route has no caller whose claims could be compared")]
    ConditionOnPublic,
    /// A public route asks something of a token that nobody need bring.
    #[error("a public route has no token of which anything could be asked")]
    DemandsOnPublic,
    /// The catalogue is full.
    #[error("the routes ask for more than 65,536 permissions")]
    TooManyPermissions,
}

impl RouteProblemKind {
    fn of(self, route: usize) -> RouteProblem {
        RouteProblem { route, kind: self }
    }
}

fn condition_faults(spec: &RouteSpec, pattern: &Pattern) -> impl Iterator<Item = RouteProblemKind> {
    let on_public = (spec.requirement == Requirement::Public && !spec.conditions.is_empty())
        .then_some(RouteProblemKind::ConditionOnPublic);
    let demanding = (spec.requirement == Requirement::Public && !spec.demands.is_empty())
        .then_some(RouteProblemKind::DemandsOnPublic);
    let faults = spec
        .conditions
        .iter()
        .enumerate()
        .filter_map(|(condition, wanted)| {
            let parameter = wanted.parameter.clone();
            let named = |segment: &&Segment| match segment {
                Segment::Literal(_) => false,
                Segment::Parameter(name) | Segment::Rest(name) => *name == parameter,
            };
            match pattern.segments.iter().find(named) {
                Some(Segment::Rest(_)) => Some(RouteProblemKind::RestInCondition {
                    condition,
                    parameter,
                }),
                Some(_) => None,
                None => Some(RouteProblemKind::UnknownParameter {
                    condition,
                    parameter,
                }),
            }
        });
    on_public.into_iter().chain(demanding).chain(faults)
}

fn for_methods(methods: MethodSet) -> String {
    match methods.is_empty() {
        true => String::new(),
        false => format!(" for {methods}"),
    }
}

#[cfg(test)]
mod tests;
