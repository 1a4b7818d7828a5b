//! The wire's lint and the strict gate as functions of what they read.
//!
//! For the fuzz targets (`fuzz/targets/gateway`) and for nothing else: compiled
//! into tests and with the feature `fuzzing`, which nothing that ships turns
//! on. No promise is made about what is here.

use doorward_policy::decision::{Decision, Reason, TraceId};
use http::Request;

use crate::{
    config::Limits,
    gate::{Rules, admit},
    identity::Names,
    wire::{
        framing::{Framing, Scan},
        head::BodyLength,
    },
};

/// What the lint says about the bytes of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linted {
    /// The requests whose heads passed, in their order.
    pub messages: Vec<Message>,
    /// How many bytes passed.
    pub passed: usize,
    /// What is wrong with the next byte or head.
    pub fault: Option<&'static str>,
}

/// A request whose head passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where its head begins.
    pub start: usize,
    /// Where the next one begins, if its body came whole.
    pub end: Option<usize>,
    /// Length of its body; none if it is chunked.
    pub length: Option<u64>,
    /// Number of its header fields.
    pub fields: usize,
}

/// Lints `stream`, which comes in pieces of `size` bytes.
pub fn lint(stream: &[u8], size: usize) -> Linted {
    let (mut framing, limits) = (Framing::default(), Limits::default());
    let mut linted = Linted::default();
    let mut start = 0;
    let mut come = 0;
    while come < stream.len() {
        come = stream.len().min(come + size.max(1));
        loop {
            let mut found = None;
            let scan = framing.scan(&stream[linted.passed..come], &limits, &mut found);
            linted.messages.extend(found.map(|head| Message {
                start,
                end: None,
                length: match head.body {
                    BodyLength::Sized(length) => Some(length),
                    BodyLength::Chunked => None,
                },
                fields: head.fields,
            }));
            let (is_next, passed) = match scan {
                Scan::All => (false, come - linted.passed),
                Scan::Next(passed) => (true, passed),
                Scan::Unfinished(passed) => (false, passed),
                Scan::Faulty(passed, fault) => {
                    linted.passed += passed;
                    linted.fault = Some(fault.seen());
                    return linted;
                }
            };
            linted.passed += passed;
            if passed > 0 && !framing.in_body() {
                start = linted.passed;
                if let Some(message) = linted.messages.last_mut() {
                    message.end = Some(start);
                }
            }
            if !is_next {
                break;
            }
        }
    }
    linted
}

/// The request as it would be forwarded, headers aside, or why it is not.
///
/// # Errors
///
/// The reason under which it is turned away.
pub fn gate(request: Request<()>) -> Result<Request<()>, Reason> {
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "", "");
    let rules = Rules {
        names: &Names::new(&[]),
        limits: &Limits::default(),
        upgrades: &[],
    };
    let admitted = admit(Box::new(request), &rules, &mut decision)?;
    assert_eq!(admitted.request.uri().path(), admitted.path.as_str());
    Ok(*admitted.request)
}

#[cfg(test)]
mod corpus;
