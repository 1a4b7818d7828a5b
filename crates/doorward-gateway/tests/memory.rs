//! Large bodies in flat memory. A program of its own: the size of the process
//! is what is measured.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

#[expect(dead_code, reason = "the other tests use the rest")]
mod harness;

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Mutex},
};

use harness::{House, Plan, Recorder};

const MEGABYTE: usize = 1024 * 1024;
const SIZE: usize = 100 * MEGABYTE;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

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
fn a_hundred_megabytes_both_ways_in_flat_memory() {
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
