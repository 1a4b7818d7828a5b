//! HTTP/2 towards callers: curl for what is right, frames written by hand for
//! what is not.

use std::time::{Duration, Instant};

use doorward_gateway::{Config, Limits};

use crate::harness::{
    Client, House, PATIENCE, Plan, Recorder,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM,
        SETTINGS, block, fields, frame,
    },
    part::part,
};

fn plan(limits: Limits) -> Plan {
    Plan {
        limits,
        config: Box::new(|config: &mut Config| config.cleartext_http2 = true),
        ..Plan::default()
    }
}

fn house() -> House {
    House::start(plan(Limits::default()))
}

/// A frame as it came.
#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    fn code(&self) -> u8 {
        let at = if self.kind == GOAWAY { 7 } else { 3 };
        self.payload[at]
    }
}

/// A caller that writes frames.
struct Framer {
    client: Client,
    rest: Vec<u8>,
}

impl Framer {
    fn to(house: &House) -> Self {
        let mut client = house.client();
        client.write(PREFACE);
        let mut framer = Self {
            client,
            rest: Vec::new(),
        };
        framer.write(SETTINGS, 0, 0, &[]);
        framer
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.client.write(frame(kind, flags, stream, payload));
    }

    /// Writes as long as the gateway reads.
    fn flood(&mut self, piece: &[u8], times: usize) {
        for _ in 0..times {
            if !self.client.try_write(piece) {
                return;
            }
        }
    }

    fn get(&mut self, stream: u32, path: &str, more: &[(&str, &str)]) {
        let block = block("GET", path, more);
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &block);
    }

    fn next(&mut self) -> Option<Frame> {
        loop {
            if self.rest.len() >= 9 {
                let length = usize::from(self.rest[1]) << 8 | usize::from(self.rest[2]);
                if self.rest.len() >= 9 + length {
                    let whole: Vec<u8> = self.rest.drain(..9 + length).collect();
                    return Some(Frame {
                        kind: whole[3],
                        flags: whole[4],
                        stream: u32::from_be_bytes(whole[5..9].try_into().unwrap()),
                        payload: whole[9..].to_vec(),
                    });
                }
            }
            self.rest.extend(self.client.some()?);
        }
    }

    /// The first frame of such a kind.
    fn wait_for(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// How the gateway ends the connection: the code of its GOAWAY, if it says
    /// one. Fails if it does not end it.
    fn end(&mut self) -> Option<u8> {
        let mut code = None;
        let patience = Instant::now() + PATIENCE;
        while let Some(frame) = self.next() {
            assert!(Instant::now() < patience, "the connection goes on");
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }
}

/// curl without TLS, HTTP/2 from the first byte.
fn curl(house: &House, path: &str, more: &[&str]) -> Option<String> {
    let output = part("curl")?
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
        ])
        .args(more)
        .arg(format!("http://{}{path}", house.address))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn requests_are_judged_and_forwarded_like_any_other() {
    let house = house();
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let status = ["-w", " %{http_code}"];
    let got = |path: &str, more: &[&str]| curl(&house, path, &[&status[..], more].concat());
    let Some(said) = got(
        "/orders/7",
        &["-H", &bearer, "-H", "Cookie: a=1", "-H", "X-User-Id: 1"],
    ) else {
        return;
    };
    assert_eq!(said, "GET /orders/7 HTTP/1.1 200");
    let seen = house.upstream.only();
    assert_eq!(seen.field("x-doorward-subject"), Some("ann"));
    assert_eq!(seen.field("x-user-id"), None);
    assert_eq!(seen.field("authorization"), None);
    assert_eq!(seen.field("host"), Some(house.address.to_string().as_str()));
    assert!(got("/orders", &[]).unwrap().ends_with("401"));
    assert!(got("/nowhere", &[]).unwrap().ends_with("404"));
    assert!(
        got("/orders/a%2fb", &["-H", &bearer])
            .unwrap()
            .ends_with("400")
    );
    assert!(got("/upload", &["-d", "abc"]).unwrap().ends_with("200"));
    let seen = house.upstream.seen();
    assert_eq!(seen[1].body, b"abc");
    assert_eq!(seen[1].field("content-length"), Some("3"));
    assert_eq!(seen.len(), 2);
}

