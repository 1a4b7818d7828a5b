//! From a description to a `doorward.toml` that opens no more than it says.
//!
//! Each operation that asks for a credential gets a route and a permission: its
//! scope, where it names one that can be a permission, else a name made of its
//! path and method, and never one of Doorward's own (`doorward:…`). What asks for nothing stays closed, as a comment that a
//! person may turn into a route.
//!
//! Text of the description comes to stand in a file that decides who gets in:
//! of it nothing is written but through [`quoted`] and [`comment`], and the file
//! is read as a configuration before anybody gets to see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use doorward_policy::{
    permission::Permission,
    route::{Requirement, RouteSpec, RouteTable, demands::Demands},
};

use super::{Description, Operation, Protection};
use crate::{
    config::{self, Config},
    exit::Failure,
    paint::safe,
};

/// Names of a path's parameter that mean the caller's tenant.
const TENANTS: [&str; 3] = ["tenant", "tenant_id", "tenantId"];

/// The first segment of the permissions that Doorward itself asks for.
const OWN_RESOURCE: &str = "doorward";

/// The longest comment made of a description's text.
const LONGEST_COMMENT: usize = 80;

/// A configuration to begin with, and what it leaves out.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The file's text.
    pub(crate) text: String,
    /// How many routes it opens.
    pub(crate) routes: usize,
    /// Operations that stay closed, because the description asks for nothing.
    pub(crate) closed: Vec<Operation>,
    /// Operations that no route can stand for, and why.
    pub(crate) left_out: Vec<(Operation, String)>,
}

/// A route for an operation.
struct Route<'o> {
    operation: &'o Operation,
    pattern: String,
    permission: Permission,
    /// The parameter that is the caller's tenant.
    tenant: Option<String>,
}

impl Proposal {
    /// What to write for the description in `file`, with the API at `upstream`
    /// if that is known.
    pub(crate) fn of(
        description: &Description,
        file: &Path,
        upstream: Option<&http::Uri>,
    ) -> Result<Self, Failure> {
        let (mut routes, mut closed, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for operation in &description.operations {
            let pattern = match pattern(operation) {
                Ok(pattern) => pattern,
                Err(why) => {
                    left_out.push((operation.clone(), why));
                    continue;
                }
            };
            match &operation.protection {
                Protection::Nothing => closed.push((operation.clone(), pattern)),
                Protection::Asked { scopes } => routes.push(Route {
                    operation,
                    permission: permission(operation, scopes),
                    tenant: tenant(&pattern),
                    pattern,
                }),
            }
        }
        let mut text = head(description, file, upstream, routes.len());
        write_roles(&mut text, &routes);
        for route in &routes {
            write_route(&mut text, route);
        }
        for (operation, pattern) in &closed {
            write_closed(&mut text, operation, pattern);
        }
        Config::parse("the proposed configuration", &text).map_err(|problems| {
            Failure::configuration(format!(
                "the description leads to no sound configuration:\n\n{problems}"
            ))
            .hint("two paths that differ only in a parameter's name are one; mend the description")
        })?;
        Ok(Self {
            text,
            routes: routes.len(),
            closed: closed.into_iter().map(|(operation, _)| operation).collect(),
            left_out,
        })
    }

    /// What a person should know of it.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks = String::new();
        let line =
            |operation: &Operation| format!("    {} {}", operation.method, safe(&operation.path));
        if !self.closed.is_empty() {
            let _ = write!(
                remarks,
                "\n  closed, because the description asks for no credential ({}):\n",
                self.closed.len()
            );
            for operation in &self.closed {
                let _ = writeln!(remarks, "{}", line(operation));
            }
            remarks
                .push_str("  open what everybody may call: it stands at the end, as a comment\n");
        }
        if !self.left_out.is_empty() {
            let _ = write!(
                remarks,
                "\n  closed, because no route can say it ({}):\n",
                self.left_out.len()
            );
            for (operation, why) in &self.left_out {
                let _ = writeln!(remarks, "{}: {}", line(operation), safe(why));
            }
        }
        remarks
    }
}

