//! The way down.

use std::{sync::mpsc, time::Duration};

use doorward_gateway::Limits;

use crate::harness::{House, PATIENCE, Plan, Recorder, request};

#[test]
fn requests_in_progress_end_before_the_gateway_does() {
    let (arrived, arrivals) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Recorder::with(move |_, stream| {
        arrived.send(()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
            .is_ok()
    });
    let mut house = House::start(Plan {
        upstream: Some(upstream),
        ..Plan::default()
    });
    let mut idle = house.client();
    let mut busy = house.client();
    busy.write(request("GET", "/health", &[]));
    arrivals.recv().unwrap();
    house.stop();
    assert!(idle.is_closed(), "idle connections end at once");
    go.send(()).unwrap();
    let reply = busy.reply();
    assert_eq!((reply.status, reply.text()), (200, "done"));
    assert!(busy.is_closed(), "and nothing is asked after it");
    assert_eq!(house.wait().cut, 0);
}

/// hyper does not look for the end of a connection whose next request it
/// holds already; the upstream would work for nobody, 300 seconds in silence.
#[test]
fn dos_003_a_caller_that_leaves_behind_a_second_request_is_noticed() {
    for behind in [request("GET", "/files/2", &[]), "GET /fi".to_owned()] {
        let (arrived, arrivals) = mpsc::channel();
        let (left, leaving) = mpsc::channel();
        let upstream = Recorder::with(move |_, stream| {
            arrived.send(()).unwrap();
            // Ends when the gateway hangs up.
            left.send(std::io::Read::read(stream, &mut [0]).unwrap_or(0))
                .unwrap();
            false
        });
        let house = House::start(Plan {
            upstream: Some(upstream),
            ..Plan::default()
        });
        let mut client = house.client();
        client.write(request("GET", "/files/1", &[]) + &behind);
        arrivals.recv().unwrap();
        drop(client);
        assert_eq!(leaving.recv_timeout(PATIENCE), Ok(0));
        while house.gateway.connections() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(house.upstream.only().target(), "/files/1");
    }
}

#[test]
fn the_drain_is_bounded() {
    let (arrived, arrivals) = mpsc::channel();
    let upstream = Recorder::with(move |_, _| {
        arrived.send(()).unwrap();
        // Never answers, and never hangs up.
        std::thread::park();
        false
    });
    let limits = Limits {
        drain_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut house = House::start(Plan {
        upstream: Some(upstream),
        limits,
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    arrivals.recv().unwrap();
    house.stop();
    let drained = house.wait();
    assert_eq!((drained.cut, drained.lost_workers), (1, 0));
    assert!(client.try_reply(false).is_none());
    assert_eq!(
        house.decision().status,
        None,
        "the request is in the record all the same"
    );
}

#[test]
fn a_caller_that_leaves_is_in_the_record_and_frees_the_upstream() {
    let (left, leaving) = mpsc::channel();
    let (arrived, arrivals) = mpsc::channel();
    let upstream = Recorder::with(move |_, stream| {
        arrived.send(()).unwrap();
        // The gateway hangs up when its caller does.
        let end = std::io::Read::read(stream, &mut [0; 1]);
        left.send(matches!(end, Ok(0) | Err(_))).unwrap();
        false
    });
    let mut house = House::start(Plan {
        upstream: Some(upstream),
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    arrivals.recv().unwrap();
    drop(client);
    assert!(leaving.recv().unwrap());
    let decision = house.decision();
    assert_eq!(decision.status, None);
    assert_eq!(
        decision.checks.last().unwrap().seen,
        "the caller left before the answer"
    );
}