#[test]
fn without_being_told_to_no_http2_in_clear() {
    let house = House::usual();
    let reply = house.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(reply.status, 400);
    house.upstream.assert_untouched();
}

#[test]
fn http1_goes_on_beside_it() {
    let house = house();
    assert_eq!(house.get("/health", &[]).status, 200);
}

#[test]
fn gwy_025_what_http1_would_read_differently_never_leaves() {
    let house = house();
    let smuggled: &[&[(&str, &str)]] = &[
        &[("transfer-encoding", "chunked")],
        &[("connection", "x-user-id")],
        &[("upgrade", "websocket")],
        &[("keep-alive", "1")],
        &[("proxy-connection", "close")],
        &[("te", "chunked")],
        &[("X-Upper", "1")],
        &[("x-a", "b\r\nx-doorward-subject: root")],
        &[("x-a", "b\nc")],
        &[("x-a", "b\0c")],
        &[("x-a: b\r\nc", "d")],
        &[("x a", "b")],
        &[("x-a:", "b")],
        &[("host", "other.test")],
        &[("content-length", "3")],
        &[("content-length", "0"), ("content-length", "5")],
        &[("content-length", "+0")],
        &[(":path", "/admin")],
        &[("x-a", "b"), (":authority", "late.test")],
    ];
    for more in smuggled {
        let mut framer = Framer::to(&house);
        framer.get(1, "/health", more);
        let frame = framer.wait_for(&[HEADERS, RST_STREAM, GOAWAY]);
        let answered = frame
            .as_ref()
            .is_some_and(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88);
        assert!(!answered, "{more:?} was served");
    }
    for path in [
        "",
        "health",
        "*",
        "/a b",
        "/a\r\nx: y",
        "http://other.test/health",
        "/h\u{e9}",
    ] {
        let mut framer = Framer::to(&house);
        framer.get(1, path, &[]);
        let frame = framer.wait_for(&[HEADERS, RST_STREAM, GOAWAY]);
        let answered = frame
            .as_ref()
            .is_some_and(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88);
        assert!(!answered, "{path:?} was served");
    }
    house.upstream.assert_untouched();
    // A fragment is cut off by the reader of the target, before anything is
    // judged: what is judged is what is forwarded.
    let mut framer = Framer::to(&house);
    framer.get(1, "/health#/../admin", &[]);
    assert_eq!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    assert_eq!(house.upstream.only().target(), "/health");
}

#[test]
fn gwy_025_bodies_have_the_length_that_was_announced() {
    let house = house();
    for (announced, sent) in [("5", "abc"), ("2", "abc")] {
        let mut framer = Framer::to(&house);
        let head = block("POST", "/upload", &[("content-length", announced)]);
        framer.write(HEADERS, END_HEADERS, 1, &head);
        framer.write(DATA, END_STREAM, 1, sent.as_bytes());
        let frame = framer.wait_for(&[HEADERS, RST_STREAM, GOAWAY]);
        assert!(frame.is_none_or(|frame| frame.kind != HEADERS || frame.payload[0] != 0x88));
    }
    assert!(
        house
            .upstream
            .seen()
            .iter()
            .all(|seen| seen.body.is_empty())
    );
    // Without an announced length HTTP/1.1 gets chunks.
    let mut framer = Framer::to(&house);
    framer.write(HEADERS, END_HEADERS, 1, &block("POST", "/upload", &[]));
    framer.write(DATA, 0, 1, b"abc");
    framer.write(DATA, END_STREAM, 1, b"def");
    assert_eq!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    let seen = house.upstream.seen();
    let last = seen.last().unwrap();
    assert_eq!(last.body, b"abcdef");
    assert_eq!(last.field("transfer-encoding"), Some("chunked"));
}

