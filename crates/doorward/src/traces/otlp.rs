//! Spans as an `ExportTraceServiceRequest` in JSON: the mapping of protocol
//! buffers to JSON, but for ids, which OTLP writes in hexadecimal.

use doorward_issuer::hexadecimal::hex;
use doorward_policy::decision::TraceId;
use serde::Serialize;

use super::span::Span;

/// The semantic conventions that the names are of.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// `flags` of a sampled span: bit 8 says that bit 9 is known, which says that the
/// parent is in another process.
const SAMPLED: u32 = 0x101;
const PARENT_IS_REMOTE: u32 = 0x200;

/// Whose spans they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `service.name`.
    pub(crate) service: String,
    /// `url.scheme` under which callers reach it.
    pub(crate) scheme: String,
    /// `server.address`.
    pub(crate) host: String,
    /// `server.port`.
    pub(crate) port: Option<u16>,
}

/// The body of one request to a collector.
pub(super) fn body(origin: &Origin, spans: &[Span]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let request = Request {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: [
                    text("service.name", &origin.service),
                    text("service.version", version),
                ],
            },
            scope_spans: [ScopeSpans {
                scope: Scope {
                    name: "doorward",
                    version,
                },
                spans: spans.iter().map(|span| written(origin, span)).collect(),
                schema_url: SCHEMA,
            }],
            schema_url: SCHEMA,
        }],
    };
    serde_json::to_vec(&request).expect("texts and numbers have a form in JSON")
}

fn written<'s>(origin: &'s Origin, span: &'s Span) -> SpanJson<'s> {
    let began = u128::from(span.began_ms) * 1_000_000;
    let ended = began + u128::from(span.took_us) * 1_000;
    let remote = span.parent.map_or(0, |_| PARENT_IS_REMOTE);
    SpanJson {
        trace_id: span.trace,
        span_id: hex(&span.id),
        parent_span_id: span.parent.as_ref().map(|id| hex(id)),
        flags: SAMPLED | remote,
        name: span.name(),
        kind: SERVER,
        start_time_unix_nano: began.to_string(),
        end_time_unix_nano: ended.to_string(),
        attributes: attributes(origin, span),
        status: span.error.is_some().then_some(Status { code: ERROR }),
    }
}

fn attributes<'s>(origin: &'s Origin, span: &'s Span) -> Vec<Attribute<'s>> {
    let mut attributes = vec![
        text("http.request.method", span.method.attribute()),
        text("url.scheme", &origin.scheme),
        text("url.path", &span.path),
        text("server.address", &origin.host),
        text("doorward.decision", span.outcome),
        text("doorward.reason", span.reason),
        Attribute {
            key: "doorward.request_id",
            value: Value::Text(span.request.to_string().into()),
        },
    ];
    let port = origin.port.map(|port| number("server.port", port));
    let status = span
        .status
        .map(|it| number("http.response.status_code", it));
    attributes.extend([port, status].into_iter().flatten());
    let texts = [
        ("http.route", &span.route),
        ("error.type", &span.error),
        ("enduser.id", &span.subject),
    ];
    let texts = texts.into_iter();
    attributes.extend(texts.filter_map(|(key, value)| Some(text(key, value.as_deref()?))));
    attributes
}

fn text<'s>(key: &'static str, value: &'s str) -> Attribute<'s> {
    let value = Value::Text(value.into());
    Attribute { key, value }
}

