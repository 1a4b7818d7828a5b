//! An upstream that is gone, breaks off, or speaks nonsense.
//!
//! Not here: one that never answers. The gateway waits 30 s for the head of an
//! answer and 300 s for the rest of its body, and no option shortens that; the
//! gateway's own tests do it with shorter limits.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;

use super::{
    ROUTES,
    observed::{Observed, access_token, guarded},
};
use crate::harness::Recorder;

/// An upstream that hands each request to a script, and notes its first line.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `script` gets the connection and the request's first line, and says
    /// whether the connection goes on.
    pub(super) fn start(
        script: impl Fn(&mut TcpStream, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (notes, script) = (Arc::clone(&lines), Arc::new(script));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (notes, script) = (Arc::clone(&notes), Arc::clone(&script));
                thread::spawn(move || {
                    while let Some(line) = read_request(&mut stream) {
                        notes.lock().unwrap().push(line.clone());
                        if !script(&mut stream, &line) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, lines }
    }

    /// The first lines of all requests that arrived.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Reads one request with its body; gives its first line.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).ok()?;
    head.lines().next().map(ToOwned::to_owned)
}

/// A whole answer.
pub(super) const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Everything that comes back until the connection ends.
fn whole_answer(server: &Observed, message: &str) -> String {
    let mut stream = TcpStream::connect(server.gateway).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    let mut received = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut received);
    String::from_utf8_lossy(&received).into_owned()
}

fn message(server: &Observed, method: &str, token: &str, body: &str) -> String {
    format!(
        "{method} /orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.gateway,
        body.len()
    )
}

#[test]
fn an_upstream_that_is_gone_is_502_until_it_is_back() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let (_place, mut server) = guarded(address, ROUTES);
    let tokens = server.sign_in("editor");
    let token = access_token(&tokens);
    for method in ["GET", "POST"] {
        let answer = server.call(method, "/orders", Some(token));
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (502, "upstream_unreachable")
        );
        assert!(answer.json()["trace_id"].is_string());
    }
    // What is denied is denied without asking the upstream.
    assert_eq!(server.call("GET", "/orders", None).status, 401);
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while read_request(&mut stream).is_some() && stream.write_all(FINE).is_ok() {}
        }
    });
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    server.assert_well();
}

#[test]
fn gwy_027_an_answer_that_breaks_off_never_ends_cleanly() {
    const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    for sent in [SHORT, CHUNKED] {
        let upstream = Scripted::start(move |stream, _| {
            stream.write_all(sent).unwrap();
            false
        });
        let (_place, mut server) = guarded(upstream.address, ROUTES);
        let tokens = server.sign_in("reader");
        let answer = whole_answer(&server, &message(&server, "GET", access_token(&tokens), ""));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("content-length: 1000") || head.contains("transfer-encoding: chunked"),
            "an end by closing would look clean: {head}"
        );
        assert!(
            body.len() < 1000 && !body.contains("\r\n0\r\n"),
            "a clean end: {body:?}"
        );
        assert_eq!(upstream.lines().len(), 1);
        server.assert_well();
    }
}

#[test]
fn gwy_027_nonsense_from_the_upstream_is_502() {
    const NONSENSE: [&[u8]; 6] = [
        b"",
        b"HTTP/1.1 200",
        b"\x16\x03\x01 this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ];
    let next = Arc::new(Mutex::new(NONSENSE.iter()));
    let script = Arc::clone(&next);
    let upstream = Scripted::start(move |stream, _| {
        let answer = script.lock().unwrap().next().copied().unwrap_or(FINE);
        stream.write_all(answer).unwrap();
        answer == FINE
    });
    let (_place, mut server) = guarded(upstream.address, ROUTES);
    let tokens = server.sign_in("reader");
    let token = access_token(&tokens);
    for answer in NONSENSE {
        let got = server.call("GET", "/orders", Some(token));
        let what = String::from_utf8_lossy(answer);
        assert_eq!(
            (got.status, got.reason().as_str()),
            (502, "upstream_broken"),
            "{what}"
        );
    }
    assert_eq!(
        upstream.lines().len(),
        NONSENSE.len(),
        "each was asked once"
    );
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    server.assert_well();
}

#[test]
fn a_post_whose_connection_dies_is_never_sent_again() {
    // Each connection answers one GET and dies under what comes next.
    let upstream = Scripted::start(|stream, line| {
        if line.starts_with("get") {
            stream.write_all(FINE).unwrap();
            return true;
        }
        false
    });
    let (_place, mut server) = guarded(upstream.address, ROUTES);
    let tokens = server.sign_in("editor");
    let token = access_token(&tokens);
    for round in 1..=20 {
        // Leaves a connection in the pool of one of the workers, or of both.
        for _ in 0..2 {
            assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
        }
        let body = if round % 2 == 0 {
            json!({ "item": "lock" }).to_string()
        } else {
            String::new()
        };
        let answer = whole_answer(
            &server,
            &message(&server, "POST", token, &body)
                .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(answer.contains("upstream_broken"), "{answer}");
        let posts = upstream
            .lines()
            .iter()
            .filter(|line| line.starts_with("post"))
            .count();
        assert_eq!(
            posts, round,
            "a POST was sent more than once, or not at all"
        );
    }
    server.assert_well();
}

#[test]
fn gwy_026_a_caller_that_breaks_off_leaves_no_whole_request_behind() {
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("editor");
    let token = access_token(&tokens);
    let mut stream = TcpStream::connect(server.gateway).unwrap();
    let head =
        message(&server, "POST", token, "").replace("Content-Length: 0", "Content-Length: 100");
    stream
        .write_all(format!("{head}only this").as_bytes())
        .unwrap();
    drop(stream);
    // The recorder notes whole requests only.
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    assert_eq!(recorder.count(), 1, "{:?}", recorder.heads());
    server.assert_well();
}
