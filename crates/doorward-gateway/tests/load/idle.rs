//! What a connection keeps while nothing is said on it.
//!
//! The callers are a process of their own (`callers.py`), and the upstream sees
//! one connection, so what this process grows by is the gateway's side. The
//! buffers of the sockets are the system's and in no process. Each kind has a run
//! of this program to itself: memory that something before gave back would be
//! taken again and not be seen.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use doorward_gateway::{Config, Limits, Tls, tls::CertificatePem};

use crate::{
    KILOBYTE, alone,
    harness::{
        House, PATIENCE, Plan, Recorder, TurnedClock,
        part::{Certificate, part},
        tokens,
    },
    resident,
};

/// Connections that are there before the measured ones.
const WARM: usize = 100;

/// Descriptors that are for something else.
const OTHERS: usize = 200;

/// Callers that come and stay.
struct Callers {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Callers {
    fn of(kind: &str, house: &House) -> Option<Self> {
        let mut child = part("python3")?
            .args(["-c", include_str!("callers.py"), kind, "127.0.0.1"])
            .args([&house.address.port().to_string(), "/health"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, said })
    }

    /// Has `number` more of them come, one after the other.
    fn come(&mut self, number: usize) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{number}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "there\n", "the callers could not come");
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// How many connections this process may have open, and that of the callers too.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.unwrap().split_whitespace().next().unwrap();
    let soft = soft.parse().unwrap_or(usize::MAX);
    soft.saturating_sub(WARM + OTHERS)
}

/// `None` where a part is missing.
fn tls() -> Option<Tls> {
    let certificate = Certificate::of("api.test")?;
    let pem = CertificatePem {
        chain: &certificate.chain,
        key: &certificate.key,
    };
    let clock = TurnedClock(AtomicU64::new(tokens::NOW * 1000));
    Some(Tls::new(&[pem], Arc::new(clock)).unwrap())
}

/// Set in a run that is for one test only.
const APART: &str = "DOORWARD_LOAD_APART";

/// Runs `test`, which is called `name` here, in a process of its own.
#[expect(clippy::disallowed_methods, reason = "how a run knows what it is for")]
fn apart(name: &str, test: impl FnOnce()) {
    if std::env::var_os(APART).is_some() {
        return test();
    }
    let _alone = alone();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("idle::{name}"), "--exact", "--nocapture"])
        .env(APART, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert!(said.contains("1 passed"), "{said}");
    said.lines()
        .filter_map(|line| line.split_once("each: "))
        .for_each(|(_, figures)| println!("{figures}"));
}

/// Bytes that the gateway keeps for each of `most` connections of a `kind` that
/// have fallen silent; fewer than `bar`.
fn each(kind: &str, most: usize, bar: usize, tls: Option<Tls>) {
    let house = House::start(Plan {
        upstream: Some(numbering()),
        limits: Limits {
            // Callers come by and by, as they do: few of them talk at a time.
            rest_after: Duration::from_millis(10),
            head_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(600),
            ..Limits::default()
        },
        workers: 1,
        // Whatever else is kept would be counted too.
        decision_space: 1,
        config: Box::new({
            let speaks_frames = kind == "h2";
            move |config: &mut Config| {
                config.cleartext_http2 = speaks_frames;
                config.tls = tls;
            }
        }),
        ..Plan::default()
    });
    house.upstream.keep_nothing();
    let Some(mut callers) = Callers::of(kind, &house) else {
        return;
    };
    callers.come(WARM);
    settle(&house, kind, WARM);
    let before = resident();
    let number = connections().min(most);
    callers.come(number);
    settle(&house, kind, WARM + number);
    let each = resident().saturating_sub(before) / number;
    println!("each: {kind}, {each} bytes, of {number}");
    assert!(each < bar, "{kind}: {each} bytes each");
}

/// Puts another number into the head of each answer: something to remember.
fn numbering() -> Recorder {
    let answers = AtomicU64::new(0);
    let body = "x".repeat(2_000);
    Recorder::with(move |_, stream| {
        let number = answers.fetch_add(1, Ordering::SeqCst);
        let head = format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\nContent-Length: 2000\r\n");
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .is_ok()
    })
}

/// Waits until so many callers are there and, where they can be, at rest.
fn settle(house: &House, kind: &str, callers: usize) {
    let deadline = Instant::now() + PATIENCE;
    let can_rest = !kind.ends_with("h2");
    while house.gateway.connections() != callers || can_rest && house.gateway.resting() != callers {
        assert!(
            Instant::now() < deadline,
            "{kind}: {} of {callers}",
            house.gateway.resting()
        );
        thread::yield_now();
    }
}

#[test]
fn nothing_was_said() {
    let test = || each("silent", 4_000, 4 * KILOBYTE, None);
    apart("nothing_was_said", test);
}

#[test]
fn served_once() {
    let test = || each("plain", 2_000, 6 * KILOBYTE, None);
    apart("served_once", test);
}

/// rustls keeps 4 KiB to read into, and the keys.
#[test]
fn served_once_under_tls() {
    let test = || each("tls", 500, 12 * KILOBYTE, tls());
    apart("served_once_under_tls", test);
}

/// What the h2 crate has for each connection cannot be given back; what an answer
/// was read into at the upstream is not kept besides.
#[test]
fn served_once_in_http2() {
    let test = || each("h2", 100, 40 * KILOBYTE, None);
    apart("served_once_in_http2", test);
}

#[test]
fn served_once_in_http2_under_tls() {
    let test = || each("tls-h2", 100, 56 * KILOBYTE, tls());
    apart("served_once_in_http2_under_tls", test);
}
