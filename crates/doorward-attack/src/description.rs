//! A description of the API (OpenAPI 3 as JSON): which requests there are, with
//! the examples that it gives, and which members it names.

use std::collections::BTreeSet;

use doorward_jose::json::{Object, Value};

use crate::probe::percent_encoded;

/// More operations than these are not looked at.
const MOST: usize = 40;

/// How deep references are followed.
const DEPTH: usize = 8;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// What a description says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// Its operations whose every parameter has an example.
    pub(crate) operations: Vec<Described>,
    /// Every member that any of its schemas names, in lower case.
    pub(crate) members: BTreeSet<String>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// In capitals.
    pub(crate) method: String,
    /// Path and query, filled in from examples.
    pub(crate) path: String,
    /// Whether it says that it needs a credential.
    pub(crate) is_secured: bool,
    /// The scopes that it asks for; any one list of them is enough.
    pub(crate) scopes: Vec<Vec<String>>,
    /// Whether its path or a tag says that it is for administrators.
    pub(crate) is_for_admins: bool,
    /// Members that its body may set.
    pub(crate) writable: BTreeSet<String>,
}

/// Why a text is no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// Not JSON.
    #[error("it is not JSON; a description in YAML has to be converted first")]
    Json,
    /// No `paths`.
    #[error("it has no `paths`, as an OpenAPI description has")]
    Paths,
    /// Nothing that could be sent.
    #[error("none of its operations has an example for each of its parameters")]
    Nothing,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// [`DescriptionError`] if there is nothing in it that could be sent.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let whole: Value = serde_json::from_str(text).map_err(|_| DescriptionError::Json)?;
        let paths = whole.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or(DescriptionError::Paths)?;
        let mut description = Self::default();
        named(&whole, &mut description.members);
        for (template, item) in paths {
            let Some(item) = resolved(&whole, item).as_object() else {
                continue;
            };
            let operations = METHODS.iter().filter_map(|method| {
                let operation = item.get(*method)?.as_object()?;
                described(&whole, method, template, item, operation)
            });
            description.operations.extend(operations);
        }
        description.operations.truncate(MOST);
        match description.operations.is_empty() {
            true => Err(DescriptionError::Nothing),
            false => Ok(description),
        }
    }
}

fn described(
    whole: &Value,
    method: &str,
    template: &str,
    item: &Object,
    operation: &Object,
) -> Option<Described> {
    let path = filled(whole, template, item, operation)?;
    let security = operation.get("security").or_else(|| whole.get("security"));
    let choices: Vec<&Object> = list(security).filter_map(Value::as_object).collect();
    let is_open = choices.is_empty() || choices.iter().any(|choice| choice.is_empty());
    let scopes = choices.iter().map(|choice| {
        let names = choice.values().flat_map(|scopes| list(Some(scopes)));
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    });
    let tags = list(operation.get("tags")).filter_map(Value::as_str);
    let is_for_admins = tags
        .chain([template])
        .any(|text| text.to_lowercase().contains("admin"));
    Some(Described {
        method: method.to_uppercase(),
        path: format!("{}{path}", base(whole)),
        is_secured: !is_open,
        scopes: scopes.collect(),
        is_for_admins,
        writable: writable(whole, operation),
    })
}

/// The path of the first server, without a slash at its end.
fn base(whole: &Value) -> String {
    let url = list(whole.get("servers"))
        .next()
        .and_then(|server| server.get("url"));
    let url = url.and_then(Value::as_str).unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = path.trim_end_matches('/');
    match path.starts_with('/') && !path.contains('{') {
        true => path.to_owned(),
        false => String::new(),
    }
}

/// The path with an example for each parameter, and the query that is needed.
fn filled(whole: &Value, template: &str, item: &Object, operation: &Object) -> Option<String> {
    let mut path = template.to_owned();
    let mut query = Vec::new();
    let parameters = list(item.get("parameters")).chain(list(operation.get("parameters")));
    for parameter in parameters.map(|parameter| resolved(whole, parameter)) {
        let name = parameter.get("name").and_then(Value::as_str)?;
        let place = parameter.get("in").and_then(Value::as_str);
        let is_required = parameter.get("required") == Some(&Value::Bool(true));
        if place != Some("path") && !is_required {
            continue;
        }
        let value = percent_encoded(&example(whole, parameter)?);
        match place {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &value),
            Some("query") => query.push(format!("{}={value}", percent_encoded(name))),
            _ => return None,
        }
    }
    if !path.starts_with('/') || path.contains('{') {
        return None;
    }
    Some(match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    })
}

