//! `[[route]]`.

mod demands;

use std::ops::Range;

use doorward_policy::method::MethodSet;
use doorward_policy::permission::{Permission, PermissionPattern};
use doorward_policy::route::pattern::PatternErrorKind;
use doorward_policy::route::{
    Condition, Requirement, RouteProblem, RouteProblemKind, RouteSpec, RouteTable,
};
use toml::de::{DeTable, DeValue};

use super::document::{Reader, Value, Word, wrong_type};
use super::problem::Fault;
use super::roles::Grants;
use super::{
    internal_tokens::{self, Asking, InternalTokens},
    own_path, suggest,
};
use demands::Issuers;

/// Claims that our tokens carry as one string.
const CLAIMS: &[&str] = &["tenant", "sub", "sid", "client_id", "iss", "jti", "acr"];

const SHAPE: &str = "write `[[route]]`, with two brackets, above each route";

const REQUIREMENTS: &str =
    "add `allow = \"RESOURCE:ACTION\"`, `authenticated = true` or `public = true`";

const KEYS: [&str; 10] = [
    "match",
    "allow",
    "public",
    "authenticated",
    "where",
    demands::KEYS[0],
    demands::KEYS[1],
    demands::KEYS[2],
    demands::KEYS[3],
    "internal_token",
];

/// A route, and where its parts are written.
struct Written<'d> {
    spec: RouteSpec,
    pattern: Word<'d>,
    allow: Option<Range<usize>>,
    conditions: Vec<Range<usize>>,
    demands: Option<Range<usize>>,
    internal: Option<Range<usize>>,
    issuer: Option<Range<usize>>,
}

/// The table of routes; empty, if one of them is wrong. `internal` says whose
/// token upstreams get where a route does not.
pub(super) fn routes(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    grants: &Grants,
    internal: &InternalTokens,
) -> RouteTable {
    let Some(value) = table.get("route") else {
        return RouteTable::default();
    };
    let DeValue::Array(items) = value.get_ref() else {
        let wrong = wrong_type(value, "route", "an array of tables", value.get_ref());
        reader.fault(wrong.help(SHAPE));
        return RouteTable::default();
    };
    let issuers = Issuers::of(table);
    let claims = own_claims(table);
    let mut written = Vec::with_capacity(items.len());
    for item in items.iter() {
        written.extend(route(reader, item, &issuers, &claims));
    }
    if grants.complete {
        permissions_exist(reader, grants, &written);
    }
    let asking = written.iter().map(|route| Asking {
        route: &route.spec,
        place: route.internal.clone(),
        issuer: route.issuer.clone(),
    });
    internal_tokens::check(reader, table, &asking.collect::<Vec<_>>());
    let is_asked = |route: &&mut Written<'_>| route.spec.requirement != Requirement::Public;
    for route in written.iter_mut().filter(is_asked) {
        let audience = &mut route.spec.demands.internal_audience;
        *audience = audience.take().or_else(|| internal.audience.clone());
    }
    let specs = written.iter().map(|route| route.spec.clone()).collect();
    RouteTable::build(specs).unwrap_or_else(|problems| {
        for problem in problems {
            let fault = fault(reader, &problem, &written);
            reader.fault(fault);
        }
        RouteTable::default()
    })
}

fn route<'d>(
    reader: &mut Reader<'_>,
    item: &'d Value<'_>,
    issuers: &Issuers<'_>,
    claims: &[&str],
) -> Option<Written<'d>> {
    let table = reader.table(item, "route", SHAPE)?;
    reader.unknown_keys(table, "[[route]]", &KEYS);
    let pattern = match table.get("match") {
        Some(value) => reader.string(value, "match", "GET /orders/{id}"),
        None => {
            let fault = Fault::at(item.span(), "a route without `match`");
            reader.fault(fault.help("add `match = \"GET /path\"`"));
            None
        }
    };
    let place = pattern
        .as_ref()
        .map_or(item.span(), |word| word.span.clone());
    let (requirement, allow) = requirement(reader, table, place);
    let conditions = conditions(reader, table, claims);
    let (demands, demanded) = demands::demands(reader, table, issuers);
    let pattern = pattern?;
    is_not_our_own(reader, &pattern);
    let (conditions, places) = conditions.into_iter().unzip();
    Some(Written {
        spec: RouteSpec {
            pattern: pattern.text.to_owned(),
            // A route without one is refused already; this one is not used.
            requirement: requirement.unwrap_or(Requirement::Authenticated),
            conditions,
            demands,
            source: Some(reader.source_line(pattern.span.start)),
        },
        pattern,
        allow,
        conditions: places,
        demands: demanded,
        internal: table.get("internal_token").map(|value| value.span()),
        issuer: table.get("issuer").map(|value| value.span()),
    })
}

