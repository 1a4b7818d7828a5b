//! One request of a case, and what its answer proves.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    calibration::{Calibration, Standing},
    proof::Flaw,
    target::{Target, TokenPlace},
    wire::{Answer, Outcome, Request},
};

/// A request that a sound target refuses.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Which variant of its case it is, for people.
    pub what: String,
    /// What is sent.
    pub request: Request,
    /// What is sent after it; the last answer is the one that is judged.
    pub(crate) then: Vec<Request>,
    /// What must happen.
    pub(crate) expect: Expect,
    /// The token in the request, to be masked wherever the request is shown.
    pub token: Option<String>,
    /// A second token in it, masked as well.
    pub(crate) hidden: Option<String>,
    /// What is wrong with its proofs of possession; none for right ones where
    /// the token asks for them.
    pub(crate) flaw: Option<Flaw>,
    /// How long to wait before the last request.
    pub(crate) pause: Option<Duration>,
    /// Whether that token is forged; otherwise it is the valid one.
    pub is_forged: bool,
}

/// Says why an answer is a fault; none if it is fine.
pub(crate) type Tell = fn(&Calibration, &Answer) -> Option<String>;

/// The same, of one that knows more than the calibration. A failure of the
/// target is judged before it is asked.
#[derive(Clone)]
pub(crate) struct Question(Arc<Ask>);

/// Says why an answer is a fault, in words of its own.
type Ask = dyn Fn(&Answer) -> Option<String> + Send + Sync;

impl Question {
    pub(crate) fn new(ask: impl Fn(&Answer) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

/// What must happen.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// Refused.
    Refused,
    /// Refused, although it is the valid token, in another spelling: nobody
    /// gets in who should not, but two programs may read it differently.
    Respelled,
    /// Refused, and not after the pause that was slipped in.
    RefusedAtOnce,
    /// Anything but the content that only the valid token may see.
    NoContent,
    /// Anything but a failure.
    Sound,
    /// Either is right; says what follows from being let in.
    Either(&'static str),
    /// No HTTP/2.
    NoHttp2,
    /// Fine; but what the function says is worth saying.
    Remark(Tell),
    /// What the function says.
    Tell(Tell),
    /// What the question says.
    Ask(Question),
}

/// What an answer to a probe proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The target held.
    Held,
    /// The target held, and there is something to say about it.
    Noted(String),
    /// The attack worked.
    Fault(String),
    /// Nobody got in who should not, but it was too easy.
    Lax(String),
    /// Something is wrong, but nobody got in.
    Odd(String),
    /// Nothing can be said.
    Unclear(String),
}

/// Longer than any honest refusal, shorter than the pauses of the injections.
const PAUSE: Duration = Duration::from_millis(4_500);

impl Probe {
    /// A probe without a token.
    pub(crate) fn bare(what: impl Into<String>, request: Request, expect: Expect) -> Self {
        Self {
            what: what.into(),
            request,
            then: Vec::new(),
            expect,
            token: None,
            hidden: None,
            flaw: None,
            pause: None,
            is_forged: false,
        }
    }