fn example(whole: &Value, parameter: &Value) -> Option<String> {
    let schema = parameter
        .get("schema")
        .map(|schema| resolved(whole, schema));
    let of_schema = |name: &str| schema.and_then(|schema| schema.get(name));
    let several = parameter.get("examples").and_then(Value::as_object);
    let value = parameter
        .get("example")
        .or_else(|| several?.values().next()?.get("value"))
        .or_else(|| of_schema("example"))
        .or_else(|| list(of_schema("examples")).next())
        .or_else(|| of_schema("default"))
        .or_else(|| list(of_schema("enum")).next())?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// What the schema of the JSON body lets a caller set.
fn writable(whole: &Value, operation: &Object) -> BTreeSet<String> {
    let body = operation
        .get("requestBody")
        .map(|body| resolved(whole, body));
    let content = body
        .and_then(|body| body.get("content"))
        .and_then(Value::as_object);
    let schemas = content.into_iter().flat_map(Object::values);
    let schemas = schemas.filter_map(|media| media.get("schema"));
    let properties = schemas.filter_map(|schema| resolved(whole, schema).get("properties"));
    let members = properties.filter_map(Value::as_object).flatten();
    members
        .filter(|(_, schema)| schema.get("readOnly") != Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// What a local reference stands for.
fn resolved<'v>(whole: &'v Value, mut value: &'v Value) -> &'v Value {
    for _ in 0..DEPTH {
        let reference = value.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        match pointer.and_then(|pointer| whole.pointer(pointer)) {
            Some(other) => value = other,
            None => break,
        }
    }
    value
}

fn named(value: &Value, members: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                members.extend(properties.keys().map(|name| name.to_lowercase()));
            }
            object.values().for_each(|value| named(value, members));
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, members)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Description, DescriptionError};

    const TEXT: &str = r##"{
      "openapi": "3.1.0",
      "servers": [{ "url": "https://api.example/v1/" }],
      "security": [{ "token": ["orders:read"] }],
      "paths": {
        "/orders/{id}": {
          "parameters": [{ "$ref": "#/components/parameters/Id" }],
          "get": {}, "patch": { "requestBody": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Order" } } } } }
        },
        "/health": { "get": { "security": [] } },
        "/unknown/{x}": { "get": { "parameters": [{ "name": "x", "in": "path" }] } },
        "/admin/users": { "get": { "security": [{ "token": ["admin"] }] } }
      },
      "components": {
        "parameters": { "Id": { "name": "id", "in": "path", "required": true, "example": "7 a" } },
        "schemas": { "Order": { "properties": { "item": {}, "id": { "readOnly": true } } } }
      }
    }"##;

    #[test]
    fn operations_with_examples_are_read() {
        let description = Description::parse(TEXT).expect("a description");
        let shown: Vec<String> = description
            .operations
            .iter()
            .map(|one| format!("{} {} {}", one.method, one.path, one.is_secured))
            .collect();
        for one in [
            "GET /v1/orders/7%20a true",
            "PATCH /v1/orders/7%20a true",
            "GET /v1/health false",
            "GET /v1/admin/users true",
        ] {
            assert!(shown.contains(&one.to_owned()), "{one}: {shown:?}");
        }
        assert_eq!(shown.len(), 4);
        let patch = description
            .operations
            .iter()
            .find(|one| one.method == "PATCH");
        let writable = &patch.expect("the change").writable;
        assert_eq!(writable.iter().collect::<Vec<_>>(), ["item"]);
        assert!(description.members.contains("id"));
    }

    #[test]
    fn what_cannot_be_sent_is_no_description() {
        for (text, error) in [
            ("openapi: 3.1.0", DescriptionError::Json),
            ("{}", DescriptionError::Paths),
            (
                r#"{"paths":{"/a/{b}":{"get":{}}}}"#,
                DescriptionError::Nothing,
            ),
        ] {
            assert_eq!(Description::parse(text), Err(error), "{text}");
        }
    }
}
