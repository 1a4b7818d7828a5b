//! The answer of an extractor that lets nobody through.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use doorward_policy::decision::{Decision, Reason, Step, TraceId};
use http::request::Parts;

use crate::{layer::DecisionRecord, refusal};

/// A request that an extractor turned away. As a response it is the problem
/// document with its challenge.
#[derive(Debug)]
pub struct Refused {
    decision: Box<Decision>,
    scope: Option<&'static str>,
}

impl Refused {
    pub(super) fn by(record: &DecisionRecord, scope: Option<&'static str>) -> Self {
        Self {
            decision: Box::new(record.snapshot()),
            scope,
        }
    }

    /// The route has no layer, so nothing is known of the caller.
    pub(super) fn without_layer(parts: &Parts) -> Self {
        let nameless = TraceId::from_bytes([0; 16]);
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let mut decision = Decision::new(nameless, 0, method, path);
        decision.fail(
            Step::Credential,
            Reason::Internal,
            "no AuthenticationLayer on this route",
            "an AuthenticationLayer around the router",
        );
        Self {
            decision: Box::new(decision),
            scope: None,
        }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.decision.reason
    }

    /// Every check until then. It holds more than the caller may read.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal::response(&self.decision, self.scope).map(Body::from)
    }
}
