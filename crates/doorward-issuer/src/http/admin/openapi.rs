//! The OpenAPI 3.1 document, written from the table of operations.

use axum::{Json, response::IntoResponse, response::Response};
use doorward_policy::decision::Reason;
use serde_json::{Map, Value, json};

use super::{Needs, OPERATIONS, Operation, shape};

/// The description of `/api/*`. `docs/openapi.json` is a copy, which a test
/// compares with this.
pub fn openapi() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for operation in OPERATIONS {
        let method = operation.method.as_str().to_ascii_lowercase();
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[method] = described(operation);
        for shape in [operation.asks, operation.says].into_iter().flatten() {
            shape.describe(&mut schemas);
        }
    }
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Doorward administration",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "Served by the admin listener. An access token reaches the tenant \
                that it is for; the operator's token, which lies in the data folder, reaches \
                everything. What a caller does not reach is answered as what does not exist.",
        },
        "servers": [{ "url": "http://127.0.0.1:4181" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "Refused; says why (RFC 9457)",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
        },
    })
}

pub(super) async fn get() -> Response {
    let mut response = Json(openapi()).into_response();
    response.extensions_mut().insert(Reason::Served);
    response
}

fn described(operation: &Operation) -> Value {
    let reach = match operation.needs {
        Needs::Tenant => format!("Needs the permission `{}`.", operation.permission),
        Needs::Installation => "Needs the operator's token.".to_owned(),
    };
    let mut said = json!({ "description": "Done" });
    if let Some(shape) = operation.says {
        said["content"] = content(shape);
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": reach,
        "parameters": parameters(operation),
        "responses": {
            operation.status.to_string(): said,
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Some(shape) = operation.asks {
        let needs_body = shape.members.iter().any(|member| member.is_required);
        described["requestBody"] = json!({ "required": needs_body, "content": content(shape) });
    }
    described
}

fn content(shape: &shape::Shape) -> Value {
    json!({ "application/json": { "schema": shape::reference(shape) } })
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let text = || json!({ "type": "string" });
    let in_path = operation.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({ "name": name, "in": "path", "required": true, "schema": text() }))
    });
    let mut parameters: Vec<_> = in_path.collect();
    let mut add = |name: &str, place: &str, about: &str, schema: Value| {
        parameters.push(json!({
            "name": name, "in": place, "required": false, "description": about, "schema": schema,
        }));
    };
    if operation.is_list {
        let number = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
        add("limit", "query", "Items of a page", number);
        add("cursor", "query", "`next` of the page before", text());
    }
    if operation.takes_if_match {
        let about = "Only if it still has this entity tag; else 412";
        add("If-Match", "header", about, text());
    }
    if operation.method == http::Method::POST {
        let about = "The same request under the same key is done once within 24 hours";
        add("Idempotency-Key", "header", about, text());
    }
    parameters
}

fn problem() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "reason", "trace_id"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": text(), "status": { "type": "integer" }, "detail": text(),
            "reason": text(), "trace_id": text(),
        },
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{OPERATIONS, openapi};

    #[test]
    fn the_copy_in_docs_is_what_the_code_says() {
        let kept = include_str!("../../../../../docs/openapi.json");
        let kept: Value = serde_json::from_str(kept).unwrap();
        assert!(
            kept == openapi(),
            "docs/openapi.json is not what the code says; write it with `just openapi`"
        );
    }

    #[test]
    fn every_reference_has_its_schema_and_every_operation_its_own_id() {
        let document = openapi();
        let schemas = &document["components"]["schemas"];
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{name}");
        }
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
