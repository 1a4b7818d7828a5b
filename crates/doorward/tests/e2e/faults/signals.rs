//! The way down: a request in flight is finished, and Ctrl-C says where the
//! data is.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::{Mutex, mpsc},
    thread,
};

use super::{
    ROUTES,
    observed::{Observed, PATIENCE, access_token, guarded, until, up},
    upstream::{FINE, Scripted},
};
use crate::harness::{Answer, Place, request};

/// An upstream that answers when it is told to.
fn held() -> (Scripted, mpsc::Sender<()>) {
    let (answer, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Scripted::start(move |stream, _| {
        // Without a sender nobody waits for the answer.
        if wait.lock().unwrap().recv().is_ok() {
            stream.write_all(FINE).unwrap();
        }
        false
    });
    (upstream, answer)
}

/// A call that has reached the upstream and waits for its answer.
fn in_flight(server: &Observed, upstream: &Scripted) -> thread::JoinHandle<Answer> {
    let tokens = server.sign_in("reader");
    let authorization = format!("Bearer {}", access_token(&tokens));
    let gateway = server.gateway;
    let call = thread::spawn(move || {
        request(
            gateway,
            "GET",
            "/orders",
            &[("Authorization", &authorization)],
            b"",
        )
    });
    until(PATIENCE, "the request at the upstream", || {
        (!upstream.lines().is_empty()).then_some(())
    });
    call
}

#[test]
fn sigterm_lets_a_request_in_flight_end_and_says_nothing() {
    let (upstream, answer) = held();
    let (_place, mut server) = guarded(upstream.address, ROUTES);
    let call = in_flight(&server, &upstream);
    server.signal("-TERM");
    let gateway = server.gateway;
    until(PATIENCE, "a closed door", || {
        TcpStream::connect(gateway).is_err().then_some(())
    });
    answer.send(()).unwrap();
    assert_eq!(call.join().unwrap().status, 200);
    assert_eq!(server.end(), Some(0));
    assert_eq!(server.err(), "");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_way_down() {
    let (upstream, _answer) = held();
    let (_place, mut server) = guarded(upstream.address, ROUTES);
    let idle: Vec<_> = (0..10)
        .map(|_| TcpStream::connect(server.gateway).unwrap())
        .collect();
    let begun = std::time::Instant::now();
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn sigint_says_where_the_data_is_and_how_to_go_on() {
    let place = Place::with_demo_users();
    let data = place.data();
    let mut server = Observed::start(&data, up(&data, &["--demo"]));
    server.sign_in("reader");
    server.signal("-INT");
    assert_eq!(server.end(), Some(0));
    let said = server.err();
    assert!(
        said.contains(&format!("everything is kept in {}", data.display())),
        "{said}"
    );
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("go on with: "))
        .unwrap();
    assert!(line.ends_with("up --demo"), "{line}");
    assert!(line.contains(data.to_str().unwrap()), "{line}");
}

#[test]
fn a_second_sigint_ends_at_once_with_130() {
    let (upstream, answer) = held();
    let (_place, mut server) = guarded(upstream.address, ROUTES);
    let call = in_flight(&server, &upstream);
    server.signal("-INT");
    let gateway = server.gateway;
    until(PATIENCE, "a closed door", || {
        TcpStream::connect(gateway).is_err().then_some(())
    });
    server.signal("-INT");
    assert_eq!(server.end(), Some(130));
    drop(answer);
    // The caller sees a cut, and no answer that nobody gave.
    assert!(call.join().is_err());
}
