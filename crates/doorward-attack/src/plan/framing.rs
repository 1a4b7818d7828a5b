//! Messages that two programs could measure differently, each on a connection
//! of its own: what one of them takes for a body, the other may answer.
//!
//! The proof is a second answer on the connection, to a request that stood
//! inside the first one's body. Where a message has no length that every
//! program would agree upon, being served at all is the fault.

use super::{Branch, Must, Plan, Planner, Premise};
use crate::{
    probe::{Expect, Probe, Question, percent_encoded},
    verdict::Verdict,
    wire::{Answer, Request},
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let bench = Bench { planner };
    let probes = match id {
        "GWY-020" => bench.two_lengths(),
        "GWY-021" => bench.unread(),
        "GWY-022" => bench.odd_lengths(),
        "GWY-023" => bench.upgrades(),
        "GWY-024" => bench.chunks(),
        "GWY-026" => bench.early(),
        "GWY-033" => return Some(bench.web_socket()),
        _ => return None,
    };
    Some(Plan::Probes(probes))
}

struct Bench<'p, 'r> {
    planner: &'p Planner<'r>,
}

/// What must be true of the answer beside that nothing follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// It may be served.
    Fine,
    /// It has no length, so it may not.
    Fault,
}

/// A second answer came on the connection.
fn followed(answer: &Answer) -> Option<String> {
    let is_followed = answer.behind.windows(7).any(|bytes| bytes == b"HTTP/1.");
    is_followed
        .then(|| "what stood inside the body was answered as a request of its own".to_owned())
}

impl Bench<'_, '_> {
    /// The request that stands inside a body, and that nobody sent.
    fn smuggled(&self) -> String {
        let authority = &self.planner.target.authority;
        format!("GET /doorward-smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n")
    }

    /// The route's request over a connection that stays, with `fields` and
    /// `body` as they are.
    fn request(&self, token: Option<&str>, fields: &[(&str, String)], body: &str) -> Request {
        let mut target = self.planner.target.clone();
        target.body = None;
        let mut request = target.request(token);
        request.headers.retain(|(name, _)| name != "Connection");
        for (name, value) in fields {
            request = request.with(name, value.as_str());
        }
        request.body = body.as_bytes().to_vec();
        request.lingers = true;
        request
    }

    fn probe(&self, what: &str, fields: &[(&str, String)], body: &str, served: Served) -> Probe {
        let token = self.planner.token;
        let request = self.request(Some(token), fields, body);
        Probe::with_valid(what, request, expect(served), token)
    }

    fn two_lengths(&self) -> Vec<Probe> {
        let smuggled = self.smuggled();
        let ends_early = format!("0\r\n\r\n{smuggled}");
        let one_chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        let size_line = one_chunk.find('\n').map_or(0, |at| at + 1);
        let spellings = [
            ("Transfer-Encoding", "chunked"),
            ("transfer-encoding", "Chunked"),
            ("Transfer-Encoding", "\tchunked"),
            ("Transfer-Encoding", "chunked\t"),
            ("Transfer-Encoding", "chunked\u{b}"),
            ("Transfer-Encoding", "xchunked"),
            ("Transfer-Encoding", "\"chunked\""),
            ("Transfer-Encoding", "chunked, identity"),
            ("Transfer-Encoding", "identity, chunked"),
            ("Transfer-Encoding", "chunked;q=1"),
            ("Transfer-Encoding ", "chunked"),
            ("Transfer_Encoding", "chunked"),
            ("X-A: b\r\n Transfer-Encoding", "chunked"),
            ("X-A: b\nTransfer-Encoding", "chunked"),
        ];
        let mut probes = Vec::new();
        for (name, value) in spellings {
            let shown = format!("{name}: {value}").escape_debug().to_string();
            let coded = (name, value.to_owned());
            let length = |length: usize| ("Content-Length", length.to_string());
            for (what, body, fields) in [
                (
                    "the chunks end before the length does",
                    &ends_early,
                    [length(ends_early.len()), coded.clone()],
                ),
                (
                    "the length ends before the chunks do",
                    &one_chunk,
                    [coded.clone(), length(size_line)],
                ),
            ] {
                probes.push(self.probe(&format!("{what}; {shown}"), &fields, body, Served::Fine));
            }
        }
        probes
    }

