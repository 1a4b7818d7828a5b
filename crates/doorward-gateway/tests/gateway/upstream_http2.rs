//! HTTP/2 to the upstream: what gRPC needs, one connection for many requests,
//! and a server that goes away.

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use doorward_gateway::{Config, Limits, UpstreamProtocol};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http2 as client,
    server::conn::http2 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use crate::harness::{
    House, Plan,
    frames::{END_HEADERS, HEADERS, SETTINGS, frame},
    request, route, usual_routes,
};
use doorward_policy::route::Requirement;

/// A body that is made while it is sent.
struct Live(mpsc::UnboundedReceiver<Frame<Bytes>>);

type Pen = mpsc::UnboundedSender<Frame<Bytes>>;

fn live() -> (Pen, Live) {
    let (pen, frames) = mpsc::unbounded_channel();
    (pen, Live(frames))
}

impl Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

fn trailers(fields: &[(&'static str, &'static str)]) -> Frame<Bytes> {
    let field = |(name, value): &(&'static str, &'static str)| {
        let name = http::HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    };
    Frame::trailers(fields.iter().map(field).collect())
}

/// What the server understood of a call.
#[derive(Clone, Debug)]
struct Call {
    target: Uri,
    fields: HeaderMap,
    trailers: HeaderMap,
}

