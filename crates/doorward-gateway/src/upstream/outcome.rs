//! Whether what came back from an upstream is an answer.

use doorward_policy::decision::Reason;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    response,
};
use hyper::body::Incoming;

use super::{
    Failure,
    body::Outgoing,
    connection::{Connection, Heard},
    trip::Trip,
};
use crate::wire::Fault;

/// Whether what came back is an answer.
pub(super) fn judged(
    answer: Option<Heard>,
    connection: &Connection,
    trip: &Trip,
) -> Result<Response<Incoming>, Box<Failed>> {
    let Some(answer) = answer else {
        let seen = "no answer in time";
        return Err(Failed::finally(Reason::UpstreamTimeout, seen));
    };
    match answer {
        // Where no upgrade was asked for, nobody may change the protocol.
        Ok(answer) if answer.status().is_informational() && !trip.may_switch => {
            let seen = "a change of protocol that nobody asked for";
            Err(Failed::finally(Reason::UpstreamBroken, seen))
        }
        Ok(answer) if !has_one_length(&answer) => {
            let seen = "more than one reading of the answer's length";
            Err(Failed::finally(Reason::UpstreamBroken, seen))
        }
        Ok(answer) => Ok(answer),
        Err(_) if trip.sending.upload_failed() => Err(Failed::by(upload_failure(trip))),
        Err(mut error) => Err(Box::new(Failed {
            unsent: error.take_message(),
            was_silent: !connection.has_spoken(),
            failure: Failure::new(Reason::UpstreamBroken, describe(error.error())),
        })),
    }
}

pub(super) struct Failed {
    pub(super) failure: Failure,
    /// The request, if no byte of it went out.
    pub(super) unsent: Option<Request<Outgoing>>,
    /// No byte of an answer came in.
    pub(super) was_silent: bool,
}

impl Failed {
    /// A second try would not help, or could do harm.
    fn finally(reason: Reason, seen: &'static str) -> Box<Self> {
        Self::by(Failure::new(reason, seen))
    }

    fn by(failure: Failure) -> Box<Self> {
        Box::new(Self {
            failure,
            unsent: None,
            was_silent: false,
        })
    }
}

/// Of a request whose body did not come to its end.
pub(super) fn upload_failure(trip: &Trip) -> Failure {
    let fault = trip.exchange.body_fault().unwrap_or(Fault::BodyCut);
    Failure::new(fault.reason(), fault.seen())
}

/// Whether the end of the answer's body can be found in one way only (RFC 9112
/// section 6.3). hyper would take the first of two ways, and callers another.
fn has_one_length(answer: &Response<Incoming>) -> bool {
    let is_framing = |(name, _): &(&HeaderName, &HeaderValue)| {
        matches!(**name, CONTENT_LENGTH | TRANSFER_ENCODING)
    };
    let mut framing = answer.headers().iter().filter(is_framing);
    match (framing.next(), framing.next()) {
        (None, _) => true,
        (Some((&CONTENT_LENGTH, length)), None) => length.as_bytes().iter().all(u8::is_ascii_digit),
        (Some((_, coding)), None) => {
            coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && answer.version() == Version::HTTP_11
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether a body may follow that must not be there: an answer without one
/// announces one, and there are servers that then send it. On a connection
/// that is used again it would be read as the answer to the next caller.
pub(super) fn may_trail(method: &Method, head: &response::Parts) -> bool {
    let is_bodiless = *method == Method::HEAD
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let announces = |length: &HeaderValue| length.as_bytes() != b"0";
    is_bodiless
        && (head.headers.contains_key(TRANSFER_ENCODING)
            || head.headers.get(CONTENT_LENGTH).is_some_and(announces))
}

fn describe(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "an answer with a head above the limit"
    } else if error.is_parse() {
        "an answer that is not HTTP"
    } else if error.is_incomplete_message() {
        "the connection ended before the answer"
    } else {
        "the connection broke"
    }
}