#[test]
fn gwy_018_trailers_of_a_request_are_dropped() {
    let house = house();
    let mut framer = Framer::to(&house);
    framer.write(HEADERS, END_HEADERS, 1, &block("POST", "/upload", &[]));
    framer.write(DATA, 0, 1, b"abc");
    let trailers = fields(&[("x-doorward-subject", "root"), ("authorization", "x")]);
    framer.write(HEADERS, END_HEADERS | END_STREAM, 1, &trailers);
    assert_eq!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    assert_eq!(house.upstream.only().body, b"abc");
}

/// The flood, and an honest request beside it every now and then.
fn assert_ends(house: &House, flood: impl FnOnce(&mut Framer) + Send) -> Option<u8> {
    let mut framer = Framer::to(house);
    let code = std::thread::scope(|scope| {
        let flooding = scope.spawn(move || {
            flood(&mut framer);
            framer.end()
        });
        while !flooding.is_finished() {
            let begun = Instant::now();
            assert_eq!(house.get("/health", &[]).status, 200);
            assert!(
                begun.elapsed() < Duration::from_secs(2),
                "honest callers wait"
            );
        }
        flooding.join().unwrap()
    });
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
    code
}

const MANY: usize = 200_000;

#[test]
fn dos_004_rapid_reset_ends_the_connection() {
    let house = house();
    let block = block("GET", "/health", &[]);
    assert_ends(&house, |framer| {
        for number in 0..u32::try_from(MANY).unwrap() {
            let stream = 2 * number + 1;
            let begun = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
            let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            if !framer.client.try_write([begun, reset].concat()) {
                return;
            }
        }
    });
    let most = 3_000;
    assert!(
        house.upstream.seen().len() < most,
        "{} reached the upstream",
        house.upstream.seen().len()
    );
}

#[test]
fn dos_004_pings_settings_priorities_and_empty_data_run_out() {
    let house = house();
    for piece in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(2, 0, 1, &[0, 0, 0, 0, 1]),
        frame(8, 0, 0, &[0, 0, 0, 1]),
        frame(77, 0, 0, b"unknown"),
    ] {
        assert_ends(&house, |framer| framer.flood(&piece, MANY));
    }
    assert_ends(&house, |framer| {
        framer.write(HEADERS, END_HEADERS, 1, &block("POST", "/upload", &[]));
        framer.flood(&frame(DATA, 0, 1, &[]), MANY);
    });
}

