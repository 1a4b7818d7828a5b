//! Where a request ends: one reading, or none.

use crate::harness::{Client, House, request};

/// A request that would be smuggled.
const SMUGGLED: &str = "GET /files/smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /upload HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n{body}")
}

/// Refused with 400, closed, and not a byte of it at the upstream.
fn assert_refused(house: &House, bytes: &str) {
    let mut client = house.client();
    client.write(bytes);
    let reply = client.reply();
    assert_eq!(reply.status, 400, "{bytes:?}");
    assert_eq!(reply.reason(), "bad_request", "{bytes:?}");
    assert!(
        client.is_closed(),
        "the connection stayed open after {bytes:?}"
    );
    assert!(
        house.upstream.seen().is_empty(),
        "{bytes:?}: {:#?}",
        house.upstream.seen()
    );
}

#[test]
fn gwy_020_content_length_and_transfer_encoding_together() {
    let house = House::usual();
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let cl_te = format!(
        "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
        chunked.len()
    );
    assert_refused(&house, &post(&cl_te, &chunked));
    let te_cl = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
    assert_refused(
        &house,
        &post(te_cl, &format!("5c\r\n{SMUGGLED}\r\n0\r\n\r\n")),
    );
}

#[test]
fn gwy_020_spellings_of_transfer_encoding() {
    let house = House::usual();
    let spellings = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: x",
        "Transfer-Encoding:\tchunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: chunked, x",
        " Transfer-Encoding: chunked",
        "X: x\nTransfer-Encoding: chunked",
        "Transfer-Encoding\n: chunked",
        "Transfer_Encoding: chunked",
        "Transfer.Encoding: chunked",
        "TRANSFER_ENCODING: chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: cow",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked\x00",
        "Transfer-Encoding: chunKed\rX: y",
        "Transfer-Encoding: \x0cchunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-\r\n Encoding: chunked",
        "Transfer-Encoding: chu\r\n nked",
        "Transfer-Encoding:",
        "Content-Length: 5\r\nTransfer_Encoding: chunked",
        "Transfer-Encoding\x00: chunked",
        "Foo: bar\r\n\rTransfer-Encoding: chunked",
        "\x00Transfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked chunked",
        "Transfer-Encoding: \r\n\tchunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding;chunked",
    ];
    for spelling in spellings {
        assert_refused(
            &house,
            &post(&format!("{spelling}\r\n"), &format!("0\r\n\r\n{SMUGGLED}")),
        );
    }
}

#[test]
fn gwy_022_old_versions_and_odd_lengths() {
    let house = House::usual();
    let old = "POST /upload HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused(&house, old);
    for length in [
        "+3",
        "-3",
        "3, 3",
        "3 3",
        "0x3",
        "3.0",
        "",
        " ",
        "3\x0b",
        "18446744073709551619",
        "3\r\nContent-Length: 3",
        "3\r\nContent-Length: 5",
        "3\r\n\t3",
        "３",
        "3;",
    ] {
        assert_refused(
            &house,
            &post(&format!("Content-Length: {length}\r\n"), "abc"),
        );
    }
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/1.1x",
        "http/1.1",
        "HTTP/1.01",
    ] {
        assert_refused(&house, &format!("GET /health {version}\r\nHost: a\r\n\r\n"));
    }
    assert_refused(&house, "GET /health\r\n\r\n");
}

#[test]
fn gwy_021_bytes_without_a_declared_length_are_a_request_of_their_own() {
    let house = House::usual();
    let mut client = house.client();
    client.write(format!("{}{SMUGGLED}", request("GET", "/health", &[])));
    assert_eq!(client.reply().text(), "GET /health HTTP/1.1");
    assert_eq!(client.reply().text(), "GET /files/smuggled HTTP/1.1");
}