/// A gRPC-like server: each message comes back, and a status behind them.
struct Echo {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    connections: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Echo {
    fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let echo = Self {
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            connections: Arc::default(),
            runtime: Some(runtime()),
        };
        let (calls, connections) = (Arc::clone(&echo.calls), Arc::clone(&echo.connections));
        echo.runtime.as_ref().unwrap().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let calls = Arc::clone(&calls);
                let service = service_fn(move |request| answer(request, Arc::clone(&calls)));
                let connection = server::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        echo
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// With all its connections.
    fn kill(mut self) -> SocketAddr {
        self.runtime.take().unwrap().shutdown_background();
        self.address
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
) -> Result<Response<Live>, Infallible> {
    let (head, mut body) = request.into_parts();
    let (pen, echoed) = live();
    tokio::spawn(async move {
        let mut behind = HeaderMap::new();
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(data) => drop(pen.send(Frame::data(data))),
                Err(frame) => behind.extend(frame.into_trailers().ok().unwrap_or_default()),
            }
        }
        calls.lock().unwrap().push(Call {
            target: head.uri,
            fields: head.headers,
            trailers: behind,
        });
        let _ = pen.send(trailers(&[
            ("grpc-status", "0"),
            ("grpc-message", "fine"),
            ("x-doorward-subject", "root"),
            ("set-cookie", "a=b"),
        ]));
    });
    let mut response = Response::new(echoed);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

fn house(origin: String) -> House {
    let mut routes = usual_routes();
    routes.push(route("POST /test.Greeter/Chat", Requirement::Authenticated));
    House::start(Plan {
        origin: Some(origin),
        routes,
        workers: 1,
        config: Box::new(|config: &mut Config| {
            config.upstream_protocol = UpstreamProtocol::Http2;
            config.cleartext_http2 = true;
        }),
        ..Plan::default()
    })
}

async fn caller(house: &House) -> client::SendRequest<Live> {
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (sender, connection) = client::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

fn chat(house: &House, body: Live) -> Request<Live> {
    Request::post("http://api.test/test.Greeter/Chat")
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", house.tokens.reader()))
        .body(body)
        .unwrap()
}

#[test]
fn grpc_passes_with_messages_both_ways_and_its_status_behind_them() {
    let echo = Echo::start();
    let house = house(echo.origin());
    runtime().block_on(async {
        let (pen, body) = live();
        let mut sender = caller(&house).await;
        let response = sender.send_request(chat(&house, body)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let mut heard = response.into_body();
        for message in ["one", "two", "three"] {
            pen.send(Frame::data(Bytes::from(message))).unwrap();
            let frame = heard.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), message, "before the next one");
        }
        pen.send(trailers(&[
            ("x-sum", "3"),
            ("x-user-id", "root"),
            ("authorization", "b"),
        ]))
        .unwrap();
        drop(pen);
        let behind = heard.frame().await.unwrap().unwrap();
        let behind = behind.into_trailers().unwrap();
        assert_eq!(behind["grpc-status"], "0");
        assert_eq!(behind["grpc-message"], "fine");
        assert_eq!(behind.len(), 2, "{behind:?}");
        assert!(heard.frame().await.is_none());
    });
    let call = echo.calls.lock().unwrap()[0].clone();
    assert_eq!(call.target, "http://api.test/test.Greeter/Chat");
    assert_eq!(call.fields["te"], "trailers");
    assert_eq!(call.fields["x-doorward-subject"], "ann");
    assert_eq!(call.fields["via"], "2.0 doorward");
    for gone in ["authorization", "host", "connection", "transfer-encoding"] {
        assert!(!call.fields.contains_key(gone), "{gone}");
    }
    assert_eq!(call.trailers["x-sum"], "3");
    assert_eq!(call.trailers.len(), 1, "{:?}", call.trailers);
}

#[test]
fn requests_in_http1_reach_it_too_and_share_a_connection() {
    let echo = Echo::start();
    let house = house(echo.origin());
    for _ in 0..3 {
        let body = "POST /upload HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(house.raw(body).text(), "abc");
        assert_eq!(house.get("/health", &[]).status, 200);
    }
    let calls = echo.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 6);
    assert_eq!(calls[0].target, "http://api.test/upload");
    runtime().block_on(async {
        let mut sender = caller(&house).await;
        let mut open = Vec::new();
        // Ninety-nine at a time are one connection's.
        for _ in 0..99 {
            let (pen, body) = live();
            let response = sender.send_request(chat(&house, body)).await.unwrap();
            open.push((pen, response));
        }
        assert_eq!(echo.connections.load(Ordering::SeqCst), 1);
        let mut other = caller(&house).await;
        for _ in 0..20 {
            let (pen, body) = live();
            let response = other.send_request(chat(&house, body)).await.unwrap();
            open.push((pen, response));
        }
        assert_eq!(echo.connections.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn an_upstream_that_went_away_is_found_again() {
    let echo = Echo::start();
    let house = house(echo.origin());
    assert_eq!(house.get("/health", &[]).status, 200);
    let (open, opened) = oneshot::channel();
    let runtime = runtime();
    let (pen, body) = live();
    let sending = runtime.block_on(caller(&house));
    let call = chat(&house, body);
    let talking = runtime.spawn(async move {
        let mut sending = sending;
        let response = sending.send_request(call).await.unwrap();
        open.send(()).unwrap();
        response.into_body().collect().await
    });
    opened.blocking_recv().unwrap();
    let address = echo.kill();
    let cut = runtime.block_on(talking).unwrap();
    assert!(cut.is_err(), "a cut answer must not look whole");
    drop(pen);
    let reply = house.get("/health", &[]);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_unreachable")
    );
    let again = Echo::at(address);
    assert_eq!(house.get("/health", &[]).status, 200);
    assert_eq!(again.calls.lock().unwrap().len(), 1);
}

#[test]
fn a_server_that_speaks_http1_only_is_no_http2_upstream() {
    let mut house =
        house(crate::harness::Recorder::saying("HTTP/1.1 400 Bad Request\r\n\r\n").origin());
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    let reply = client.reply();
    assert_eq!(reply.status, 502);
    assert_eq!(house.decision().reason.code(), reply.reason());
}

/// A server that takes one stream at a time and never ends it.
fn one_stream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // SETTINGS_MAX_CONCURRENT_STREAMS, and an answer's head (RFC 9113 section 6.5.2).
        let first = [
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]),
            frame(SETTINGS, 1, 0, &[]),
            frame(HEADERS, END_HEADERS, 1, &[0x88]),
        ];
        stream.write_all(&first[..2].concat()).unwrap();
        let mut asked = [0; 24 + 9];
        stream.read_exact(&mut asked).unwrap();
        let mut more = [0; 4096];
        assert_ne!(stream.read(&mut more).unwrap(), 0);
        stream.write_all(&first[2]).unwrap();
        while stream.read(&mut more).is_ok_and(|read| read > 0) {}
    });
    origin
}

#[test]
fn gwy_027_a_request_that_waits_for_a_stream_ends_in_time() {
    let house = House::start(Plan {
        origin: Some(one_stream()),
        workers: 1,
        limits: Limits {
            answer_timeout: Duration::from_millis(300),
            ..Limits::default()
        },
        config: Box::new(|config: &mut Config| {
            config.upstream_protocol = UpstreamProtocol::Http2;
        }),
        ..Plan::default()
    });
    let mut events = house.client();
    events.write(request("GET", "/files/events", &[]));
    assert!(events.some().unwrap().starts_with(b"HTTP/1.1 200 "));
    let mut late = house.client();
    late.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    // The worker's next answer is behind its judgement of the head.
    assert_eq!(house.get("/nowhere", &[]).status, 404);
    late.write("hello");
    assert_eq!(late.reply().status, 504);
}