#[test]
fn dos_004_a_head_without_end_is_cut() {
    let house = house();
    // CONTINUATION after CONTINUATION (RUSTSEC-2024-0332).
    assert_ends(&house, |framer| {
        framer.write(HEADERS, END_STREAM, 1, &block("GET", "/health", &[]));
        let more = fields(&[("x-a", "b")]);
        framer.flood(&frame(CONTINUATION, 0, 1, &more), MANY);
    });
    // And one that just stops.
    let limits = Limits {
        head_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let house = House::start(plan(limits));
    let mut framer = Framer::to(&house);
    framer.write(HEADERS, END_STREAM, 1, &block("GET", "/health", &[]));
    framer.end();
}

#[test]
fn dos_004_a_list_of_fields_above_the_limit_is_refused() {
    let house = house();
    // One field in the table of the connection, then only its number: a byte
    // for each hundred (an HPACK bomb).
    let mut framer = Framer::to(&house);
    let mut head = block("GET", "/health", &[]);
    head.push(0x40);
    head.extend([1, b'a', 100]);
    head.extend([b'b'; 100]);
    head.extend([0xbe; 10_000]);
    framer.write(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    let frame = framer.wait_for(&[HEADERS, RST_STREAM, GOAWAY]).unwrap();
    assert!(
        frame.kind != HEADERS || frame.payload[0] != 0x88,
        "{frame:?}"
    );
    // And a hundred and one small ones.
    let many: Vec<(&str, &str)> = vec![("a", "b"); 101];
    let mut framer = Framer::to(&house);
    framer.get(1, "/health", &many);
    assert_ne!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    house.upstream.assert_untouched();
}

#[test]
fn dos_004_no_more_streams_than_allowed() {
    let limits = Limits {
        streams: 3,
        ..Limits::default()
    };
    let upstream = Recorder::with(|_, _| {
        std::thread::park();
        false
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        ..plan(limits)
    });
    let mut framer = Framer::to(&house);
    for stream in [1, 3, 5, 7] {
        framer.get(stream, "/health", &[]);
    }
    let frame = framer.wait_for(&[RST_STREAM, GOAWAY]).unwrap();
    assert_eq!(
        (frame.kind, frame.stream, frame.code()),
        (RST_STREAM, 7, 7),
        "REFUSED_STREAM"
    );
}

#[test]
fn dos_004_an_answer_that_nobody_reads_is_cut() {
    let upstream = Recorder::with(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n";
        let _ = std::io::Write::write_all(stream, head.as_bytes());
        while std::io::Write::write_all(stream, &[b'x'; 65_536]).is_ok() {}
        false
    });
    let limits = Limits {
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let house = House::start(Plan {
        upstream: Some(upstream),
        ..plan(limits)
    });
    let mut framer = Framer::to(&house);
    framer.get(1, "/health", &[]);
    // The window of 64 KiB is never opened.
    framer.end();
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn dos_003_a_body_that_stops_and_a_connection_that_asks_nothing_end() {
    let limits = Limits {
        body_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(300),
        linger_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut house = House::start(plan(limits));
    let mut framer = Framer::to(&house);
    framer.write(
        HEADERS,
        END_HEADERS,
        1,
        &block("POST", "/upload", &[("content-length", "5")]),
    );
    framer.write(DATA, 0, 1, b"ab");
    assert_ne!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    assert_eq!(house.decision().status, Some(408));
    assert_eq!(framer.end(), Some(0), "then it is idle, and told in order");
}

#[test]
fn the_way_down_lets_streams_end() {
    let (arrived, arrivals) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Recorder::with(move |_, stream| {
        arrived.send(()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
            .is_ok()
    });
    let mut house = House::start(Plan {
        upstream: Some(upstream),
        ..plan(Limits::default())
    });
    let mut framer = Framer::to(&house);
    framer.get(1, "/health", &[]);
    arrivals.recv().unwrap();
    house.stop();
    assert_eq!(framer.wait_for(&[GOAWAY]).unwrap().code(), 0);
    let ping = framer.wait_for(&[PING]).unwrap();
    framer.write(PING, 1, 0, &ping.payload);
    go.send(()).unwrap();
    assert_eq!(framer.wait_for(&[HEADERS]).unwrap().payload[0], 0x88);
    let body = framer.wait_for(&[DATA]).unwrap();
    assert_eq!(body.payload, b"done");
    assert_eq!(body.flags & END_STREAM, END_STREAM);
    framer.end();
    assert_eq!(house.wait().cut, 0);
}

#[test]
fn a_caller_that_resets_its_stream_frees_the_upstream() {
    let (left, leaving) = std::sync::mpsc::channel();
    let (arrived, arrivals) = std::sync::mpsc::channel();
    let upstream = Recorder::with(move |_, stream| {
        arrived.send(()).unwrap();
        let end = std::io::Read::read(stream, &mut [0; 1]);
        left.send(matches!(end, Ok(0) | Err(_))).unwrap();
        false
    });
    let mut house = House::start(Plan {
        upstream: Some(upstream),
        ..plan(Limits::default())
    });
    let mut framer = Framer::to(&house);
    framer.get(1, "/health", &[]);
    arrivals.recv().unwrap();
    framer.write(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    assert!(leaving.recv().unwrap());
    let seen = house.decision();
    assert_eq!(
        seen.checks.last().unwrap().seen,
        "the caller left before the answer"
    );
}
