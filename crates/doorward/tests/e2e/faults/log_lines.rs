//! What strangers write into the log: one line for each request, and nothing
//! that moves a cursor or forges another line.

use std::fs;

use serde_json::{Value, json};

use super::observed::{Observed, PATIENCE, until, up};
use crate::harness::{doorward, send_raw};

/// Each with the marks that must not come through: line ends, escape
/// sequences, marks that turn the text around, ends of a JSON string.
const HOSTILE: [&str; 8] = [
    "a\u{1b}[2J\u{1b}[31mb",
    "a\u{202e}txt.exe",
    "a\u{2066}b\u{2069}",
    "a\"}\u{85}{\"decision\":\"allowed",
    "a\u{2028}b\u{2029}",
    "a\u{7f}\u{9b}31mb",
    "a\tb\u{b}c\u{8}d",
    "%0d%0a  14:02:30Z  GET /forged  200",
];

fn hostile_requests(server: &Observed) -> usize {
    let mut sent = 0;
    let mut send = |message: String| {
        let _ = send_raw(server.gateway, message.as_bytes());
        sent += 1;
    };
    let host = server.gateway;
    for text in HOSTILE {
        let common = format!("Host: {host}\r\nConnection: close\r\n");
        send(format!("GET /{text} HTTP/1.1\r\n{common}\r\n"));
        send(format!("GET /orders?{text} HTTP/1.1\r\n{common}\r\n"));
        send(format!(
            "GET /orders HTTP/1.1\r\n{common}User-Agent: {text}\r\nX-Request-Id: {text}\r\n\r\n"
        ));
        send(format!(
            "GET /orders HTTP/1.1\r\n{common}Authorization: Bearer {text}\r\n\r\n"
        ));
        send(format!("{text} /orders HTTP/1.1\r\n{common}\r\n"));
        send(format!(
            "GET /orders HTTP/1.1\r\nHost: {text}\r\nConnection: close\r\n\r\n"
        ));
        let body = json!({ "username": text, "password": "a wrong guess", "tenant": text });
        let body = body.to_string();
        send(format!(
            "POST /auth/sign-in HTTP/1.1\r\n{common}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let body = json!({ text: 1 }).to_string();
        send(format!(
            "POST /auth/refresh HTTP/1.1\r\n{common}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    sent
}

/// Characters that no line may hold as they are.
fn is_dangerous(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let ends_lines = matches!(character, '\u{2028}' | '\u{2029}');
    turns || ends_lines || (character.is_control() && character != '\n')
}

#[test]
fn sec_003_every_request_is_one_json_line_whatever_it_says() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let sent = hostile_requests(&server);
    // The first line tells where it listens.
    let lines = until(PATIENCE, "a line for each request", || {
        let out = server.out();
        (out.lines().count() > sent).then_some(out)
    });
    assert_eq!(lines.lines().count(), sent + 1, "{lines}");
    for line in lines.lines().skip(1) {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["decision"]["reason"].is_string(), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    server.assert_well();
    assert_eq!(server.err(), "");
}

#[test]
fn sec_003_every_request_is_one_line_on_the_terminal_and_moves_no_cursor() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Observed::start(&data, up(&data, &["--demo"]));
    let screen = server.out().lines().count();
    let sent = hostile_requests(&server);
    let lines = until(PATIENCE, "a line for each request", || {
        let out = server.out();
        (out.lines().count() >= screen + sent).then_some(out)
    });
    let told: Vec<_> = lines
        .lines()
        .skip(screen)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(told.len(), sent, "{told:#?}");
    for line in &told {
        let clock = line.trim_start().split(' ').next().unwrap_or_default();
        assert!(
            clock.ends_with('Z') && clock.len() == 9,
            "a line of somebody else: {line:?}"
        );
    }
    let danger: Vec<_> = lines.chars().filter(|c| is_dangerous(*c)).collect();
    assert!(danger.is_empty(), "{lines:?}");
    // What the API behind it wrote is its own affair, but stays in lines too.
    let log = fs::read_to_string(data.join("demo-api.log")).unwrap();
    assert_eq!(log, "", "nothing of it reached the API");
    server.assert_well();
}

/// The same for what commands print about names that were stored.
#[test]
fn sec_003_names_of_the_store_are_printed_harmlessly_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    for text in HOSTILE {
        for command in [
            ["user", "disable", text],
            ["tenant", "add", text],
            ["explain", "GET", text],
        ] {
            let output = doorward(&server.data()).args(command).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            let danger: Vec<_> = said.chars().filter(|c| is_dangerous(*c)).collect();
            assert!(danger.is_empty(), "{command:?}: {said:?}");
            assert_ne!(
                output.status.code(),
                Some(0),
                "{command:?} was accepted: {said}"
            );
        }
    }
}
