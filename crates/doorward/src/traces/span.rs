//! A span of kind SERVER, by the semantic conventions for HTTP servers.
//!
//! It says less than the log does: never a token, a query, a header, an address
//! of a caller or a check's text, and a subject only where that is configured.

use doorward_policy::decision::{Decision, Outcome, TraceId};

/// Longest path that is handed on, bytes. With the queue this bounds memory.
const MAX_PATH: usize = 1_024;

/// What a collector learns of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The caller's, or begun here.
    pub(super) trace: TraceId,
    pub(super) id: [u8; 8],
    /// The caller's span.
    pub(super) parent: Option<[u8; 8]>,
    /// Milliseconds since 1970 UTC.
    pub(super) began_ms: u64,
    /// To the head of the answer.
    pub(super) took_us: u64,
    pub(super) method: Method,
    pub(super) path: String,
    /// The pattern without its methods.
    pub(super) route: Option<String>,
    /// None if the caller was gone before the answer.
    pub(super) status: Option<u16>,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
    /// `error.type`: what went wrong here or at the API, and not a denial.
    pub(super) error: Option<String>,
    /// `x-request-id`.
    pub(super) request: TraceId,
    pub(super) subject: Option<String>,
}

/// `http.request.method`, which is of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Known(&'static str),
    /// Written `_OTHER`; what it was is in the log.
    Other,
}

impl Method {
    /// Of RFC 9110 and RFC 5789, and QUERY, which is none yet.
    const KNOWN: [&'static str; 9] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE",
    ];

    fn of(text: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| *known == text);
        known.map_or(Self::Other, Self::Known)
    }

    /// The attribute.
    pub(super) const fn attribute(self) -> &'static str {
        match self {
            Self::Known(name) => name,
            Self::Other => "_OTHER",
        }
    }

    /// As the name of a span has it.
    const fn shown(self) -> &'static str {
        match self {
            Self::Known(name) => name,
            Self::Other => "HTTP",
        }
    }
}

impl Span {
    pub(super) fn of(decision: &Decision, names_subject: bool) -> Self {
        let route = decision.route.as_ref().map(|route| {
            let pattern = route.pattern.split_once(' ');
            pattern.map_or(&*route.pattern, |(_, path)| path).to_owned()
        });
        let caller = decision.caller.as_ref().filter(|_| names_subject);
        Self {
            trace: decision.caller_trace.unwrap_or(decision.trace_id),
            id: id(decision.trace_id),
            parent: decision.caller_span.map(|span| span.id),
            began_ms: decision.at_ms,
            took_us: decision.elapsed_us,
            method: Method::of(&decision.method),
            path: shortened(&decision.path).to_owned(),
            route,
            status: decision.status,
            outcome: match decision.outcome {
                Outcome::Allowed => "allowed",
                Outcome::Denied => "denied",
                Outcome::Failed => "failed",
            },
            reason: decision.reason.code(),
            error: error(decision),
            request: decision.trace_id,
            subject: caller.map(|caller| caller.subject.clone()),
        }
    }

    /// Of few values: the method, and the route if there is one.
    pub(super) fn name(&self) -> String {
        let method = self.method.shown();
        match &self.route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        }
    }
}

/// The id that the gateway wrote into `traceparent` for the API: the second half
/// of the request's name, which is not all zero.
fn id(request: TraceId) -> [u8; 8] {
    let [_, _, _, _, _, _, _, _, id @ ..] = *request.as_bytes();
    match id {
        [0, 0, 0, 0, 0, 0, 0, 0] => [0, 0, 0, 0, 0, 0, 0, 1],
        id => id,
    }
}

/// A denial is no error of a server. One of our own is said by its reason, one
/// of the API by its status.
fn error(decision: &Decision) -> Option<String> {
    if decision.outcome == Outcome::Failed {
        return Some(decision.reason.code().to_owned());
    }
    let status = decision.status?;
    (status >= 500).then(|| status.to_string())
}

fn shortened(path: &str) -> &str {
    &path[..path.floor_char_boundary(MAX_PATH)]
}
