//! Fields behind a body, over HTTP/1.1: announced, asked for, and harmless.

use std::io::Write as _;

use crate::harness::{House, Plan, Recorder};

const TAKES_THEM: &str = "TE: trailers\r\nConnection: TE\r\n";

/// Answers with a body, a checksum behind it, and what it may not say.
fn house() -> House {
    let upstream = Recorder::with(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
            Trailer: X-Sum, X-Doorward-Subject, Set-Cookie\r\n\r\n";
        let body = "2\r\nok\r\n0\r\nX-Sum: 7\r\nX-Doorward-Subject: root\r\nSet-Cookie: a=b\r\n\
            X-Unannounced: 1\r\n\r\n";
        stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
    });
    House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    })
}

/// All that comes back for a POST with these fields, until the connection ends.
fn answer(house: &House, fields: &str, chunks: &str) -> String {
    let mut client = house.client();
    client.write(format!(
        "POST /upload HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\
         {fields}\r\n{chunks}"
    ));
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") || !answer.windows(5).any(|end| end == b"\r\n0\r\n") {
        answer.extend(client.some().expect("a whole answer"));
    }
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

#[test]
fn trailers_of_an_answer_reach_who_takes_them() {
    let house = house();
    let told = answer(&house, TAKES_THEM, "0\r\n\r\n");
    assert!(told.contains("\r\ntrailer: x-sum\r\n"), "{told}");
    assert!(told.ends_with("\r\n0\r\nx-sum: 7\r\n\r\n"), "{told}");
    assert!(!told.contains("root") && !told.contains("a=b"), "{told}");
    let silent = answer(&house, "", "0\r\n\r\n");
    assert!(silent.ends_with("2\r\nok\r\n0\r\n\r\n"), "{silent}");
    assert_eq!(house.upstream.connections(), 1, "used again");
    let seen = house.upstream.seen();
    assert_eq!(seen[0].field("te"), Some("trailers"));
    assert_eq!(seen[0].field("connection"), Some("te"));
    assert_eq!(seen[1].field("te"), None);
}

#[test]
fn gwy_018_trailers_of_a_request_carry_no_identity() {
    let house = house();
    let fields = "Trailer: X-Sum, Authorization, X_User_Id, X-Forwarded-For\r\n";
    let chunks = "2\r\nab\r\n0\r\nX-Sum: 3\r\nAuthorization: Bearer a\r\nX_User_Id: root\r\n\
        X-Forwarded-For: 10.0.0.1\r\nX-Doorward-Subject: root\r\nHost: b\r\n\r\n";
    answer(&house, fields, chunks);
    let seen = house.upstream.only();
    assert_eq!(seen.field("trailer"), Some("X-Sum"));
    // The recorder keeps them behind the body.
    assert_eq!(
        String::from_utf8_lossy(&seen.body).to_ascii_lowercase(),
        "abx-sum: 3\r\n"
    );
}
