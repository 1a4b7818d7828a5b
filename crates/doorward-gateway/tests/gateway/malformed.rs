//! Fifty-seven requests on which proxies and the servers behind them disagree,
//! before five real servers that tell what they made of them.
//!
//! Each is refused, and then no server sees anything, or it reaches the server
//! as the request that was judged: the same method, path, host and body, once,
//! and without an identity that the caller wrote. Behind each case follows a
//! plain request on the same upstream connection, which must find it clean.

use doorward_gateway::Config;
use doorward_policy::route::Requirement;

use crate::harness::{
    House, Plan,
    backend::{Backend, Parsed},
    request, route,
};

/// What must become of a request.
enum Fate {
    /// Answered by the gateway, and never heard of by anybody else.
    Refused,
    /// These reach the server: method, target, body.
    Passes(&'static [(&'static str, &'static str, &'static str)]),
}

use Fate::{Passes, Refused};

/// What hides in bodies and behind requests.
macro_rules! smuggled {
    () => {
        "GET /files/smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n"
    };
}

/// A request with a body: its fields and the body.
macro_rules! post {
    ($fields:literal, $body:expr) => {
        concat!(
            "POST /upload HTTP/1.1\r\nHost: api.test\r\n",
            $fields,
            "\r\n",
            $body
        )
    };
}

/// A request without one: its target and more fields.
macro_rules! get {
    ($target:literal, $fields:literal) => {
        concat!(
            "GET ",
            $target,
            " HTTP/1.1\r\nHost: api.test\r\n",
            $fields,
            "\r\n"
        )
    };
}

const PLAIN: Fate = Passes(&[("GET", "/files/a", "")]);
const UPLOAD: Fate = Passes(&[("POST", "/upload", "ab")]);