/// 64-bit numbers are texts in JSON.
fn number(key: &'static str, value: u16) -> Attribute<'static> {
    let value = Value::Number(value.to_string());
    Attribute { key, value }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'s> {
    resource_spans: [ResourceSpans<'s>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'s> {
    resource: Resource<'s>,
    scope_spans: [ScopeSpans<'s>; 1],
    schema_url: &'static str,
}

#[derive(Serialize)]
struct Resource<'s> {
    attributes: [Attribute<'s>; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans<'s> {
    scope: Scope,
    spans: Vec<SpanJson<'s>>,
    schema_url: &'static str,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson<'s> {
    trace_id: TraceId,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

#[derive(Serialize)]
struct Attribute<'s> {
    key: &'static str,
    value: Value<'s>,
}

#[derive(Serialize)]
enum Value<'s> {
    #[serde(rename = "stringValue")]
    Text(std::borrow::Cow<'s, str>),
    #[serde(rename = "intValue")]
    Number(String),
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::sync::Arc;

    use doorward_policy::decision::{Caller, CallerSpan, Decision, Reason, RouteRef, Step};
    use serde_json::{Value, json};

    use super::{Origin, body};
    use crate::traces::span::Span;

    fn decision() -> Decision {
        let name = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        let mut decision = Decision::new(name, 1_800_000_000_123, "GET", "/orders/7");
        decision.route = Some(RouteRef {
            pattern: "GET,PUT /orders/{id}".into(),
            source: None,
        });
        decision.prove(Arc::new(Caller {
            subject: "ann".to_owned(),
            ..Caller::default()
        }));
        decision.allow(Reason::PermissionGranted);
        decision.status = Some(200);
        decision.elapsed_us = 1_500;
        decision
    }

    fn written(decision: &Decision, names_subject: bool) -> Value {
        let origin = Origin {
            service: "shop".to_owned(),
            scheme: "https".to_owned(),
            host: "api.example.com".to_owned(),
            port: Some(8443),
        };
        let bytes = body(&origin, &[Span::of(decision, names_subject)]);
        let mut request: Value = serde_json::from_slice(&bytes).unwrap();
        let resource = &request["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(resource[0]["key"], "service.name");
        assert_eq!(resource[0]["value"], json!({"stringValue": "shop"}));
        request["resourceSpans"][0]["scopeSpans"][0]["spans"][0].take()
    }

    fn attribute<'s>(span: &'s Value, key: &str) -> &'s Value {
        let attributes = span["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|attribute| attribute["key"] == key);
        found.map_or(&Value::Null, |attribute| &attribute["value"])
    }

    #[test]
    fn a_request_is_a_span_of_a_server() {
        let mut decision = decision();
        decision.caller_trace = Some("0af7651916cd43dd8448eb211c80319c".parse().unwrap());
        decision.caller_span = Some(CallerSpan {
            id: [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7],
            is_sampled: true,
        });
        let span = written(&decision, false);
        assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span["spanId"], "a3ce929d0e0e4736");
        assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(span["flags"], 0x301);
        assert_eq!(
            (&span["name"], &span["kind"]),
            (&json!("GET /orders/{id}"), &json!(2))
        );
        assert_eq!(span["startTimeUnixNano"], "1800000000123000000");
        assert_eq!(span["endTimeUnixNano"], "1800000000124500000");
        assert_eq!(span["status"], Value::Null);
        for (key, value) in [
            ("http.request.method", "GET"),
            ("http.route", "/orders/{id}"),
            ("url.path", "/orders/7"),
            ("url.scheme", "https"),
            ("server.address", "api.example.com"),
            ("doorward.decision", "allowed"),
            ("doorward.reason", "permission_granted"),
            ("doorward.request_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ] {
            assert_eq!(
                attribute(&span, key),
                &json!({"stringValue": value}),
                "{key}"
            );
        }
        for (key, value) in [
            ("server.port", "8443"),
            ("http.response.status_code", "200"),
        ] {
            assert_eq!(attribute(&span, key), &json!({"intValue": value}), "{key}");
        }
        assert_eq!(attribute(&span, "enduser.id"), &Value::Null);
        assert_eq!(attribute(&span, "error.type"), &Value::Null);
    }

    #[test]
    fn a_trace_that_begins_here_has_no_parent() {
        let span = written(&decision(), true);
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (&span["parentSpanId"], &span["flags"]),
            (&Value::Null, &json!(0x101))
        );
        let subject = json!({"stringValue": "ann"});
        assert_eq!(attribute(&span, "enduser.id"), &subject);
    }

    #[test]
    fn a_fault_is_an_error_and_a_denial_is_none() {
        let mut denied = decision();
        denied.fail(Step::Permission, Reason::MissingPermission, "", "");
        denied.status = Some(403);
        let span = written(&denied, false);
        assert_eq!(
            (&span["status"], attribute(&span, "error.type")),
            (&Value::Null, &Value::Null)
        );

        let mut ours = decision();
        ours.fail(Step::Upstream, Reason::UpstreamTimeout, "", "");
        ours.status = Some(504);
        let mut theirs = decision();
        theirs.status = Some(500);
        for (decision, error) in [(ours, "upstream_timeout"), (theirs, "500")] {
            let span = written(&decision, false);
            assert_eq!(span["status"], json!({"code": 2}));
            assert_eq!(
                attribute(&span, "error.type"),
                &json!({"stringValue": error})
            );
        }
    }

    #[test]
    fn what_a_caller_chooses_is_bounded() {
        let mut odd = decision();
        odd.method = "BREW".into();
        odd.path = format!("/{}", "é".repeat(5_000)).into();
        odd.route = None;
        let span = written(&odd, false);
        assert_eq!(span["name"], "HTTP");
        let method = json!({"stringValue": "_OTHER"});
        assert_eq!(attribute(&span, "http.request.method"), &method);
        let path = attribute(&span, "url.path")["stringValue"]
            .as_str()
            .unwrap();
        assert_eq!(path.len(), 1_023);
    }
}
