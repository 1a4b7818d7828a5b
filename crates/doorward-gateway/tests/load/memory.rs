//! What callers and bodies take in memory.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    KILOBYTE, MEGABYTE, alone,
    harness::{self, Client, House, PATIENCE, Plan, Recorder, request},
    resident,
};

const SIZE: usize = 100 * MEGABYTE;

/// Byte number `at` of the test's stream.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// The largest resident size that anybody noticed.
#[derive(Clone, Default)]
struct Peak(Arc<Mutex<usize>>);

impl Peak {
    fn note(&self) {
        let mut peak = self.0.lock().unwrap();
        *peak = (*peak).max(resident());
    }

    fn get(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

#[test]
fn dos_003_a_caller_that_does_not_read_holds_little() {
    const CALLERS: usize = 100;
    let _alone = alone();
    let stuck = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stuck);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let piece = vec![b'x'; 64 * KILOBYTE];
    let upstream = Recorder::with(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        while stream.write_all(&piece).is_ok() {}
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = released.lock().unwrap().recv();
        false
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    });
    let before = resident();
    let callers: Vec<Client> = (0..CALLERS)
        .map(|_| {
            let mut client = house.client();
            client.write(request("GET", "/health", &[]));
            client
        })
        .collect();
    // A hundred of them fill the buffers of the system's first.
    let deadline = Instant::now() + 3 * PATIENCE;
    while stuck.load(Ordering::SeqCst) < CALLERS {
        assert!(Instant::now() < deadline, "somebody reads on");
        std::thread::yield_now();
    }
    let each = resident().saturating_sub(before) / CALLERS;
    println!("{} KiB a caller that does not read", each / KILOBYTE);
    assert!(each < 192 * KILOBYTE, "{} KiB", each / KILOBYTE);
    drop((callers, release));
}

#[test]
fn a_hundred_megabytes_both_ways_in_flat_memory() {
    let _alone = alone();
    let peak = Peak::default();
    let noted = peak.clone();
    // Sends back what it gets, while it gets it.
    let upstream = Recorder::heads_only(move |recorded, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&recorded.body).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut left = SIZE - recorded.body.len();
        while left > 0 {
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "the upload broke off");
            stream.write_all(&buffer[..length]).unwrap();
            left -= length;
            if left / MEGABYTE != (left + length) / MEGABYTE {
                noted.note();
            }
        }
        true
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    });
    let mut client = house.client();
    let before = resident();
    let mut up = client.twin();
    let sender = std::thread::spawn(move || {
        let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n");
        up.write_all(head.as_bytes()).unwrap();
        let mut at = 0;
        while at < SIZE {
            let step = (SIZE - at).min(50_000);
            let piece: Vec<u8> = (at..at + step).map(byte).collect();
            up.write_all(&piece).unwrap();
            at += step;
        }
    });
    let mut got = Vec::new();
    let body = loop {
        got.extend(client.some().unwrap());
        if let Some(at) = harness::client::find(&got, b"\r\n\r\n") {
            break got.split_off(at + 4);
        }
    };
    let mut at = 0;
    let mut piece = body;
    loop {
        for got in piece {
            assert_eq!(got, byte(at), "byte {at}");
            at += 1;
        }
        if at == SIZE {
            break;
        }
        piece = client.some().expect("the whole body");
    }
    sender.join().unwrap();
    let grown = peak.get().saturating_sub(before);
    assert!(
        grown < 32 * MEGABYTE,
        "{} MB more for a body of 100 MB",
        grown / MEGABYTE
    );
}
