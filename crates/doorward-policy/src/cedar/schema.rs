//! The schema that policies are validated against: made from the routes, the
//! roles and the claims, and from nothing else.
//!
//! | In a policy | is |
//! | --- | --- |
//! | `principal` | a `User`, a `Client`, a `Foreign` (a caller of another issuer) or, on a public route, `Anyone` |
//! | `action` | the permission of the route, in the groups above it: `Action::"orders:read"` in `Action::"orders:*"`; for a route without a permission its pattern |
//! | `resource` | what the path names: one attribute for each parameter |
//! | `context` | the request: `method`, `path`, `route`, `address`, `time` and `headers` |
//!
//! A parameter that not every route of an action has, and a claim that not
//! every token has, is optional: a policy must ask with `has` before it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedar_policy::{EntityTypeName, EntityUid, Schema, ValidationError};

use super::{ClaimType, Vocabulary};
use crate::route::{Requirement, Route, RouteTable};

/// Attributes of every principal, which no further claim can be called.
pub const RESERVED_CLAIMS: [&str; 9] = [
    "sub",
    "iss",
    "tenant",
    "client_id",
    "roles",
    "permissions",
    "acr",
    "amr",
    "auth_time",
];

/// The schema, and the names in it.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) schema: Schema,
    /// The resource type of each action.
    pub(super) resources: BTreeMap<String, EntityTypeName>,
    shapes: BTreeMap<String, Shape>,
    vocabulary: Vocabulary,
}

/// Names of entities.
pub(super) trait UidOf {
    /// The entity of this type that is called `id`.
    fn uid(&self, id: &str) -> EntityUid;
}

impl UidOf for EntityTypeName {
    fn uid(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.clone(), cedar_policy::EntityId::new(id))
    }
}

/// A type by its name, which is a literal of this room.
pub(super) fn type_name(name: &str) -> EntityTypeName {
    name.parse().expect("the name is an identifier")
}

/// What a route is called in a policy.
pub(super) fn action(route: &Route) -> String {
    match route.requirement().permission() {
        Some(permission) => permission.to_string(),
        None => route.pattern().to_owned(),
    }
}

/// The groups that an action is in: `orders:*` for `orders:read`.
pub(super) fn groups(action: &str) -> Vec<String> {
    if action.contains(' ') {
        // A pattern, not a permission.
        return Vec::new();
    }
    let colons = action.match_indices(':');
    colons
        .map(|(at, _)| format!("{}:*", &action[..at]))
        .collect()
}

/// What the routes of an action have in common.
#[derive(Debug, Default)]
struct Shape {
    /// What the action is done to.
    resource: String,
    routes: usize,
    is_public: bool,
    /// How many of the routes have the parameter.
    parameters: BTreeMap<String, usize>,
}

impl Shapes {
    /// # Errors
    ///
    /// When a name in it is none that Cedar takes.
    pub(super) fn of(table: &RouteTable, vocabulary: &Vocabulary) -> Result<Self, String> {
        let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
        for route in table.routes() {
            let shape = shapes.entry(action(route)).or_default();
            shape.routes += 1;
            shape.is_public = *route.requirement() == Requirement::Public;
            for name in route.parameter_names() {
                *shape.parameters.entry(name.to_owned()).or_default() += 1;
            }
        }
        let names = resource_names(shapes.keys());
        for (shape, name) in shapes.values_mut().zip(names) {
            shape.resource = name;
        }
        let schema = schema(&shapes.iter().collect(), vocabulary)?;
        let resource = |(action, shape): (&String, &Shape)| {
            let name = type_name(&format!("Resource::{}", shape.resource));
            (action.clone(), name)
        };
        Ok(Self {
            schema,
            resources: shapes.iter().map(resource).collect(),
            shapes,
            vocabulary: vocabulary.clone(),
        })
    }

    /// The actions that a policy can speak of.
    pub(super) fn actions(&self) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str)
    }

    /// The action of this name, if there is one.
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        let (action, _) = self.shapes.get_key_value(name)?;
        Some(action)
    }

    /// The schema of `actions` alone.
    pub(super) fn of_only(&self, actions: &BTreeSet<&str>) -> Option<Schema> {
        let part = self.shapes.iter();
        let part = part.filter(|(action, _)| actions.contains(action.as_str()));
        schema(&part.collect(), &self.vocabulary).ok()
    }
}