/// A route under a path that Doorward answers would never be asked.
fn is_not_our_own(reader: &mut Reader<'_>, pattern: &Word<'_>) {
    let path = pattern.text.split_whitespace().nth(1).unwrap_or_default();
    if let Some(own) = own_path(path) {
        let under = if own.ends_with('/') { "under" } else { "at" };
        let title = format!("a route {under} `{own}`, which Doorward answers itself");
        let help = "the API behind it cannot be reached there; give it another path";
        reader.fault(Fault::at(pattern.span.clone(), title).help(help));
    }
}

/// What the route states, and where it names a permission.
fn requirement(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    place: Range<usize>,
) -> (Option<Requirement>, Option<Range<usize>>) {
    let mut stated = Vec::new();
    let mut allow = None;
    if let Some(value) = table.get("allow") {
        let permission = reader
            .string(value, "allow", "orders:read")
            .and_then(|word| permission(reader, &word));
        allow = permission.is_some().then(|| value.span());
        stated.push(("allow", value.span(), permission.map(Requirement::Allow)));
    }
    for (key, requirement) in [
        ("authenticated", Requirement::Authenticated),
        ("public", Requirement::Public),
    ] {
        if let Some(value) = table.get(key) {
            let holds = reader.stated(value, key);
            stated.push((key, value.span(), holds.then_some(requirement)));
        }
    }
    stated.sort_by_key(|(_, span, _)| span.start);
    for pair in stated.windows(2) {
        if let [(first, one, _), (second, other, _)] = pair {
            let title = format!("a route with both `{first}` and `{second}`");
            reader.fault(
                Fault::at(other.clone(), title)
                    .label("and here")
                    .related(one.clone(), "stated here")
                    .help("keep one of them: a route states one requirement"),
            );
        }
    }
    if stated.is_empty() {
        let fault = Fault::at(place, "a route that does not say who may call it");
        reader.fault(fault.help(REQUIREMENTS));
    }
    let requirement = stated
        .into_iter()
        .find_map(|(_, _, requirement)| requirement);
    (requirement, allow)
}

fn permission(reader: &mut Reader<'_>, word: &Word<'_>) -> Option<Permission> {
    Permission::parse(word.text)
        .map_err(|error| reader.fault(Fault::at(word.span.clone(), error.to_string())))
        .ok()
}

/// The conditions, each with the place of its claim's value.
fn conditions(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    claims: &[&str],
) -> Vec<(Condition, Range<usize>)> {
    let shape = "write `where = { tenant = \"{tenant}\" }`";
    let Some(value) = table.get("where") else {
        return Vec::new();
    };
    let Some(table) = reader.table(value, "where", shape) else {
        return Vec::new();
    };
    let mut conditions = Vec::with_capacity(table.len());
    for (claim, value) in table.iter() {
        let name: &str = claim.get_ref();
        claim_is_known(reader, name, claims, claim.span());
        let Some(word) = reader.string(value, name, &format!("{{{name}}}")) else {
            continue;
        };
        let inner = word
            .text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        let Some(parameter) = inner else {
            let title = format!("`{name}` can only be compared with a parameter of the path");
            reader.fault(Fault::at(word.span, title).help(shape));
            continue;
        };
        let condition = Condition {
            claim: name.to_owned(),
            parameter: parameter.trim_start_matches('*').to_owned(),
        };
        conditions.push((condition, word.span));
    }
    conditions
}

/// [`CLAIMS`], and those of `[tokens.claims]`.
fn own_claims<'d>(table: &'d DeTable<'_>) -> Vec<&'d str> {
    let named = |table: &'d DeTable<'_>| table.get("claims")?.get_ref().as_table();
    let tokens = table.get("tokens").and_then(|it| it.get_ref().as_table());
    let of_attributes = tokens
        .and_then(named)
        .into_iter()
        .flat_map(|claims| claims.keys());
    let of_attributes = of_attributes.map(|claim| claim.get_ref().as_ref());
    CLAIMS.iter().copied().chain(of_attributes).collect()
}

/// A claim that no token carries makes a route that nobody can call. Claims
/// of other issuers are not known here, so only near misses are refused.
fn claim_is_known(reader: &mut Reader<'_>, claim: &str, claims: &[&str], span: Range<usize>) {
    let long = claims.iter().copied().filter(|known| known.len() > 4);
    if claims.contains(&claim) {
        return;
    }
    if let Some(near) = suggest(claim, long) {
        let fault = Fault::at(span, format!("no token carries a claim `{claim}`"));
        reader.fault(fault.did_you_mean(Some(near), ""));
    }
}