#[rustfmt::skip] // one line for each case
const CASES: [(&str, &str, Fate); 57] = [
    // Where the body ends.
    ("CL.TE", post!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", concat!("0\r\n\r\n", smuggled!())), Refused),
    ("TE.CL", post!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("two equal lengths", post!("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"), Refused),
    ("two lengths", post!("Content-Length: 2\r\nContent-Length: 0\r\n", "ab"), Refused),
    ("a list of lengths", post!("Content-Length: 2, 2\r\n", "ab"), Refused),
    ("a signed length", post!("Content-Length: +2\r\n", "ab"), Refused),
    ("a negative length", post!("Content-Length: -2\r\n", "ab"), Refused),
    ("chunked twice", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("chunked and identity", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("gzip, chunked", post!("Transfer-Encoding: gzip, chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("chunked, gzip", post!("Transfer-Encoding: chunked, gzip\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("chunked in HTTP/1.0", "POST /upload HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", Refused),
    ("Transfer_Encoding", post!("Content-Length: 2\r\nTransfer_Encoding: chunked\r\n", "ab"), Refused),
    ("a blank before the colon", post!("Transfer-Encoding : chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("xchunked", post!("Transfer-Encoding: xchunked\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    // Where a field ends.
    ("a folded field", get!("/files/a", "X-A: b\r\n c\r\n"), Refused),
    ("a folded coding", post!("Transfer-Encoding:\r\n chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), Refused),
    ("bare line feeds", "GET /files/a HTTP/1.1\nHost: api.test\n\n", Refused),
    ("a bare line feed between fields", get!("/files/a", "X-A: b\nX-Auth-Sub: admin\r\n"), Refused),
    ("a bare carriage return in a value", get!("/files/a", "X-A: b\rX-Auth-Sub: admin\r\n"), Refused),
    ("NUL in a value", get!("/files/a", "X-A: b\0c\r\n"), Refused),
    ("NUL in a name", get!("/files/a", "X-Auth-Sub\0: admin\r\n"), Refused),
    ("a field without a name", get!("/files/a", ": b\r\nX-A: c\r\n"), Refused),
    // Which host.
    ("two hosts", get!("/files/a", "Host: other.test\r\n"), Refused),
    ("the same host twice", get!("/files/a", "Host: api.test\r\n"), Refused),
    ("no host", "GET /files/a HTTP/1.1\r\nX-A: b\r\n\r\n", Refused),
    ("a target of another host", get!("http://other.test/files/a", ""), Refused),
    ("a user in the host", "GET /files/a HTTP/1.1\r\nHost: other.test@api.test\r\n\r\n", Refused),
    // Who asks.
    ("X_Auth_Sub", get!("/files/a", "X_Auth_Sub: admin\r\n"), PLAIN),
    ("X-Auth-Sub", get!("/files/a", "x-AUTH-sub: admin\r\nX-Auth-Sub: admin\r\n"), PLAIN),
    ("X.Auth.Sub", get!("/files/a", "X.Auth.Sub: admin\r\n"), PLAIN),
    ("Connection names an identity", get!("/files/a", "X-Auth-Sub: admin\r\nConnection: x-auth-sub\r\n"), Refused),
    ("Connection names its alias", get!("/files/a", "Connection: close, X_Auth_Sub\r\n"), Refused),
    ("two credentials", get!("/files/a", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), Refused),
    // What follows an upgrade.
    ("an upgrade and what follows", concat!(get!("/files/a", "Connection: upgrade\r\nUpgrade: foo\r\n"), smuggled!()),
        Passes(&[("GET", "/files/a", ""), ("GET", "/files/smuggled", "")])),
    ("h2c and what follows", concat!(get!("/files/a", "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), PLAIN),
    // Where a chunk ends.
    ("a chunk of 0x2", post!("Transfer-Encoding: chunked\r\n", "0x2\r\nab\r\n0\r\n\r\n"), Refused),
    ("chunks with bare line feeds", post!("Transfer-Encoding: chunked\r\n", "2\nab\n0\n\n"), Refused),
    ("a line feed in a chunk extension", post!("Transfer-Encoding: chunked\r\n", "2;a\nb\r\nab\r\n0\r\n\r\n"), Refused),
    ("a chunk extension", post!("Transfer-Encoding: chunked\r\n", "2;a=b\r\nab\r\n0\r\n\r\n"), Refused),
    ("a chunk beyond 64 bits", post!("Transfer-Encoding: chunked\r\n", "10000000000000002\r\nab\r\n0\r\n\r\n"), Refused),
    ("a chunk longer than it says", post!("Transfer-Encoding: chunked\r\n", "2\r\nabc\r\n0\r\n\r\n"), Refused),
    ("an identity in the trailer", post!("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\nX-Auth-Sub: admin\r\n\r\n"), UPLOAD),
    // What is asked.
    ("TRACE", "TRACE /files/a HTTP/1.1\r\nHost: api.test\r\n\r\n", Refused),
    ("CONNECT", concat!("CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n\r\n", smuggled!()), Refused),
    ("dot segments", get!("/files/../admin", ""), Refused),
    ("escaped dot segments", get!("/files/%2e%2e/admin", ""), Refused),
    ("dot segments with a parameter", get!("/files/..;/admin", ""), Refused),
    ("a backslash", get!("/files/..\\admin", ""), Refused),
    ("an escaped slash", get!("/files/..%2fadmin", ""), Refused),
    ("an escaped backslash", get!("/files/..%5cadmin", ""), Refused),
    ("two slashes", get!("//admin", ""), Refused),
    ("escaped twice", get!("/files/%252e%252e/admin", ""), Refused),
    ("a fragment", get!("/files/a#/../../admin", ""), Refused),
    ("an escaped NUL", get!("/files/a%00b", ""), Refused),
    ("raw bytes beyond ASCII", get!("/files/é", ""), Refused),
    ("no leading slash", get!("admin", ""), Refused),
];

#[test]
fn fifty_seven_malformed_requests_before_real_servers() {
    for backend in Backend::all() {
        let mut house = before(&backend);
        for (number, case) in CASES.iter().enumerate() {
            check(&mut house, &backend, number, case);
        }
    }
}

fn before(backend: &Backend) -> House {
    let public = |pattern| route(pattern, Requirement::Public);
    let mut routes = vec![public("GET /files/{*rest}"), public("POST /upload")];
    routes.push(route("GET /admin", Requirement::Authenticated));
    House::start(Plan {
        origin: Some(backend.origin()),
        routes,
        // One upstream connection, which every case shares.
        workers: 1,
        config: Box::new(|config: &mut Config| config.identity_names = vec!["x-auth-sub".into()]),
        ..Plan::default()
    })
}

fn check(
    house: &mut House,
    backend: &Backend,
    number: usize,
    (name, bytes, fate): &(&str, &str, Fate),
) {
    let what = format!("{name}, before {}", backend.name);
    let expected = match fate {
        Refused => &[][..],
        Passes(requests) => requests,
    };
    let mut client = house.client();
    client.write(bytes);
    for _ in expected {
        assert_eq!(client.reply().status, 200, "{what}");
    }
    if matches!(fate, Refused) {
        let reply = client.reply();
        assert!(matches!(reply.status, 400 | 405), "{what}: {}", reply.head);
        if reply.field("connection") == Some("close") {
            assert!(client.is_closed(), "{what}: it goes on");
            client = house.client();
        }
    } else {
        client = house.client();
    }
    let probe = format!("/files/probe-{number}");
    client.write(request("GET", &probe, &[]));
    let reply = client.reply();
    assert_eq!((reply.status, reply.text()), (200, "ok"), "{what}");
    let seen = backend.seen_before(&probe);
    let judged: Vec<_> = house
        .decisions_before(&probe)
        .into_iter()
        .filter(|decision| decision.status == Some(200))
        .map(|decision| (decision.method.into(), decision.path.into()))
        .collect();
    let served: Vec<_> = seen
        .iter()
        .map(|parsed| (parsed.method.clone(), parsed.path.clone()))
        .collect();
    assert_eq!(served, judged, "{what}: what was judged is what was served");
    let expected: Vec<_> = expected
        .iter()
        .map(|(method, target, body)| Parsed {
            method: (*method).to_owned(),
            target: (*target).to_owned(),
            path: (*target).to_owned(),
            host: "api.test".to_owned(),
            body: (*body).to_owned(),
            identity: String::new(),
        })
        .collect();
    assert_eq!(seen, expected, "{what}");
}
