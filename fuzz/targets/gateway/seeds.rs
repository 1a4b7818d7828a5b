//! Inputs to begin with: the sixty spellings of the path matrix and others like
//! them, and requests with each known way to hide a second one.

use std::collections::BTreeSet;

/// The inputs of each target.
pub(crate) fn all() -> [(&'static str, BTreeSet<Vec<u8>>); 2] {
    [("path", paths()), ("http1", streams())]
}

/// Paths with a route, and without one.
const PATHS: [&str; 9] = [
    "",
    "admin",
    "admin/users",
    "alpha/7",
    "alpha/new",
    "beta/",
    "caf%C3%A9",
    "files/a/b",
    "x-1/~a/a%20b/a+b,c@d:e",
];

/// Ways to write a path: `P` is a whole one, `F` and `R` are its first segment
/// and what is behind it.
#[rustfmt::skip] // by kind
const SPELLINGS: [&str; 66] = [
    "/P", "P", "//P", "///P", "/P/", "/P//", "/F//R", "/P/%2f", "/%2fP", "/F%2FR",
    "/./P", "/../P", "/P/.", "/P/..", "/files/../P", "/P/../admin", "/F/./R", "/F/x/../R", "/.P", "/...P", "/P/.x", "/P/..x",
    "/%2e/P", "/%2e%2e/P", "/.%2e/P", "/P/%2E%2e/admin", "/files/..%2fP", "/%252e%252e/P", "/F%252fR", "/F%25252fR", "/%25%32%66P", "/P%25", "/P%25zz",
    "/P;a=b", "/P;", "/..;/P", "/P%3ba", "/F\\R", "/F%5cR", "/files/..%5cP", "/P%c0%af", "/P%e0%80%af", "/P%ff", "/P%ed%a0%80",
    "/P.", "/P%2e", "/P%20", "/%20P", "/P%09", "/P%00", "/P%0d%0aX", "/P#", "/P%23x", "/P?a", "/P%3fx", "/P%", "/P%2", "/P%zz",
    "/%61dmin", "/%7E/P", "/P%e2%80%8b", "/P%ef%bc%8f", "/P%e2%80%a8", "/P%cd%be", "/ P", "*",
];

fn paths() -> BTreeSet<Vec<u8>> {
    let spelled = PATHS.iter().flat_map(|path| {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        SPELLINGS.iter().map(move |spelling| {
            let text = spelling.replace('P', path).replace('F', first);
            text.replace('R', rest).into_bytes()
        })
    });
    let mut seeds: BTreeSet<Vec<u8>> = spelled.collect();
    seeds.extend([255, 256, 257].map(|count| "/a".repeat(count).into_bytes()));
    seeds.extend((0..=255).map(|byte| format!("/a%{byte:02x}b").into_bytes()));
    seeds.extend((0..=255).map(|byte| vec![b'/', b'a', byte, b'b']));
    seeds
}

const TARGETS: [&str; 14] = [
    "/",
    "/a?b=c",
    "/a?b#c",
    "/a#b",
    "*",
    "a",
    "http://api.example/a?b",
    "http://other.example/",
    "api.example:80",
    "//api.example/a",
    "/a\tb",
    "/\u{e9}",
    "/a%2e%2e/b",
    "/{a}|\"b\"",
];

/// Header lines, of which one is odd.
#[rustfmt::skip] // by kind
const FIELDS: [&str; 62] = [
    "Host: api.example", "Host: a\r\nHost: a", "Host: a\r\nHost: b", "Host:", "Host: a b", "Host: u@a", "X: y",
    "Content-Length: 3", "Content-Length: 03", "Content-Length: +3", "Content-Length: -3", "Content-Length: 3,3", "Content-Length: 3, 4",
    "Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 0x3", "Content-Length:\t3 ",
    "Content-Length: 99999999999999999999", "Content-Length : 3", "Content_Length: 3", "Content-Length\t: 3", "Content-Length: 3\r\n 4",
    "Content-Length: \u{b2}", "Content-Length:", "content-length: 3\r\nCONTENT-LENGTH: 3",
    "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding : chunked", " Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: xchunked", "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: \"chunked\"", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding:\r\n chunked",
    "Transfer_Encoding: chunked", "Transfer.Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Content-Length: 3\r\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
    "X: \0", "X: \u{e9}", "X y: z", "X", ": y", "X\u{7f}: y", "X: y\r\n z", "(: y",
    "Connection: close", "Connection: keep-alive", "Connection: content-length", "Connection: x, authorization", "Connection: a b",
    "Upgrade: websocket\r\nConnection: upgrade", "Expect: 100-continue", "Expect: 200-ok", "Authorization: Bearer a\r\nAuthorization: Bearer b",
];

/// Bodies, right and wrong, with a request behind them.
const BODIES: [&str; 22] = [
    "",
    "abc",
    "3\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "3\r\nabc\r\n0\r\nX y\r\n\r\n",
    "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n",
    "03\r\nabc\r\n00\r\n\r\n",
    "3;a=b\r\nabc\r\n0\r\n\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    "3\nabc\n0\n\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabc\r\n0\r\n",
    "3\r\nabc\r\n0\r\n\rX",
    "ffffffffffffffff\r\n",
    "10000000000000003\r\nabc\r\n",
    "000000000000003\r\nabc\r\n0\r\n\r\n",
    "g\r\n",
    "-1\r\n",
    "3\r\nabc\r\n0\r\nX: y\n\r\n",
];

fn streams() -> BTreeSet<Vec<u8>> {
    const NEXT: &str = "GET /next HTTP/1.1\r\nHost: api.example\r\n\r\n";
    let mut seeds = BTreeSet::new();
    let mut add = |text: String| {
        seeds.insert(text.into_bytes());
    };
    for fields in FIELDS {
        for body in BODIES {
            add(format!(
                "POST /a HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n\r\n{body}{NEXT}"
            ));
        }
        add(format!("GET / HTTP/1.0\r\n{fields}\r\n\r\n{NEXT}"));
    }
    for target in TARGETS {
        for method in ["GET", "CONNECT", "OPTIONS", "TRACE", "get", "G T", ""] {
            for version in [
                "HTTP/1.1",
                "HTTP/1.0",
                "HTTP/2.0",
                "HTTP/1.10",
                "http/1.1",
                "",
            ] {
                add(format!(
                    "{method} {target} {version}\r\nHost: api.example\r\n\r\n{NEXT}"
                ));
            }
        }
    }
    for end in ["\r\n", "\n", "\r", "\r\r\n", "\r\n\r\n", " \r\n"] {
        add(format!("{end}GET / HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"));
        add(format!("GET / HTTP/1.1{end}Host: a{end}{end}{NEXT}"));
        add(format!("GET / HTTP/1.1\r\nHost: a{end}X: y\r\n\r\n{NEXT}"));
    }
    add(format!(
        "GET / HTTP/1.1\r\n{}\r\n{NEXT}",
        "A: b\r\n".repeat(100)
    ));
    add(format!(
        "GET / HTTP/1.1\r\n{}\r\n{NEXT}",
        "A: b\r\n".repeat(101)
    ));
    add(NEXT.repeat(3));
    add("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned());
    seeds
}
