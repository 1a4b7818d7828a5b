//! As much of JSON Schema as the report's schema uses; a word that is not
//! known is a fault, so that nothing in it is silently unchecked.

use serde_json::Value;

/// Everything in `value` that the schema does not allow.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match word.as_str() {
            "$schema"
            | "title"
            | "description"
            | "properties"
            | "required"
            | "additionalProperties"
            | "items" => true,
            "type" => types(rule).any(|name| is_of(name, value)),
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "maximum" => value.as_i64() <= rule.as_i64(),
            "pattern" => matches(
                rule.as_str().expect("a pattern"),
                value.as_str().unwrap_or_default(),
            ),
            _ => panic!("{word} is not known to this check"),
        };
        if !holds {
            found.push(format!("{at}: {word}"));
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            check(schema, item, &format!("{at}/{index}"), found);
        }
    }
    if let Some(members) = value.as_object() {
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in required.filter_map(Value::as_str) {
            if !members.contains_key(name) {
                found.push(format!("{at}/{name}: missing"));
            }
        }
        for (name, member) in members {
            let at = format!("{at}/{name}");
            match (
                schema["properties"].get(name),
                schema.get("additionalProperties"),
            ) {
                (Some(schema), _) => check(schema, member, &at, found),
                (None, Some(Value::Object(_))) => {
                    check(&schema["additionalProperties"], member, &at, found)
                }
                (None, Some(Value::Bool(false))) => found.push(format!("{at}: not in the schema")),
                (None, _) => {}
            }
        }
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let many = rule
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    rule.as_str().into_iter().chain(many)
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        _ => panic!("{name} is no type"),
    }
}

/// The two patterns that the schema uses.
fn matches(pattern: &str, text: &str) -> bool {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match pattern {
        "^[0-9a-f]{32}$" => text.len() == 32 && text.bytes().all(hexadecimal),
        "^[A-Z]{3}-[0-9]{3}$" => {
            let (group, number) = text.split_once('-').unwrap_or_default();
            group.len() == 3
                && group.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.len() == 3
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => panic!("{pattern} is not known to this check"),
    }
}
