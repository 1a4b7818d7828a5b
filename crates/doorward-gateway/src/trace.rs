//! W3C Trace Context: a caller's trace goes on behind the gateway, with a span
//! of the gateway's own.
//!
//! A context that is not exactly valid is as none: the gateway begins a trace.
//! What a caller chooses never names its request here. Many requests of one
//! trace share an id, and two callers could choose the same; so `x-request-id`
//! and the record have a name of their own, and its second half is the span.
//!
//! Recommendations: Trace Context level 1, sections 3.2 and 3.3; the flag
//! `random` of level 2.

use std::collections::HashSet;

use bytes::Bytes;
use doorward_policy::decision::{CallerSpan, TraceId};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    identity::{REQUEST_ID, TRACEPARENT},
    sampling::Ratio,
};

pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Digits of a request's name.
const NAME: usize = 32;

/// Version 00: `00-TRACE-PARENT-FLAGS`.
const LENGTH: usize = 55;

/// Of `tracestate`: as many members as the recommendation allows, and as many
/// bytes as it asks everybody to hand on.
const MOST_MEMBERS: usize = 32;
const MOST_BYTES: usize = 512;

/// `sampled` and `random`; nobody knows what the others mean.
const FLAGS: u8 = SAMPLED | 0b10;
const SAMPLED: u8 = 0b01;

/// The trace that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The request's own name.
    name: HeaderValue,
    /// `traceparent` for the upstream.
    context: HeaderValue,
    /// The caller's trace, if it came with one.
    caller: Option<Box<CallerTrace>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CallerTrace {
    id: TraceId,
    span: [u8; 8],
    flags: u8,
    state: Option<HeaderValue>,
}

impl Trace {
    /// The trace of a request called `request`, as its fields have it; of those
    /// that begin here `sampled` are.
    pub(crate) fn of(request: TraceId, headers: &HeaderMap, sampled: Ratio) -> Self {
        // Mostly there is none, and less to do than to look it up.
        let is_there = headers.keys().any(|name| *name == TRACEPARENT);
        let parents = is_there.then(|| headers.get_all(TRACEPARENT));
        let mut parents = parents.into_iter().flatten();
        let parent = match (parents.next(), parents.next()) {
            (Some(parent), None) => traceparent(parent.as_bytes()),
            _ => None,
        };
        // On the heap, or each request that has none would keep room for it.
        let caller = parent.map(|(id, span, flags)| {
            let state = tracestate(headers);
            Box::new(CallerTrace {
                id,
                span,
                flags,
                state,
            })
        });
        let own_flags = u8::from(sampled.takes(request));
        let (name, context) = written(request, caller.as_deref(), own_flags);
        Self {
            name,
            context,
            caller,
        }
    }

    /// The request's own name, for its fields.
    pub(crate) fn name(&self) -> HeaderValue {
        self.name.clone()
    }

    /// The id of the caller's trace, if it came with one.
    pub(crate) fn callers(&self) -> Option<TraceId> {
        self.caller.as_ref().map(|caller| caller.id)
    }

    /// The caller's span, if the request came with one.
    pub(crate) fn callers_span(&self) -> Option<CallerSpan> {
        self.caller.as_ref().map(|caller| CallerSpan {
            id: caller.span,
            is_sampled: caller.flags & SAMPLED != 0,
        })
    }

    /// Sets the fields for the upstream, in place of whatever may be there.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        if let Some(caller) = &self.caller {
            headers.extend(caller.state.clone().map(|state| (TRACESTATE, state)));
        }
        headers.insert(TRACEPARENT, self.context.clone());
        headers.insert(REQUEST_ID, self.name.clone());
    }
}

/// The name of `request` and its context, as fields: two parts of one text, so
/// that one piece of memory serves them and all their copies.
fn written(
    request: TraceId,
    caller: Option<&CallerTrace>,
    own_flags: u8,
) -> (HeaderValue, HeaderValue) {
    let name = request.digits();
    let mut text = [0; NAME + LENGTH];
    let (named, context) = text.split_at_mut(NAME);
    named.copy_from_slice(&name);
    context.copy_from_slice(b"00-00000000000000000000000000000000-0000000000000001-00");
    context[3..35].copy_from_slice(&caller.map_or(name, |caller| caller.id.digits()));
    // A span id is not all zero; the name's second half may be.
    if name[16..].iter().any(|digit| *digit != b'0') {
        context[36..52].copy_from_slice(&name[16..]);
    }
    context[54] = b'0' + caller.map_or(own_flags, |caller| caller.flags);
    let text = Bytes::from_owner(text);
    let field = |text: Bytes| {
        HeaderValue::from_maybe_shared(text).expect("digits and dashes are a field's value")
    };
    (field(text.slice(..NAME)), field(text.slice(NAME..)))
}

/// Trace, span and flags of a valid `traceparent`. Of a later version the beginning
/// is read as that of version 00, as the recommendation asks.
fn traceparent(text: &[u8]) -> Option<(TraceId, [u8; 8], u8)> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let known = std::str::from_utf8(known).ok()?;
    let mut parts = known.split('-');
    let mut part = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.bytes().all(is_digit).then_some(part)
    };
    let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let has_end = match version {
        "00" => rest.is_empty(),
        "ff" => false,
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    let span = u64::from_str_radix(parent, 16).ok()?;
    // All zero is refused by the type itself.
    let id = trace.parse().ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (has_end && span != 0).then_some((id, span.to_be_bytes(), flags & FLAGS))
}

