//! Unchanged servers that are not ours, behind the gateway: nginx and
//! Python's `http.server`, with 100 MB up and down in flat memory.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use crate::harness::{Part, Server, find};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 100 * MIB;

/// What a stream of 100 MB may add to the process: buffers, not bodies.
const FLAT: usize = 16 * MIB;

const ROUTES: &str = r#"
[roles.reader]
permissions = ["files:read"]

[roles.editor]
inherits = ["reader"]
permissions = ["files:write"]

[[route]]
match = "GET /{file}"
allow = "files:read"

[[route]]
match = "PUT /{file}"
allow = "files:write"
"#;

/// The same bytes whenever they are asked for, different at every offset.
fn pattern(offset: usize, chunk: &mut [u8]) {
    for (at, byte) in chunk.iter_mut().enumerate() {
        let place = (offset + at) as u64;
        *byte = (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    }
}

fn write_file(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    let mut chunk = vec![0; MIB];
    for offset in (0..SIZE).step_by(MIB) {
        pattern(offset, &mut chunk);
        file.write_all(&chunk).unwrap();
    }
}

/// Highest resident memory until now, bytes.
fn peak_memory(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.gateway).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// Reads an answer's head; gives it with the body's first bytes.
fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut received = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut chunk).unwrap();
        assert!(
            count > 0,
            "closed before the head: {}",
            String::from_utf8_lossy(&received)
        );
        received.extend_from_slice(&chunk[..count]);
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            return (head, received.split_off(end + 4));
        }
    }
}

/// Downloads 100 MB and compares every byte.
fn download(server: &Server, token: &str) {
    let mut stream = connect(server);
    let head = format!(
        "GET /big HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        server.gateway
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (head, first) = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut offset, mut expected) = (0, vec![0; MIB]);
    let mut compare = |bytes: &[u8]| {
        expected.resize(bytes.len().max(expected.len()), 0);
        pattern(offset, &mut expected[..bytes.len()]);
        assert!(
            bytes == &expected[..bytes.len()],
            "the bytes at {offset} differ"
        );
        offset += bytes.len();
    };
    compare(&first);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut chunk).unwrap() {
            0 => break,
            count => compare(&chunk[..count]),
        }
    }
    assert_eq!(offset, SIZE);
}

/// Uploads 100 MB.
fn upload(server: &Server, token: &str) {
    let mut stream = connect(server);
    let head = format!(
        "PUT /copy HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {SIZE}\r\nConnection: close\r\n\r\n",
        server.gateway
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = vec![0; MIB];
    for offset in (0..SIZE).step_by(MIB) {
        pattern(offset, &mut chunk);
        stream.write_all(&chunk).unwrap();
    }
    let (head, _) = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
}

fn refused_without_a_token(server: &Server) {
    assert_eq!(server.call("GET", "/big", None).status, 401);
    let reader = server.access_token("reader");
    assert_eq!(server.call("PUT", "/copy", Some(&reader)).status, 403);
    assert_eq!(server.call("GET", "/not/opened", Some(&reader)).status, 404);
}

#[test]
fn nginx_behind_the_gateway_with_100_mb_both_ways() {
    let Some(nginx) = find("nginx") else { return };
    let place = tempfile::tempdir().unwrap();
    let files = place.path().join("files");
    fs::create_dir(&files).unwrap();
    write_file(&files.join("big"));
    let part = Part::start(|address| nginx_command(&nginx, place.path(), &address.to_string()));
    let server = Server::before(part.address, ROUTES);
    refused_without_a_token(&server);
    let editor = server.access_token("editor");

    let before = peak_memory(&server);
    download(&server, &editor);
    upload(&server, &editor);
    let grown = peak_memory(&server) - before;
    assert!(
        grown < FLAT,
        "100 MB both ways added {grown} bytes of memory"
    );
    let same = fs::read(files.join("big")).unwrap() == fs::read(files.join("copy")).unwrap();
    assert!(same, "what arrived is not what was sent");
}

fn nginx_command(nginx: &Path, place: &Path, address: &str) -> Command {
    let root = place.display();
    let config = format!(
        "daemon off; worker_processes 1; pid {root}/nginx.pid; error_log stderr;
         user root;
         events {{ worker_connections 64; }}
         http {{
           access_log off; client_max_body_size 0;
           client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
           fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
           server {{ listen {address}; root {root}/files; dav_methods PUT; }}
         }}"
    );
    let file = place.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(nginx);
    command
        .arg("-p")
        .arg(place)
        .arg("-c")
        .arg(file)
        .arg("-e")
        .arg("stderr");
    command
}

#[test]
fn python_behind_the_gateway_with_100_mb_down() {
    let Some(python) = find("python3") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    write_file(&place.path().join("big"));
    let part = Part::start(|address| {
        let mut command = Command::new(python);
        command.args(["-m", "http.server", "--bind", "127.0.0.1"]);
        command
            .arg(address.port().to_string())
            .arg("--directory")
            .arg(place.path());
        command
    });
    let server = Server::before(part.address, ROUTES);
    refused_without_a_token(&server);
    let reader = server.access_token("reader");

    let before = peak_memory(&server);
    download(&server, &reader);
    let grown = peak_memory(&server) - before;
    assert!(grown < FLAT, "100 MB added {grown} bytes of memory");
    // What the API itself refuses is the API's answer.
    let editor = server.access_token("editor");
    assert_eq!(server.call("PUT", "/copy", Some(&editor)).status, 501);
    assert_eq!(server.call("GET", "/missing", Some(&editor)).status, 404);
}
