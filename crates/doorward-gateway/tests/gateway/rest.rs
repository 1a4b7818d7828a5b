//! A connection that fell silent is held bare, and speaks again as before.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::Stdio,
    time::{Duration, Instant},
};

use doorward_gateway::{Config, Limits};

use crate::{
    harness::{
        Client, House, PATIENCE, Plan, Recorder,
        part::{Certificate, part},
        request,
    },
    tls,
};

const SHORT: Duration = Duration::from_millis(50);

fn limits() -> Limits {
    Limits {
        rest_after: Duration::from_millis(1),
        ..Limits::default()
    }
}

fn house() -> House {
    House::with_limits(limits())
}

/// Waits until so many connections are silent.
fn wait_for(house: &House, resting: usize) {
    let deadline = Instant::now() + PATIENCE;
    while house.gateway.resting() != resting {
        assert!(
            Instant::now() < deadline,
            "{} are silent, not {resting}",
            house.gateway.resting()
        );
        std::thread::yield_now();
    }
}

fn ask(client: &mut Client, path: &str) {
    client.write(request("GET", path, &[]));
    let reply = client.reply();
    assert_eq!((reply.status, reply.is_whole), (200, true));
}

/// A caller that was served and is silent, the only one.
fn resting(house: &House) -> Client {
    let mut client = house.client();
    ask(&mut client, "/health");
    wait_for(house, 1);
    client
}

#[test]
fn it_is_served_again_and_again() {
    let house = house();
    let mut client = house.client();
    wait_for(&house, 1);
    for number in 0..4 {
        ask(&mut client, &format!("/files/{number}"));
        wait_for(&house, 1);
    }
    let seen = house.upstream.seen();
    let targets: Vec<_> = seen.iter().map(|seen| seen.target()).collect();
    assert_eq!(targets, ["/files/0", "/files/1", "/files/2", "/files/3"]);
    for field in ["x-forwarded-for", "forwarded"] {
        assert_eq!(seen[0].field(field), seen[3].field(field), "{field}");
    }
    drop(client);
    wait_for(&house, 0);
}

#[test]
fn pipelined_requests_are_both_answered() {
    let house = house();
    let mut client = resting(&house);
    let pair = request("GET", "/files/1", &[]) + &request("GET", "/files/2", &[]);
    client.write(&pair);
    assert_eq!(client.reply().text(), "GET /files/1 HTTP/1.1");
    assert_eq!(client.reply().text(), "GET /files/2 HTTP/1.1");
    wait_for(&house, 1);
    // The first of three wakes it, and half of the third comes later.
    client.write(pair.clone() + "GET /files/3 HT");
    assert_eq!(client.reply().text(), "GET /files/1 HTTP/1.1");
    assert_eq!(client.reply().text(), "GET /files/2 HTTP/1.1");
    assert_eq!(house.gateway.resting(), 0, "it is in the middle of a word");
    client.write("TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().text(), "GET /files/3 HTTP/1.1");
    wait_for(&house, 1);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let house = house();
    let mut client = resting(&house);
    for byte in request("GET", "/files/slow", &["X-Long: 12345"]).bytes() {
        client.write([byte]);
        wait_for(&house, 0);
    }
    assert_eq!(client.reply().text(), "GET /files/slow HTTP/1.1");
    wait_for(&house, 1);
}

#[test]
fn bodies_arrive_whole() {
    let house = house();
    let mut client = resting(&house);
    let post = "POST /upload HTTP/1.1\r\nHost: a\r\n";
    let large = "x".repeat(300_000);
    client.write(format!("{post}Content-Length: 300000\r\n\r\n{large}"));
    assert_eq!(client.reply().status, 200);
    wait_for(&house, 1);
    client.write(format!(
        "{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ));
    assert_eq!(client.reply().status, 200);
    wait_for(&house, 1);
    client.write(format!(
        "{post}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.reply().status, 100);
    client.write("again");
    assert_eq!(client.reply().status, 200);
    wait_for(&house, 1);
    let seen = house.upstream.seen();
    let bodies: Vec<_> = seen[1..].iter().map(|seen| seen.body.as_slice()).collect();
    assert_eq!(bodies, [large.as_bytes(), b"hello", b"again"]);
}

#[test]
fn it_may_become_a_tunnel_which_is_left_alone() {
    let upstream = Recorder::heads_only(|recorded, stream| {
        if recorded.field("upgrade").is_none() {
            return stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .is_ok();
        }
        let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\n\r\n";
        stream.write_all(switching.as_bytes()).unwrap();
        let mut buffer = [0; 64];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..length]).unwrap();
        }
        false
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        limits: limits(),
        config: Box::new(|config: &mut Config| config.upgrades = vec!["websocket".to_owned()]),
        ..Plan::default()
    });
    let mut client = resting(&house);
    let fields = ["Upgrade: websocket", "Connection: Upgrade"];
    client.write(request("GET", "/health", &fields));
    assert_eq!(client.reply_to_head().status, 101);
    // Longer than a connection of HTTP is silent before it rests.
    drop(resting(&house));
    wait_for(&house, 0);
    for word in ["one", "GET /admin HTTP/1.1\r\n\r\n"] {
        client.write(word);
        let mut heard = Vec::new();
        while heard.len() < word.len() {
            heard.extend(client.some().unwrap());
        }
        assert_eq!(heard, word.as_bytes());
    }
}

#[test]
fn a_request_in_the_moment_of_falling_silent_is_served() {
    let house = house();
    let mut client = house.client();
    for number in 0..300 {
        ask(&mut client, &format!("/files/{number}"));
        let pause = Duration::from_micros(number * 10);
        let since = Instant::now();
        while since.elapsed() < pause {
            std::hint::spin_loop();
        }
    }
    assert_eq!(house.upstream.seen().len(), 300);
}

#[test]
fn under_tls_it_is_served_again() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let house = tls::house(tls::tls(&[&certificate]), limits());
    let Some(mut python) = part("python3") else {
        return;
    };
    let script = "import ssl,socket,sys\n\
        s=ssl._create_unverified_context().wrap_socket(socket.create_connection(\n\
          ('127.0.0.1',int(sys.argv[1]))))\n\
        for line in sys.stdin:\n\
        \x20 s.sendall(('GET '+line.strip()+' HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n').encode())\n\
        \x20 print(s.recv(9999).split(b'\\r\\n')[0].decode(), flush=True)\n";
    let mut child = python
        .args(["-c", script, &house.address.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    for path in ["/files/1", "/files/2", "/files/3"] {
        wait_for(&house, 1);
        writeln!(child.stdin.as_mut().unwrap(), "{path}").unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "HTTP/1.1 200 OK", "{path}");
    }
    wait_for(&house, 1);
    drop(child.stdin.take());
    child.wait().unwrap();
    wait_for(&house, 0);
    let seen = house.upstream.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2].field("x-forwarded-proto"), Some("https"));
}

