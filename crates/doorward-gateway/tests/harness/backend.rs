//! Back ends that are not ours, and what each of them made of a request.
//!
//! Every one reads the path in its own way, as the applications that stand
//! behind such servers do: decoded, dot segments resolved, slashes merged.

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    PATIENCE,
    part::{find, part},
};

/// A request as a back end understood it. It was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) method: String,
    /// As it stood in the request line.
    pub(crate) target: String,
    /// What it would serve.
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) body: String,
    /// `X-Auth-Sub`, under every name that an application could read it.
    pub(crate) identity: String,
}

impl Parsed {
    fn of(line: &str) -> Option<Self> {
        let seen: Value = serde_json::from_str(line).unwrap();
        // Of haproxy, which also tells what it refused.
        if seen.get("status").is_some_and(|status| status != 200) {
            return None;
        }
        let text = |name: &str| {
            let text = seen[name].as_str().unwrap_or_default();
            // What a log writes where there is nothing.
            if text == "-" { "" } else { text }.to_owned()
        };
        Some(Self {
            method: text("method"),
            target: text("target"),
            path: text("path"),
            host: text("host"),
            body: text("body"),
            identity: text("identity") + &text("alias"),
        })
    }
}

/// A running back end.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    address: SocketAddr,
    seen: mpsc::Receiver<Parsed>,
    running: Running,
}

enum Running {
    Program {
        child: Child,
        /// Its files.
        _place: tempfile::TempDir,
    },
    Here {
        _stop: oneshot::Sender<()>,
    },
}

impl Backend {
    /// Each that this machine has. CI has all but Node, which is used where
    /// it is.
    pub(crate) fn all() -> Vec<Self> {
        let places = [Self::nginx(), Self::haproxy(), Self::python(), Self::node()];
        let mut all: Vec<Self> = places.into_iter().flatten().collect();
        all.push(Self::hyper());
        all
    }

    fn nginx() -> Option<Self> {
        let program = part("nginx")?;
        Some(Self::program(
            "nginx",
            &[("nginx.conf", include_str!("backends/nginx.conf"))],
            program,
            &["-p", "PLACE", "-c", "PLACE/nginx.conf"],
        ))
    }

    fn haproxy() -> Option<Self> {
        let program = part("haproxy")?;
        Some(Self::program(
            "haproxy",
            &[("haproxy.cfg", include_str!("backends/haproxy.cfg"))],
            program,
            &["-db", "-f", "PLACE/haproxy.cfg"],
        ))
    }

    fn python() -> Option<Self> {
        let program = part("python3")?;
        Some(Self::program(
            "python",
            &[("record.py", include_str!("backends/record.py"))],
            program,
            &["PLACE/record.py", "PORT"],
        ))
    }

    #[expect(clippy::print_stderr, reason = "a back end left out says so")]
    fn node() -> Option<Self> {
        let Some(program) = find("node") else {
            eprintln!("*** LEFT OUT: node is not on this machine");
            return None;
        };
        Some(Self::program(
            "node",
            &[("record.mjs", include_str!("backends/record.mjs"))],
            program,
            &["PLACE/record.mjs", "PORT"],
        ))
    }

    /// `PLACE` and `PORT` in `files` and `arguments` become its own.
    fn program(
        name: &'static str,
        files: &[(&str, &str)],
        mut program: Command,
        arguments: &[&str],
    ) -> Self {
        let place = tempfile::tempdir().unwrap();
        let address = free_address();
        let root = place.path().to_str().unwrap().to_owned();
        let filled = |text: &str| {
            text.replace("PLACE", &root)
                .replace("PORT", &address.port().to_string())
        };
        for (file, text) in files {
            std::fs::write(place.path().join(file), filled(text)).unwrap();
        }
        let mut child = program
            .args(arguments.iter().map(|argument| filled(argument)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(parsed) = Parsed::of(&line) {
                    // The test may be over.
                    let _ = told.send(parsed);
                }
            }
        });
        let backend = Self {
            name,
            address,
            seen,
            running: Running::Program {
                child,
                _place: place,
            },
        };
        backend.await_listening();
        backend
    }

    fn await_listening(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect_timeout(&self.address, PATIENCE).is_err() {
            assert!(Instant::now() < deadline, "{} does not listen", self.name);
            std::thread::yield_now();
        }
    }

    fn hyper() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (told, seen) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = serve(listener, told) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            name: "hyper",
            address,
            seen,
            running: Running::Here { _stop: stop },
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything up to the request for `target`, which is waited for and left
    /// out.
    pub(crate) fn seen_before(&self, target: &str) -> Vec<Parsed> {
        let mut before = Vec::new();
        loop {
            let parsed = self.seen.recv_timeout(PATIENCE);
            let parsed = parsed.unwrap_or_else(|_| panic!("{} did not see {target}", self.name));
            if parsed.target == target {
                return before;
            }
            before.push(parsed);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Running::Program { child, .. } = &mut self.running {
            end(child);
        }
    }
}

/// nginx has children of its own, which it takes along if it is asked to stop.
fn end(child: &mut Child) {
    let asked = Command::new("kill")
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
    let deadline = Instant::now() + Duration::from_secs(5);
    while asked.as_ref().is_ok_and(|status| status.success()) && Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::yield_now();
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

async fn serve(listener: TcpListener, told: mpsc::Sender<Parsed>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let told = told.clone();
        let service = service_fn(move |request| record(request, told.clone()));
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is what some tests are about.
            drop(connection.await);
        });
    }
}

async fn record(
    request: Request<Incoming>,
    told: mpsc::Sender<Parsed>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |name: &str| {
        let values = head.headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect::<String>()
    };
    if let Ok(body) = body.collect().await {
        let trailers = body.trailers().cloned().unwrap_or_default();
        let trailed = trailers.get("x-auth-sub").cloned();
        let trailed = trailed.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let identity =
            text("x-auth-sub") + &text("x_auth_sub") + trailed.as_deref().unwrap_or_default();
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        let parsed = Parsed {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            path: decoded(head.uri.path()),
            host: text("host"),
            body,
            identity,
        };
        let _ = told.send(parsed);
    }
    Ok(Response::new(Full::from("ok")))
}

/// Percent-decoded once, as a router does with its segments.
fn decoded(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