#[test]
fn gwy_023_upgrades_are_not_forwarded() {
    let house = House::usual();
    let websocket = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
    ];
    assert_eq!(house.get("/health", &websocket).status, 400);
    house.upstream.assert_untouched();
    let h2c = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQ",
    ];
    assert_eq!(house.get("/health", &h2c).status, 200);
    let names = house.upstream.only().names();
    for gone in ["connection", "upgrade", "http2-settings"] {
        assert!(!names.contains(&gone.to_owned()), "{names:?}");
    }
}

#[test]
fn gwy_024_chunk_faults() {
    let house = House::usual();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3;a=b\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "10000000000000000\r\nabc",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: y\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
    ] {
        let mut client = house.client();
        client.write(post(chunked, body));
        let reply = client.reply();
        assert_eq!(reply.status, 400, "{body:?}");
        assert!(client.is_closed(), "{body:?}");
    }
    // The head may have gone out; no whole request did.
    let whole = house
        .upstream
        .seen()
        .into_iter()
        .find(|seen| seen.body == b"abc");
    assert!(whole.is_none(), "{whole:?}");
    assert_eq!(
        house.raw(post(chunked, "3\r\nabc\r\n0\r\n\r\n")).status,
        200
    );
}

#[test]
fn gwy_024_a_body_without_its_end_is_cut_at_the_upstream_too() {
    let house = House::usual();
    let mut client = house.client();
    client.write(post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"));
    client.finish_writing();
    let reply = client.try_reply(false);
    assert!(reply.is_none_or(|reply| reply.status == 400));
    assert!(
        house
            .upstream
            .seen()
            .iter()
            .all(|seen| seen.body.is_empty())
    );
}

#[test]
fn gwy_026_a_refusal_before_the_body_never_mixes_answers() {
    let house = House::usual();
    let mut client = house.client();
    let body = "GET /files/smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write(format!("{head}{body}{}", request("GET", "/health", &[])));
    let reply = client.reply();
    assert_eq!(reply.status, 401);
    assert_eq!(reply.field("connection"), Some("close"));
    assert!(
        client.is_closed(),
        "nothing follows a refusal in the middle of a request"
    );
    house.upstream.assert_untouched();
}

#[test]
fn pipelined_requests_get_their_answers_in_order() {
    let house = House::usual();
    let mut client = house.client();
    let chunked = post("Transfer-Encoding: chunked\r\n", "3\r\nGET\r\n0\r\n\r\n");
    let sized = post("Content-Length: 3\r\n", "GET");
    let get = request("GET", "/files/last", &[]);
    client.write(format!(
        "{chunked}{sized}{}{get}",
        request("GET", "/admin", &[])
    ));
    let statuses: Vec<u16> = (0..4).map(|_| client.reply().status).collect();
    assert_eq!(statuses, [200, 200, 401, 200]);
    assert_eq!(house.upstream.seen().len(), 3);
}

#[test]
fn a_fault_behind_good_requests_is_answered_in_its_turn() {
    let house = House::usual();
    let mut client = house.client();
    client.write(format!(
        "{}BAD\r\n\r\n{SMUGGLED}",
        request("GET", "/health", &[])
    ));
    assert_eq!(client.reply().status, 200);
    assert_eq!(client.reply().status, 400);
    assert!(client.is_closed());
    assert_eq!(house.upstream.only().target(), "/health");
}

#[test]
fn requests_in_single_bytes_are_read_alike() {
    let house = House::usual();
    let mut client = Client::to(house.address);
    for byte in post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n").bytes() {
        client.write([byte]);
    }
    assert_eq!(client.reply().status, 200);
    assert_eq!(house.upstream.only().body, b"abc");
}

#[test]
fn bare_line_feeds_and_controls_are_refused() {
    let house = House::usual();
    for bytes in [
        "GET /health HTTP/1.1\nHost: a\n\n",
        "GET /health HTTP/1.1\r\nHost: a\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    ] {
        assert_refused(&house, bytes);
    }
}