/// A permission that no role grants makes a route that nobody can call.
fn permissions_exist(reader: &mut Reader<'_>, grants: &Grants, written: &[Written<'_>]) {
    for route in written {
        let (Some(permission), Some(span)) = (route.spec.requirement.permission(), &route.allow)
        else {
            continue;
        };
        let by_name = |pattern: &PermissionPattern| pattern.as_str() == permission.as_str();
        if grants.permissions.contains(permission) || grants.patterns.iter().any(by_name) {
            continue;
        }
        let covered = grants
            .patterns
            .iter()
            .any(|pattern| pattern.covers(permission));
        reader.faults(match covered {
            true => misspelled(grants, permission, span),
            false => Some(not_granted(grants, permission, span)),
        });
    }
}

fn not_granted(grants: &Grants, permission: &Permission, span: &Range<usize>) -> Fault {
    // A wildcard offers the asked action under its own prefix.
    let action = permission.as_str().rsplit(':').next().unwrap_or_default();
    let granted = grants
        .patterns
        .iter()
        .map(|pattern| match pattern.as_str().strip_suffix('*') {
            Some(prefix) => format!("{prefix}{action}"),
            None => pattern.to_string(),
        });
    let known: Vec<String> = names(grants).map(str::to_owned).chain(granted).collect();
    let near = suggest(permission.as_str(), known.iter().map(String::as_str));
    Fault::at(span.clone(), format!("no role grants `{permission}`"))
        .label("nobody could call this route")
        .did_you_mean(near, "grant it in a role, or list it in `permissions`")
}

/// A wildcard grants every misspelling too, so beside one it takes a second
/// look: one edit away from a permission that is named is no accident.
fn misspelled(grants: &Grants, permission: &Permission, span: &Range<usize>) -> Option<Fault> {
    let near = names(grants).find(|name| strsim::osa_distance(name, permission.as_str()) == 1)?;
    let title = format!("only a wildcard grants `{permission}`, and it reads like `{near}`");
    Some(Fault::at(span.clone(), title).help(format!(
        "did you mean `{near}`? if not, list `{permission}` in `permissions`"
    )))
}

/// Permissions that are written out somewhere.
fn names(grants: &Grants) -> impl Iterator<Item = &str> {
    let exact = grants
        .patterns
        .iter()
        .filter(|pattern| !pattern.is_wildcard());
    let declared = grants.permissions.iter().map(Permission::as_str);
    declared.chain(exact.map(PermissionPattern::as_str))
}

fn fault(reader: &Reader<'_>, problem: &RouteProblem, written: &[Written<'_>]) -> Fault {
    let route = &written[problem.route];
    let pattern = route.pattern.text;
    match &problem.kind {
        RouteProblemKind::Pattern(error) => {
            let place = reader.inside(&route.pattern, error.span.clone());
            let fault = Fault::at(place, error.to_string());
            match &error.kind {
                PatternErrorKind::UnknownMethod(method) => fault.did_you_mean(
                    suggest(method, MethodSet::known().iter().copied()),
                    "write `GET`, a list like `GET,POST`, or `*` for every method",
                ),
                PatternErrorKind::Star => fault.help("write `{*rest}` for everything below"),
                _ => fault,
            }
        }
        RouteProblemKind::Ambiguous {
            earlier,
            pattern: other,
            ..
        } => {
            let title = format!("`{pattern}` matches the same requests as `{other}`");
            Fault::at(route.pattern.span.clone(), title)
                .label("neither is more specific")
                .related(written[*earlier].pattern.span.clone(), "the other one")
                .help("take one out, or let them differ in method or path")
        }
        RouteProblemKind::UnknownParameter {
            condition,
            parameter,
        } => {
            let names = pattern.split('/').filter_map(|segment| {
                segment
                    .strip_prefix('{')
                    .and_then(|name| name.strip_suffix('}'))
            });
            let title = format!("`{pattern}` has no parameter `{parameter}`");
            Fault::at(route.conditions[*condition].clone(), title)
                .did_you_mean(suggest(parameter, names), "name a parameter of the path")
        }
        RouteProblemKind::RestInCondition { condition, .. } => Fault::at(
            route.conditions[*condition].clone(),
            problem.kind.to_string(),
        ),
        RouteProblemKind::ConditionOnPublic => {
            let place = route.conditions.first().unwrap_or(&route.pattern.span);
            Fault::at(place.clone(), "a public route with `where`")
                .label(problem.kind.to_string())
                .help("write `authenticated = true` or `allow = …` instead of `public = true`")
        }
        RouteProblemKind::DemandsOnPublic => {
            let place = route.demands.as_ref().unwrap_or(&route.pattern.span);
            Fault::at(
                place.clone(),
                "a public route that asks something of a token",
            )
            .label(problem.kind.to_string())
            .help("write `authenticated = true` or `allow = …` instead of `public = true`")
        }
        other => Fault::at(route.pattern.span.clone(), other.to_string()),
    }
}