fn schema(shapes: &BTreeMap<&String, &Shape>, vocabulary: &Vocabulary) -> Result<Schema, String> {
    Schema::from_cedarschema_str(&written(shapes, vocabulary))
        .map(|(schema, _)| schema)
        .map_err(|error| format!("routes, roles and claims make no schema: {error}"))
}

/// A name for what each action is done to, read off the action: `orders_read`.
fn resource_names<'a>(actions: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut name = |action: &String| {
        let plain: String = action
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let plain = format!("of_{}", plain.trim_matches('_'));
        let mut numbered = plain.clone();
        let mut number = 1;
        while !taken.insert(numbered.clone()) {
            number += 1;
            numbered = format!("{plain}_{number}");
        }
        numbered
    };
    actions.map(&mut name).collect()
}

fn written(shapes: &BTreeMap<&String, &Shape>, vocabulary: &Vocabulary) -> String {
    let mut text = String::new();
    roles(&mut text, &vocabulary.roles);
    principals(&mut text, vocabulary);
    context(&mut text, &vocabulary.fields);
    text.push_str("namespace Resource {\n");
    for shape in shapes.values() {
        let name = &shape.resource;
        let attribute = |(parameter, count): (&String, &usize)| {
            let optional = if *count < shape.routes { "?" } else { "" };
            format!("{parameter:?}{optional}: String")
        };
        let attributes: Vec<_> = shape.parameters.iter().map(attribute).collect();
        let attributes = attributes.join(", ");
        let _ = writeln!(text, "entity {name} {{ {attributes} }};");
    }
    text.push_str("}\n");
    let all: BTreeSet<String> = shapes.keys().flat_map(|action| groups(action)).collect();
    for group in all {
        let _ = writeln!(text, "action {group:?};");
    }
    let callers = match vocabulary.foreign {
        true => "User, Client, Foreign",
        false => "User, Client",
    };
    for (action, shape) in shapes {
        let name = &shape.resource;
        let groups = groups(action);
        let groups = match groups.is_empty() {
            true => String::new(),
            false => format!(" in {groups:?}"),
        };
        let callers = if shape.is_public { "Anyone" } else { callers };
        let _ = writeln!(
            text,
            "action {action:?}{groups} appliesTo {{ principal: [{callers}], resource: [Resource::{name}], context: Context }};"
        );
    }
    text
}

/// With the names of all roles, so that a misspelled one is found.
fn roles(text: &mut String, roles: &[String]) {
    let _ = match roles.is_empty() {
        true => writeln!(text, "entity Role;"),
        false => writeln!(text, "entity Role enum {roles:?};"),
    };
}

fn principals(text: &mut String, vocabulary: &Vocabulary) {
    let mut more = String::new();
    for (claim, kind) in &vocabulary.claims {
        let kind = match kind {
            ClaimType::Text => "String",
            ClaimType::Number => "Long",
            ClaimType::Truth => "Bool",
            ClaimType::Texts => "Set<String>",
        };
        let _ = write!(more, ", {claim:?}?: {kind}");
    }
    for (name, sub) in [("User", "sub"), ("Client", "sub"), ("Foreign", "sub?")] {
        let _ = writeln!(
            text,
            "entity {name} in [Role] {{ {sub}: String, iss: String, tenant?: String, client_id?: String, roles: Set<String>, permissions: Set<String>, acr?: String, amr: Set<String>, auth_time?: Long{more} }};"
        );
    }
    text.push_str("entity Anyone;\n");
}

fn context(text: &mut String, fields: &[String]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| format!("{field:?}?: String"))
        .collect();
    let fields = fields.join(", ");
    let _ = writeln!(
        text,
        "type Context = {{ method: String, path: String, route: String, address: ipaddr, time: {{ unix: Long, hour: Long, minute: Long, weekday: Long }}, headers: {{ {fields} }} }};"
    );
}

/// What to do, where Cedar's own help does not know how things are here.
pub(super) fn help(error: &ValidationError) -> Option<String> {
    let message = error.to_string();
    match error {
        ValidationError::UnsafeAttributeAccess(_) if message.contains("`Anyone`") => Some(
            "on a public route nobody is known: write `principal is User` in the scope, or name the actions".to_owned(),
        ),
        // "optional attribute `acr` on entity type `User`"
        ValidationError::UnsafeOptionalAttributeAccess(_) => {
            let name = message.split("attribute `").nth(1)?.split('`').next()?;
            Some(format!(
                "not every one has it: ask first, `principal has {name} && …` (or `resource has`, `context.headers has`)"
            ))
        }
        _ => None,
    }
}
