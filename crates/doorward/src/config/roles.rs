//! `permissions = […]` and `[roles.NAME]`.

use std::ops::Range;

use doorward_policy::permission::{Permission, PermissionErrorKind, PermissionPattern};
use doorward_policy::role::{MAX_DEPTH, RoleName, RoleProblem, RoleProblemKind, RoleSpec, Roles};
use toml::de::DeTable;

use super::document::{Reader, Value, Word};
use super::problem::Fault;
use super::{KEYS, suggest};

const SHAPE: &str = "write `[roles.NAME]`, and `permissions = [\"orders:read\"]` below it";

/// What can be granted at all, by the lists and the roles of the file.
pub(super) struct Grants {
    /// Permissions that exist without a role that grants them.
    pub(super) permissions: Vec<Permission>,
    /// The roles; none, if one of them is wrong.
    pub(super) roles: Roles,
    /// What the roles grant, even if one of them is wrong.
    pub(super) patterns: Vec<PermissionPattern>,
    /// Whether all of it could be read, so that what is missing is missing.
    pub(super) complete: bool,
}

/// Reads `permissions` and `[roles]`.
pub(super) fn grants(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Grants {
    let before = reader.count();
    let permissions = permissions(reader, table);
    let written = written(reader, table);
    let complete = reader.is_whole() && reader.count() == before && !misnamed(table);
    let specs: Vec<RoleSpec> = written.iter().map(|role| role.spec.clone()).collect();
    let patterns = specs
        .iter()
        .flat_map(|spec| spec.permissions.clone())
        .collect();
    let roles = Roles::build(specs).unwrap_or_else(|problems| {
        for problem in problems {
            let missing = matches!(problem.kind, RoleProblemKind::UnknownParent { .. });
            if complete || !missing {
                reader.fault(fault(&problem, &written));
            }
        }
        Roles::default()
    });
    Grants {
        permissions,
        roles,
        patterns,
        complete,
    }
}

/// Whether a misspelled key holds what is missed here.
fn misnamed(table: &DeTable<'_>) -> bool {
    let meant = |name: &str| suggest(name, KEYS.iter().copied());
    table
        .keys()
        .map(|key| key.get_ref().as_ref())
        .any(|name: &str| {
            !KEYS.contains(&name) && matches!(meant(name), Some("roles" | "permissions"))
        })
}

fn permissions(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<Permission> {
    let Some(value) = table.get("permissions") else {
        return Vec::new();
    };
    let words = reader.strings(value, "permissions", "orders:read");
    let parse = |word: &Word<'_>| match Permission::parse(word.text) {
        Ok(permission) => Some(permission),
        Err(error) => {
            reader.fault(Fault::at(word.span.clone(), error.to_string()));
            None
        }
    };
    words.iter().filter_map(parse).collect()
}

/// A role, and where its parts are written.
struct Written {
    spec: RoleSpec,
    name: Range<usize>,
    parents: Vec<Range<usize>>,
}

/// The roles in the order of the file, so that the later of two alike is the
/// wrong one.
fn written(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<Written> {
    let table = table
        .get("roles")
        .and_then(|value| reader.table(value, "roles", SHAPE));
    let mut written = Vec::new();
    for (key, value) in table.into_iter().flat_map(DeTable::iter) {
        written.extend(role(reader, key.get_ref(), key.span(), value));
    }
    written.sort_by_key(|role: &Written| role.name.start);
    written
}

fn role(
    reader: &mut Reader<'_>,
    name: &str,
    span: Range<usize>,
    value: &Value<'_>,
) -> Option<Written> {
    let table = reader.table(value, &format!("roles.{name}"), SHAPE);
    let parsed = match RoleName::parse(name) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            reader.fault(Fault::at(span.clone(), error.to_string()));
            None
        }
    };
    let table = table?;
    let place = format!("[roles.{name}]");
    reader.unknown_keys(table, &place, &["permissions", "inherits"]);
    let permissions = patterns(reader, table);
    let (inherits, parents) = parents(reader, table);
    Some(Written {
        spec: RoleSpec {
            name: parsed?,
            inherits,
            permissions,
        },
        name: span,
        parents,
    })
}

fn patterns(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<PermissionPattern> {
    let Some(value) = table.get("permissions") else {
        return Vec::new();
    };
    let words = reader.strings(value, "permissions", "orders:read");
    let parse = |word: &Word<'_>| match PermissionPattern::parse(word.text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let fault = Fault::at(word.span.clone(), error.to_string());
            let first = word
                .text
                .split([':', '*'])
                .next()
                .filter(|first| !first.is_empty());
            reader.fault(match (error.kind(), first) {
                (
                    PermissionErrorKind::PartialWildcard | PermissionErrorKind::NoAction,
                    Some(resource),
                ) => fault.help(format!("write `{resource}:*`, or name each permission")),
                _ => fault,
            });
            None
        }
    };
    words.iter().filter_map(parse).collect()
}

fn parents(reader: &mut Reader<'_>, table: &DeTable<'_>) -> (Vec<RoleName>, Vec<Range<usize>>) {
    let Some(value) = table.get("inherits") else {
        return (Vec::new(), Vec::new());
    };
    let words = reader.strings(value, "inherits", "reader");
    let parse = |word: Word<'_>| match RoleName::parse(word.text) {
        Ok(name) => Some((name, word.span)),
        Err(error) => {
            reader.fault(Fault::at(word.span, error.to_string()));
            None
        }
    };
    words.into_iter().filter_map(parse).unzip()
}

fn fault(problem: &RoleProblem, written: &[Written]) -> Fault {
    let role = &written[problem.role];
    let name = &problem.name;
    match &problem.kind {
        RoleProblemKind::UnknownParent { parent, name } => {
            let names = written.iter().map(|role| role.spec.name.as_str());
            Fault::at(
                role.parents[*parent].clone(),
                format!("there is no role `{name}`"),
            )
            .did_you_mean(
                suggest(name.as_str(), names),
                format!("define it with `[roles.{name}]`, or take it out of `inherits`"),
            )
        }
        RoleProblemKind::Cycle { path } => {
            let way: Vec<&str> = path.iter().map(RoleName::as_str).collect();
            Fault::at(
                role.name.clone(),
                format!("role `{name}` inherits from itself"),
            )
            .label(way.join(" -> "))
            .help("take one of them out of `inherits`")
        }
        RoleProblemKind::Alike {
            earlier,
            name: other,
        } => Fault::at(
            role.name.clone(),
            format!("role `{name}` reads like role `{other}`"),
        )
        .label("too easy to confuse")
        .related(written[*earlier].name.clone(), "the other one")
        .help("rename one of them"),
        RoleProblemKind::TooDeep => {
            let title = format!("role `{name}` inherits over more than {MAX_DEPTH} levels");
            Fault::at(role.name.clone(), title).help("let it inherit directly from what it needs")
        }
        other => Fault::at(role.name.clone(), format!("role `{name}`: {other}")),
    }
}