/// The state as one field, or none where it is not valid throughout.
fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut keys = HashSet::new();
    let mut joined = String::new();
    for field in headers.get_all(TRACESTATE) {
        for member in field.to_str().ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let length = joined.len() + member.len() + 1;
            let is_whole = is_key(key) && is_value(value);
            if !is_whole || length > MOST_BYTES || keys.len() == MOST_MEMBERS || !keys.insert(key) {
                return None;
            }
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(member);
        }
    }
    let is_there = !joined.is_empty();
    is_there.then(|| HeaderValue::try_from(joined).ok())?
}

fn is_key(key: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str, longest: usize| {
        part.len() <= longest
            && part.bytes().next().is_some_and(is_known)
            && part
                .bytes()
                .all(|byte| is_known(byte) || b"_-*/".contains(&byte))
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_part(tenant, 241) && is_part(system, 14),
        None => is_part(key, 256),
    }
}

/// Visible characters and blanks, not at its end.
fn is_value(value: &str) -> bool {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=' && byte != b',';
    (1..=256).contains(&value.len()) && value.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::TraceId;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{Ratio, TRACEPARENT, TRACESTATE, Trace, traceparent};

    const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OWN: &str = "01020304050607080910111213141516";

    fn set(parent: &str, states: &[&str]) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        for state in states {
            headers.append(TRACESTATE, state.parse().unwrap());
        }
        let trace = Trace::of(OWN.parse().unwrap(), &headers, Ratio::default());
        let mut sent = HeaderMap::new();
        trace.set(&mut sent);
        assert_eq!(sent["x-request-id"], OWN);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (text(&sent["traceparent"]), sent.get(TRACESTATE).map(text))
    }

    #[test]
    fn a_callers_trace_goes_on_with_a_span_of_ours() {
        let (sent, state) = set(CALLERS, &["congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7"]);
        assert_eq!(
            sent,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0910111213141516-01"
        );
        assert_eq!(
            state.as_deref(),
            Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
        );
        for (flags, kept) in [("00", "00"), ("03", "03"), ("ff", "03"), ("fe", "02")] {
            let (sent, _) = set(&format!("{}{flags}", &CALLERS[..53]), &[]);
            assert_eq!(&sent[53..], kept);
        }
        let later = format!("cc{}-what-comes", &CALLERS[2..]);
        assert_eq!(set(&later, &[]).0[3..35], CALLERS[3..35]);
    }

    #[test]
    fn a_trace_that_begins_here_is_sampled_as_configured() {
        let mut headers = HeaderMap::new();
        let flags = |headers: &HeaderMap| {
            let trace = Trace::of(OWN.parse().unwrap(), headers, Ratio::of(0.0).unwrap());
            let mut sent = HeaderMap::new();
            trace.set(&mut sent);
            sent["traceparent"].to_str().unwrap()[53..].to_owned()
        };
        assert_eq!(flags(&headers), "00");
        // A caller's is the caller's to sample.
        headers.insert(TRACEPARENT, CALLERS.parse().unwrap());
        assert_eq!(flags(&headers), "01");
        let trace = Trace::of(OWN.parse().unwrap(), &headers, Ratio::default());
        let span = trace.callers_span().unwrap();
        assert_eq!(u64::from_be_bytes(span.id), 0x00f0_67aa_0ba9_02b7);
        assert!(span.is_sampled);
    }

    #[test]
    fn what_is_not_valid_is_as_none() {
        let ours = format!("00-{OWN}-0910111213141516-01");
        let digits = |from: usize, to: usize, with: &str| {
            format!("{}{with}{}", &CALLERS[..from], &CALLERS[to..])
        };
        for parent in [
            String::new(),
            CALLERS[..54].to_owned(),
            format!("{CALLERS}-00"),
            format!("{CALLERS}0"),
            digits(0, 2, "ff"),
            digits(0, 2, "0x"),
            digits(3, 35, &"0".repeat(32)),
            digits(36, 52, &"0".repeat(16)),
            digits(3, 4, "A"),
            digits(2, 3, "_"),
            digits(53, 55, "0g"),
            digits(0, 55, &format!("cc{}x", &CALLERS[2..])),
        ] {
            assert_eq!(set(&parent, &["a=b"]), (ours.clone(), None), "{parent}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, CALLERS.parse().unwrap());
        headers.append(TRACEPARENT, CALLERS.parse().unwrap());
        let trace = Trace::of(OWN.parse().unwrap(), &headers, Ratio::default());
        assert_eq!(trace.callers(), None::<TraceId>);
        assert_eq!(trace.callers_span(), None);
    }

    #[test]
    fn a_state_is_kept_whole_or_not_at_all() {
        let kept = |states: &[&str]| set(CALLERS, states).1;
        assert_eq!(kept(&[" a=1 ,, t@s=x y "]).as_deref(), Some("a=1,t@s=x y"));
        let many: Vec<String> = (0..33).map(|number| format!("k{number}=1")).collect();
        for state in [
            "a",
            "=1",
            "A=1",
            "a=",
            "a=1=2",
            "a=1,a=2",
            "a=\u{e9}",
            "a@b@c=1",
            &many.join(","),
            &format!("a={}", "x".repeat(257)),
            &format!("a={0},b={0}", "x".repeat(255)),
        ] {
            assert_eq!(kept(&["ok=1", state]), None, "{state}");
        }
        assert!(kept(&[&many[..32].join(",")]).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_invalid(text in any::<Vec<u8>>()) {
            if let Some((id, span, flags)) = traceparent(&text) {
                assert_ne!(id.as_bytes(), &[0; 16]);
                assert_ne!(span, [0; 8]);
                assert!(flags < 4);
            }
        }
    }
}