    /// A probe with the valid token somewhere inside.
    pub(crate) fn with_valid(
        what: impl Into<String>,
        request: Request,
        expect: Expect,
        token: &str,
    ) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::bare(what, request, expect)
        }
    }

    /// A forged token in the place of the valid one.
    pub(crate) fn forged(
        target: &Target,
        what: impl Into<String>,
        token: &str,
        expect: Expect,
    ) -> Self {
        Self {
            is_forged: true,
            ..Self::with_valid(what, target.request(Some(token)), expect, token)
        }
    }

    /// The probe with one more request after those that it has.
    pub(crate) fn then(mut self, request: Request) -> Self {
        self.then.push(request);
        self
    }

    /// The probe with a second token in it, which is masked too.
    pub(crate) fn hiding(mut self, token: &str) -> Self {
        self.hidden = Some(token.to_owned());
        self
    }

    /// Everything that it sends, in order.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        std::iter::once(&self.request).chain(&self.then)
    }

    /// What the outcome proves.
    pub(crate) fn read(&self, calibration: &Calibration, outcome: &Outcome) -> Reading {
        let answer = match outcome {
            Outcome::Answered(answer) => answer,
            Outcome::Closed(bytes) if matches!(self.expect, Expect::NoHttp2) => {
                return match is_settings(bytes) {
                    true => Reading::Unclear(
                        "it speaks HTTP/2, which this command does not: run h2spec against it"
                            .to_owned(),
                    ),
                    false => Reading::Held,
                };
            }
            Outcome::TimedOut if matches!(self.expect, Expect::NoHttp2) => return Reading::Held,
            Outcome::Closed(_) if self.request.is_ordinary() => {
                return Reading::Odd("the connection was closed without an answer".to_owned());
            }
            Outcome::Closed(_) => return Reading::Held,
            Outcome::TimedOut => return Reading::Odd("no answer came in time".to_owned()),
            Outcome::Unreachable(why) => return Reading::Unclear(why.clone()),
        };
        if let Expect::Remark(tell) = self.expect {
            return tell(calibration, answer).map_or(Reading::Held, Reading::Noted);
        }
        if let Expect::Tell(tell) = self.expect {
            return match tell(calibration, answer) {
                Some(why) => Reading::Fault(why),
                None => Reading::Held,
            };
        }
        let standing = calibration.standing(answer);
        if let Expect::Ask(question) = &self.expect {
            return match (standing, (question.0)(answer)) {
                (Standing::Throttled, _) => throttled(),
                (Standing::Failed, _) => failed(answer),
                (_, Some(why)) => Reading::Fault(why),
                (_, None) => Reading::Held,
            };
        }
        let slow = matches!(self.expect, Expect::RefusedAtOnce) && answer.elapsed >= PAUSE;
        match (standing, &self.expect) {
            _ if slow => Reading::Fault(format!(
                "the answer took {} s: the pause inside was carried out",
                answer.elapsed.as_secs()
            )),
            (Standing::Failed, _) => failed(answer),
            (Standing::Throttled, _) => throttled(),
            (Standing::LetIn, Expect::Refused | Expect::RefusedAtOnce) => Reading::Fault(format!(
                "answered {} as it answers the valid token",
                answer.status
            )),
            (Standing::LetIn, Expect::Respelled) => Reading::Lax(format!(
                "answered {}: the valid token is taken in another spelling too",
                answer.status
            )),
            (Standing::LetIn, Expect::Either(note)) => Reading::Noted((*note).to_owned()),
            (Standing::Known, Expect::Refused | Expect::RefusedAtOnce) if self.is_forged => {
                Reading::Odd(
                    "answered 403 where a bad token gets 401: something believed it".to_owned(),
                )
            }
            (Standing::LetIn, Expect::NoContent) if calibration.shows_content(answer) => {
                Reading::Fault(format!(
                    "answered {} with the content that asks for a token",
                    answer.status
                ))
            }
            _ => Reading::Held,
        }
    }
}

fn throttled() -> Reading {
    Reading::Unclear("the target asks to come back later (429)".to_owned())
}

/// Whether a SETTINGS frame on stream 0 came first (RFC 9113 section 3.4).
fn is_settings(bytes: &[u8]) -> bool {
    matches!(bytes, [0, _, _, 4, _, 0, 0, 0, 0, ..])
}

/// Not having a method, a version or any server behind it is no failure of the
/// check.
fn failed(answer: &Answer) -> Reading {
    match answer.status {
        501 | 505 => Reading::Held,
        status => Reading::Odd(format!(
            "the target failed with {status} instead of refusing"
        )),
    }
}

impl Request {
    /// Whether any client could have sent it: no odd bytes, no great size.
    pub(crate) fn is_ordinary(&self) -> bool {
        let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| (b' '..0x7f).contains(byte));
        let size: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        is_plain(&self.target)
            && self.headers.iter().all(|(_, value)| is_plain(value))
            && size + self.target.len() < 8 * 1024
    }
}

impl Target {
    /// The route's request with `token` where it belongs, or without one.
    pub fn request(&self, token: Option<&str>) -> Request {
        let mut request = Request::new(&self.method, self.request_target(), &self.authority)
            .with(
                "User-Agent",
                concat!("doorward-attack/", env!("CARGO_PKG_VERSION")),
            )
            .with("Accept", "*/*")
            .with("Connection", "close");
        if let Some(body) = &self.body {
            request = request.with_body("application/json", body.clone());
        }
        let Some(token) = token else {
            return request;
        };
        match &self.place {
            TokenPlace::Authorization => request.with("Authorization", format!("Bearer {token}")),
            TokenPlace::Dpop => request.with("Authorization", format!("DPoP {token}")),
            TokenPlace::Header(name) => request.with(name, token),
            TokenPlace::Cookie(name) => request.with("Cookie", format!("{name}={token}")),
            TokenPlace::Query(name) => {
                let separator = if self.query.is_some() { '&' } else { '?' };
                let more = format!("{separator}{name}={}", percent_encoded(token));
                request.target.extend(more.as_bytes());
                request
            }
        }
    }
}

/// Everything but unreserved characters (RFC 3986 section 2.3) as `%XX`.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