    /// A body where many programs expect none.
    fn unread(&self) -> Vec<Probe> {
        let body = self.smuggled();
        let length = || ("Content-Length", body.len().to_string());
        let mut probes = vec![
            self.probe(
                "a body that the method has no use for",
                &[length()],
                &body,
                Served::Fine,
            ),
            self.probe(
                "a body that was announced by Expect",
                &[length(), ("Expect", "100-continue".to_owned())],
                &body,
                Served::Fine,
            ),
            self.probe(
                "an Expect that nobody knows",
                &[length(), ("Expect", "doorward-attack".to_owned())],
                &body,
                Served::Fine,
            ),
        ];
        for method in ["HEAD", "OPTIONS"] {
            let mut probe = self.probe(
                &format!("{method} with a body"),
                &[length()],
                &body,
                Served::Fine,
            );
            method.clone_into(&mut probe.request.method);
            probes.push(probe);
        }
        probes
    }

    fn odd_lengths(&self) -> Vec<Probe> {
        let values = [
            "+5",
            "-5",
            "5 5",
            "5, 6",
            "0x5",
            "5.0",
            "5e0",
            "",
            "five",
            "18446744073709551621",
            "5;",
            "\u{b}5",
        ];
        let mut probes: Vec<Probe> = values
            .into_iter()
            .map(|value| {
                let what = format!("Content-Length: {}", value.escape_debug());
                let fields = [("Content-Length", value.to_owned())];
                self.probe(&what, &fields, "hello", Served::Fault)
            })
            .collect();
        let chunked = || ("Transfer-Encoding", "chunked".to_owned());
        let length = |value: &str| ("Content-Length", value.to_owned());
        let whole = "5\r\nhello\r\n0\r\n\r\n";
        probes.push(self.probe(
            "two lengths",
            &[length("5"), length("6")],
            "hello",
            Served::Fault,
        ));
        probes.push(self.probe("coded twice", &[chunked(), chunked()], whole, Served::Fault));
        let twice = ("Transfer-Encoding", "chunked, chunked".to_owned());
        probes.push(self.probe("coded twice in a list", &[twice], whole, Served::Fault));
        let unknown = ("Transfer-Encoding", "doorward".to_owned());
        probes.push(self.probe(
            "a coding that nobody knows",
            &[unknown],
            whole,
            Served::Fault,
        ));
        let mut old = self.probe("HTTP/1.0 with chunks", &[chunked()], whole, Served::Fault);
        old.request.version = "HTTP/1.0";
        probes.push(old);
        probes
    }