/// The route's pattern of an operation: parameters with names that a route can
/// give them, and nothing that the gateway would not match.
pub(super) fn pattern(operation: &Operation) -> Result<String, String> {
    if let Some(own) = config::own_path(&operation.path) {
        return Err(format!("Doorward answers {own} itself"));
    }
    let mut names = BTreeSet::new();
    let segments = operation.path.split('/').map(|segment| {
        let name = segment
            .strip_prefix('{')
            .and_then(|it| it.strip_suffix('}'));
        match name {
            Some(name) if !name.contains(['{', '}']) => {
                format!("{{{}}}", parameter(name, &mut names))
            }
            _ => segment.to_owned(),
        }
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let pattern = format!("{} {path}", operation.method);
    let alone = RouteSpec {
        pattern: pattern.clone(),
        requirement: Requirement::Authenticated,
        conditions: Vec::new(),
        demands: Demands::default(),
        source: None,
    };
    match RouteTable::build(vec![alone]) {
        Ok(_) => Ok(pattern),
        Err(problems) => Err(problems[0].kind.to_string()),
    }
}

/// Letters, digits and `_`, beginning with a letter, and no name twice.
fn parameter(name: &str, taken: &mut BTreeSet<String>) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut fitting: String = name.chars().map(fit).collect();
    if !fitting.starts_with(|c: char| c.is_ascii_alphabetic()) {
        fitting.insert_str(0, "p_");
    }
    while !taken.insert(fitting.clone()) {
        fitting.push('_');
    }
    fitting
}

fn permission(operation: &Operation, scopes: &[String]) -> Permission {
    let by_scope = match scopes {
        [scope] => proposable(scope),
        _ => None,
    };
    by_scope.unwrap_or_else(|| by_name(operation))
}

/// A permission that a description may lead to: none of Doorward's own, which
/// give power over users, keys and the answers about them.
fn proposable(name: &str) -> Option<Permission> {
    let resource = name.split(':').next();
    let is_own = resource.is_some_and(|it| it.eq_ignore_ascii_case(OWN_RESOURCE));
    (!is_own).then(|| Permission::parse(name).ok()).flatten()
}

/// `orders:items:read` of `GET /v1/orders/{id}/items`.
fn by_name(operation: &Operation) -> Permission {
    let action = match operation.method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => "read",
        "POST" => "create",
        "DELETE" => "delete",
        _ => "update",
    };
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    let parts = operation.path.split('/').filter(|part| {
        !part.is_empty() && !part.contains('{') && *part != "api" && !is_version(part)
    });
    let fit = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') => c,
        _ => '-',
    };
    let fitting: Vec<String> = parts.map(|part| part.chars().map(fit).collect()).collect();
    let whole = format!("{}:{action}", fitting.join(":"));
    let first = fitting.first().map_or("api", String::as_str);
    [whole, format!("{first}:{action}"), format!("api:{action}")]
        .iter()
        .find_map(|name| proposable(name))
        .expect("`api:` and a word is a permission")
}

fn tenant(pattern: &str) -> Option<String> {
    let names = pattern.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        TENANTS.contains(&name).then(|| name.to_owned())
    });
    names.into_iter().next()
}

fn head(
    description: &Description,
    file: &Path,
    upstream: Option<&http::Uri>,
    routes: usize,
) -> String {
    let mut head = String::new();
    let of = format!("Proposed from {}: {}", file.display(), description.title);
    let _ = writeln!(head, "{}", comment(&of));
    let _ = write!(
        head,
        "# {routes} routes for {} operations. What is not here is closed: read every line.\n\n",
        description.operations.len()
    );
    match upstream {
        Some(upstream) => {
            let upstream = upstream.to_string();
            let _ = writeln!(
                head,
                "upstream = {}",
                quoted(upstream.trim_end_matches('/'))
            );
        }
        None => head.push_str("#upstream = \"http://127.0.0.1:9000\"\n"),
    }
    head
}

/// Two roles, so that somebody may call the routes; nobody has them yet.
fn write_roles(text: &mut String, routes: &[Route<'_>]) {
    let is_reading = |route: &&Route<'_>| matches!(route.operation.method.as_str(), "GET" | "HEAD");
    let mut writing = BTreeMap::new();
    for route in routes {
        *writing.entry(&route.permission).or_insert(false) |= !is_reading(&route);
    }
    let list = |wanted: bool| {
        let these = writing.iter().filter(|(_, writes)| **writes == wanted);
        let these: Vec<_> = these
            .map(|(permission, _)| quoted(permission.as_str()))
            .collect();
        (!these.is_empty()).then(|| format!("permissions = [\n  {},\n]\n", these.join(",\n  ")))
    };
    let (reads, writes) = (list(false), list(true));
    if reads.is_some() || writes.is_some() {
        text.push_str("\n# Who may do what: a guess, to be made yours. Nobody has a role yet.\n");
    }
    if let Some(reads) = &reads {
        let _ = write!(text, "[roles.reader]\n{reads}");
    }
    if let Some(writes) = writes {
        let inherits = reads.map_or("", |_| "inherits = [\"reader\"]\n");
        let _ = write!(text, "\n[roles.editor]\n{inherits}{writes}");
    }
}

fn write_route(text: &mut String, route: &Route<'_>) {
    text.push('\n');
    if let Some(name) = &route.operation.name {
        let _ = writeln!(text, "{}", comment(name));
    }
    if let Protection::Asked { scopes } = &route.operation.protection
        && scopes.len() > 1
    {
        let scopes = format!("The description asks for all of {}", scopes.join(", "));
        let _ = writeln!(text, "{}", comment(&scopes));
    }
    let _ = write!(
        text,
        "[[route]]\nmatch = {}\nallow = {}\n",
        quoted(&route.pattern),
        quoted(route.permission.as_str())
    );
    if let Some(tenant) = &route.tenant {
        let _ = writeln!(text, "where = {{ tenant = \"{{{tenant}}}\" }}");
    }
}

fn write_closed(text: &mut String, operation: &Operation, pattern: &str) {
    text.push_str("\n# Closed: the description asks for no credential.\n");
    if let Some(name) = &operation.name {
        let _ = writeln!(text, "{}", comment(name));
    }
    let _ = write!(
        text,
        "#[[route]]\n#match = {}\n#public = true    # or: authenticated = true\n",
        quoted(pattern)
    );
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A comment of one line: no byte of `text` can end it.
fn comment(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .take(LONGEST_COMMENT)
        .collect();
    format!("# {}", line.trim())
}
