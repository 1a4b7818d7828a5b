//! What a description says against what a configuration opens.
//!
//! For a pipeline: it fails when the two differ in a way that lets somebody in
//! whom the description keeps out, or keeps an operation out of reach, or opens
//! what nobody has described.

use doorward_policy::route::{Match, Requirement, Route, RouteTable};
use serde::Serialize;

use super::{Description, Operation, Protection};

/// What stands for a parameter's value: no literal segment of a route is this.
const ANY: &str = "\u{1}any";

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What differs.
    pub(crate) kind: Kind,
    /// The method of the operation; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// The path of the operation; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// The route, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Where the route is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// What to do.
    pub(crate) help: String,
}

/// Kinds of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The description asks for a credential, the route does not.
    Unprotected,
    /// The description asks for nothing, and no route says that this is meant.
    Undecided,
    /// No route: it cannot be called.
    Uncovered,
    /// A route that no operation of the description meets.
    Unused,
    /// The description asks for one scope, the route for another permission.
    OtherPermission,
    /// The description asks for nothing, the route for a token.
    Stricter,
}

impl Kind {
    /// Whether a pipeline fails by it.
    pub(crate) const fn fails(self) -> bool {
        !matches!(self, Self::OtherPermission | Self::Stricter)
    }

    /// In few words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Unprotected => "open to everybody",
            Self::Undecided => "nobody decided",
            Self::Uncovered => "no route",
            Self::Unused => "not described",
            Self::OtherPermission => "another permission",
            Self::Stricter => "stricter",
        }
    }
}

/// Every difference, those that fail first.
pub(crate) fn differences(description: &Description, table: &RouteTable) -> Vec<Finding> {
    let mut met = vec![false; table.routes().len()];
    let mut findings = Vec::new();
    for operation in &description.operations {
        let route = route_of(operation, table);
        if let Some(route) = route {
            let place = table.routes().iter().position(|it| std::ptr::eq(it, route));
            if let Some(met) = place.and_then(|place| met.get_mut(place)) {
                *met = true;
            }
        }
        findings.extend(compared(operation, route));
    }
    let unmet = table.routes().iter().zip(met).filter(|(_, met)| !met);
    findings.extend(unmet.map(|(route, _)| unused(route)));
    findings.sort_by_key(|finding| !finding.kind.fails());
    findings
}

fn route_of<'t>(operation: &Operation, table: &'t RouteTable) -> Option<&'t Route> {
    let segment = |segment| match str::contains(segment, '{') {
        true => ANY,
        false => segment,
    };
    let path = operation.path.strip_prefix('/').unwrap_or(&operation.path);
    let segments: Vec<&str> = path.split('/').map(segment).collect();
    match table.find(&operation.method, &segments) {
        Match::Found(found) => Some(found.route()),
        Match::MethodNotAllowed { .. } | Match::NotFound => None,
    }
}

fn compared(operation: &Operation, route: Option<&Route>) -> Option<Finding> {
    let (kind, help) = match (&operation.protection, route) {
        (Protection::Asked { .. }, None) => (
            Kind::Uncovered,
            "add a route, or take the operation out of the description".to_owned(),
        ),
        (Protection::Nothing, None) => (
            Kind::Undecided,
            "say who may call it: a route with `public = true`, or `security` in the description"
                .to_owned(),
        ),
        (Protection::Asked { scopes }, Some(route)) => match (route.requirement(), &scopes[..]) {
            (Requirement::Public, _) => (
                Kind::Unprotected,
                "the description asks for a credential: state `allow` or `authenticated`"
                    .to_owned(),
            ),
            (Requirement::Allow(permission), [scope]) if permission.as_str() != scope => (
                Kind::OtherPermission,
                format!("the description asks for {scope}, the route for {permission}"),
            ),
            _ => return None,
        },
        (Protection::Nothing, Some(route)) => match route.requirement() {
            Requirement::Public => return None,
            _ => (
                Kind::Stricter,
                "the description promises that no credential is needed".to_owned(),
            ),
        },
    };
    Some(Finding {
        kind,
        method: Some(operation.method.clone()),
        path: Some(operation.path.clone()),
        route: route.map(|route| route.pattern().to_owned()),
        source: route.and_then(source),
        help,
    })
}

fn unused(route: &Route) -> Finding {
    Finding {
        kind: Kind::Unused,
        method: None,
        path: None,
        route: Some(route.pattern().to_owned()),
        source: source(route),
        help: "take it out, or describe what it opens".to_owned(),
    }
}

fn source(route: &Route) -> Option<String> {
    route.source().map(ToString::to_string)
}