    fn chunks(&self) -> Vec<Probe> {
        let fields = [("Transfer-Encoding", "chunked".to_owned())];
        [
            (
                "a size line that ends with a bare line feed",
                "5\nhello\r\n0\r\n\r\n",
            ),
            (
                "data that ends with a bare line feed",
                "5\r\nhello\n0\r\n\r\n",
            ),
            ("no line end after the data", "5\r\nhello0\r\n\r\n"),
            ("more data than the size says", "5\r\nhello!\r\n0\r\n\r\n"),
            ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
            ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
            ("a size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
            (
                "a size of 65 bits",
                "10000000000000005\r\nhello\r\n0\r\n\r\n",
            ),
            ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
            (
                "an extension with a bare line feed",
                "5;a=\nb\r\nhello\r\n0\r\n\r\n",
            ),
            (
                "a bare carriage return in an extension",
                "5;a\rb\r\nhello\r\n0\r\n\r\n",
            ),
        ]
        .into_iter()
        .map(|(what, body)| self.probe(what, &fields, body, Served::Fault))
        .collect()
    }

    /// Refused before the body was read: what is left of it is no request.
    fn early(&self) -> Vec<Probe> {
        let smuggled = self.smuggled();
        let behind_much = format!("{}{smuggled}", " ".repeat(64 * 1024));
        let mut probes = Vec::new();
        for (what, body) in [("small", &smuggled), ("of 64 KiB", &behind_much)] {
            let fields = [("Content-Length", body.len().to_string())];
            let request = self.request(None, &fields, body);
            let what = format!("a body {what} after a head without a token");
            probes.push(Probe::bare(what, request, expect(Served::Fine)));
        }
        let fields = [("Transfer-Encoding", "chunked".to_owned())];
        let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        let request = self.request(None, &fields, &chunk);
        probes.push(Probe::bare(
            "a chunk after a head without a token",
            request,
            expect(Served::Fine),
        ));
        probes
    }

    fn upgrades(&self) -> Vec<Probe> {
        let smuggled = self.smuggled();
        let clear = [
            ("Connection", "Upgrade, HTTP2-Settings".to_owned()),
            ("Upgrade", "h2c".to_owned()),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__".to_owned()),
        ];
        let changed = Expect::Ask(Question::new(|answer| {
            let is_changed = answer.status == 101;
            is_changed.then(|| "HTTP/2 in the clear: what follows is judged by nobody".to_owned())
        }));
        let mut probes = Vec::new();
        for token in [Some(self.planner.token), None] {
            let request = self.request(token, &clear, "");
            let what = match token {
                Some(_) => "upgrade to h2c with the token",
                None => "upgrade to h2c without a token",
            };
            let probe = match token {
                Some(token) => Probe::with_valid(what, request, changed.clone(), token),
                None => Probe::bare(what, request, changed.clone()),
            };
            probes.push(probe);
        }
        let early = [
            ("Connection", "Upgrade".to_owned()),
            ("Upgrade", "doorward-attack".to_owned()),
            ("Content-Length", smuggled.len().to_string()),
        ];
        let what = "a body behind an upgrade that was not agreed to";
        probes.push(self.probe(what, &early, &smuggled, Served::Fine));
        probes
    }

    /// Only where the route is a web socket.
    fn web_socket(&self) -> Plan {
        let token = self.planner.token;
        let fields = |origin: &str| {
            [
                ("Connection", "Upgrade".to_owned()),
                ("Upgrade", "websocket".to_owned()),
                ("Sec-WebSocket-Version", "13".to_owned()),
                ("Sec-WebSocket-Key", "ZG9vcndhcmQtYXR0YWNrIQ==".to_owned()),
                ("Origin", origin.to_owned()),
            ]
        };
        let own = self.planner.target.origin();
        let premise = Premise {
            probe: Probe::with_valid(
                "a web socket with the token",
                self.request(Some(token), &fields(&own), ""),
                Expect::Sound,
                token,
            ),
            must: Must::Upgrade,
            otherwise: (Verdict::NotApplicable, "the route is no web socket"),
        };
        let opened = |why: &'static str| {
            Expect::Ask(Question::new(move |answer| {
                (answer.status == 101).then(|| why.to_owned())
            }))
        };
        let foreign = self.request(Some(token), &fields("https://evil.example"), "");
        let mut in_query = self.request(None, &fields(&own), "");
        let separator = if self.planner.target.query.is_some() {
            '&'
        } else {
            '?'
        };
        let more = format!("{separator}access_token={}", percent_encoded(token));
        in_query.target.extend(more.as_bytes());
        let bare = self.request(None, &fields(&own), "");
        let probes = vec![
            Probe::bare(
                "a web socket without a token",
                bare,
                opened("it opens without a token"),
            ),
            Probe::with_valid(
                "a web socket from a foreign page",
                foreign,
                opened("any page may open it: the Origin is not looked at"),
                token,
            ),
            Probe::with_valid(
                "a web socket with the token in the query",
                in_query,
                opened("the token is taken from the address, which ends up in logs"),
                token,
            ),
        ];
        Plan::Given(vec![Branch::new(premise, move |_, _| probes.clone())])
    }
}

fn expect(served: Served) -> Expect {
    Expect::Ask(Question::new(move |answer| {
        let is_served = served == Served::Fault && answer.is_success();
        followed(answer).or_else(|| {
            is_served.then(|| format!("answered {} to a message without one length", answer.status))
        })
    }))
}