#[test]
fn whom_a_proxy_speaks_for_is_remembered() {
    let house = House::start(Plan {
        limits: limits(),
        config: Box::new(|config: &mut Config| {
            config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            config.proxy_protocol = true;
        }),
        ..Plan::default()
    });
    let mut client = house.client();
    client.write("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n");
    for _ in 0..2 {
        wait_for(&house, 1);
        ask(&mut client, "/health");
    }
    for seen in house.upstream.seen() {
        assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7"));
    }
}

#[test]
fn a_resting_connection_ends_at_once_on_the_way_down() {
    let mut house = house();
    let mut served = resting(&house);
    let mut new = house.client();
    wait_for(&house, 2);
    house.stop();
    assert!(served.is_closed() && new.is_closed());
    assert_eq!(house.wait().cut, 0);
}

#[test]
fn a_resting_connection_has_its_place() {
    let house = House::with_limits(Limits {
        connections: 1,
        ..limits()
    });
    let mut client = resting(&house);
    assert_eq!(house.client().reply().status, 503);
    ask(&mut client, "/health");
    drop(client);
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn rest_has_an_end() {
    let house = House::with_limits(Limits {
        idle_timeout: SHORT * 4,
        ..limits()
    });
    let began = Instant::now();
    let mut client = resting(&house);
    assert!(client.is_closed());
    assert!(began.elapsed() >= SHORT * 4, "not before its time");
    wait_for(&house, 0);
}

#[test]
fn dos_003_one_byte_after_a_rest_is_the_beginning_of_a_head() {
    let house = House::with_limits(Limits {
        head_timeout: SHORT,
        ..limits()
    });
    let mut crowd: Vec<Client> = (0..50).map(|_| house.client()).collect();
    for client in &mut crowd {
        // Within the time for a head, or nothing at all.
        if client.try_write(request("GET", "/health", &[])) {
            client.try_reply(false);
        }
    }
    for client in &mut crowd {
        client.try_write("G");
    }
    for client in &mut crowd {
        if let Some(reply) = client.try_reply(false) {
            assert_eq!(reply.status, 408);
        }
        assert!(client.is_closed());
    }
    let mut client = resting(&house);
    client.write("G");
    assert_eq!(client.reply().status, 408);
    assert!(client.is_closed());
}
