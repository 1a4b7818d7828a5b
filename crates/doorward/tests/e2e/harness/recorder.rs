//! An upstream that writes down every byte that reaches it and answers 200
//! with what it saw: the witness that a denied request never arrived.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// The upstream and its notes.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&notes);
                thread::spawn(move || serve(stream, &notes));
            }
        });
        Self { address, heads }
    }

    /// The head of every request that arrived, in order.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no writer panics").clone()
    }

    /// How many requests arrived.
    pub(crate) fn count(&self) -> usize {
        self.heads().len()
    }
}

fn serve(mut stream: TcpStream, notes: &Mutex<Vec<String>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length = body_length(&head);
            if received.len() < end + 4 + length {
                break;
            }
            received.drain(..end + 4 + length);
            notes.lock().expect("no writer panics").push(head.clone());
            let body = serde_json::json!({ "head": head }).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
        }
    }
}

fn body_length(head: &str) -> usize {
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    };
    head.lines().find_map(field).unwrap_or(0)
}
