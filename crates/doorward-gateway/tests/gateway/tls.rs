//! TLS towards callers, as curl, OpenSSL and Python speak it.

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use doorward_gateway::{
    Limits, Tls,
    tls::{CertificatePem, TlsError},
};

use crate::harness::{
    Client, House, Plan, TurnedClock,
    part::{Certificate, part},
    request, tokens,
};

fn pem(certificate: &Certificate) -> CertificatePem<'_> {
    CertificatePem {
        chain: &certificate.chain,
        key: &certificate.key,
    }
}

pub(crate) fn tls(certificates: &[&Certificate]) -> Tls {
    let pems: Vec<_> = certificates.iter().map(|one| pem(one)).collect();
    let clock = TurnedClock(AtomicU64::new(tokens::NOW * 1000));
    Tls::new(&pems, Arc::new(clock)).unwrap()
}

pub(crate) fn house(tls: Tls, limits: Limits) -> House {
    House::start(Plan {
        limits,
        config: Box::new(|config| config.tls = Some(tls)),
        ..Plan::default()
    })
}

/// Runs curl on `path` of the house as `name`, trusting `root` only; gives
/// what it prints.
pub(crate) fn curl(
    house: &House,
    name: &str,
    root: &Certificate,
    path: &str,
    more: &[&str],
) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.pem");
    std::fs::write(&file, &root.chain).unwrap();
    let port = house.address.port();
    let output = part("curl")?
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(&file)
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .args(more)
        .arg(format!("https://{name}:{port}{path}"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn curl_speaks_both_versions_of_both() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let house = house(tls(&[&certificate]), Limits::default());
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let shown = "\n%{http_code} %{http_version} %{ssl_verify_result}";
    for (flags, version) in [
        (["--http1.1", "--tlsv1.3"], "1.1"),
        (["--http1.1", "--tls-max=1.2"], "1.1"),
        (["--http2", "--tlsv1.3"], "2"),
        (["--http2", "--tls-max=1.2"], "2"),
    ] {
        // `--tls-max` takes its value as a word of its own.
        let flags: Vec<&str> = flags.iter().flat_map(|flag| flag.split('=')).collect();
        let more = [&flags[..], &["-w", shown, "-H", &bearer]].concat();
        let Some(said) = curl(&house, "api.test", &certificate, "/orders/7?x=1", &more) else {
            return;
        };
        assert_eq!(
            said,
            format!("GET /orders/7?x=1 HTTP/1.1\n200 {version} 0"),
            "{flags:?}"
        );
        let more = [&flags[..], &["-w", shown, "-o", "/dev/null"]].concat();
        let said = curl(&house, "api.test", &certificate, "/orders", &more).unwrap();
        assert_eq!(said, format!("\n401 {version} 0"), "{flags:?}");
    }
    let seen = house.upstream.seen();
    assert_eq!(seen.len(), 4, "only what was permitted");
    for recorded in seen {
        assert_eq!(recorded.field("x-forwarded-proto"), Some("https"));
        let port = house.address.port();
        let forwarded = format!("for=127.0.0.1;host=\"api.test:{port}\";proto=https");
        assert_eq!(recorded.field("forwarded"), Some(forwarded.as_str()));
    }
}

#[test]
fn each_name_gets_its_certificate_and_a_new_one_without_a_restart() {
    let (Some(first), Some(second)) = (Certificate::of("one.test"), Certificate::of("two.test"))
    else {
        return;
    };
    let tls = tls(&[&first, &second]);
    let house = house(tls.clone(), Limits::default());
    let status = ["-w", "%{http_code}", "-o", "/dev/null"];
    for (name, root) in [("one.test", &first), ("two.test", &second)] {
        let Some(said) = curl(&house, name, root, "/health", &status) else {
            return;
        };
        assert_eq!(said, "200", "{name}");
    }
    let third = Certificate::of("one.test").unwrap();
    tls.replace(&[pem(&third)]).unwrap();
    assert_eq!(
        curl(&house, "one.test", &third, "/health", &status).unwrap(),
        "200"
    );
    let said = curl(&house, "one.test", &first, "/health", &status).unwrap();
    assert!(said.contains("certificate"), "the old one is gone: {said}");

    let broken = CertificatePem {
        chain: &third.chain,
        key: &first.key,
    };
    assert_eq!(
        tls.replace(&[pem(&third), broken]),
        Err((1, TlsError::Mismatch))
    );
    assert_eq!(tls.replace(&[]), Err((0, TlsError::Nothing)));
    for (chain, key, error) in [
        (&b""[..], &third.key[..], TlsError::Chain),
        (&third.key, &third.key, TlsError::Chain),
        (&third.chain, b"", TlsError::Key),
        (&third.chain, &third.chain, TlsError::Key),
    ] {
        assert_eq!(
            tls.replace(&[CertificatePem { chain, key }]),
            Err((0, error))
        );
    }
    let said = curl(&house, "one.test", &third, "/health", &status).unwrap();
    assert_eq!(said, "200", "the last good one stays");
}

#[test]
fn plain_http_on_the_tls_port_is_told_so() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let house = house(tls(&[&certificate]), Limits::default());
    let reply = house.raw(request("GET", "/health", &[]));
    assert_eq!(reply.status, 400);
    assert!(
        reply.is_whole && reply.text().contains("https://"),
        "{reply:?}"
    );
    house.upstream.assert_untouched();
}

#[test]
fn dos_005_half_a_handshake_is_not_waited_for() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let limits = Limits {
        handshake_timeout: Duration::from_millis(100),
        handshakes: 2,
        ..Limits::default()
    };
    let house = house(tls(&[&certificate]), limits);
    // A record of 16 KiB that is announced and never comes; and nothing at all.
    let mut clients = [house.client(), house.client()];
    clients[0].write([22, 3, 1, 64, 0, 1]);
    while house.gateway.connections() < 2 {
        std::thread::yield_now();
    }
    let mut third = house.client();
    assert!(
        third.is_closed(),
        "no more handshakes at a time than allowed"
    );
    for client in &mut clients {
        assert!(client.is_closed());
    }
    let status = ["-w", "%{http_code}", "-o", "/dev/null"];
    let said = curl(&house, "api.test", &certificate, "/health", &status);
    assert_eq!(said.as_deref(), Some("200"));
}

#[test]
fn dos_015_one_address_does_not_shake_every_hand() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let limits = Limits {
        handshakes: 4,
        handshake_timeout: Duration::from_secs(600),
        connections_per_address: Some(100),
        ..Limits::default()
    };
    let tls = tls(&[&certificate]);
    let house = House::start(Plan {
        limits,
        workers: 1, // so that places are taken in the order of arrival
        config: Box::new(|config| config.tls = Some(tls)),
        ..Plan::default()
    });
    let mut kept: Vec<Client> = Vec::new();
    for held in 1..=2 {
        kept.push(house.client());
        kept.last_mut().unwrap().write([22]);
        while house.gateway.connections() < held {
            std::thread::yield_now();
        }
    }
    assert!(house.client().is_closed(), "half of them are taken");
    // Somebody else is heard: plain words are answered.
    let mut other = Client::from("127.0.0.2", house.address);
    other.write(request("GET", "/health", &[]));
    assert_eq!(other.reply().status, 400);
    drop(kept);
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
    let mut again = house.client();
    again.write(request("GET", "/health", &[]));
    assert_eq!(again.reply().status, 400, "and their places are given back");
}

#[test]
fn dos_005_no_early_data_and_no_old_versions() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let house = house(tls(&[&certificate]), Limits::default());
    let address = house.address.to_string();
    let connect = |more: &[&str]| {
        let mut child = part("openssl")
            .unwrap()
            .args(["s_client", "-connect", &address, "-servername", "api.test"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let asked = request("GET", "/health", &["Connection: close"]);
        let _ = child.stdin.as_mut().unwrap().write_all(asked.as_bytes());
        let mut said = String::new();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        child.wait().unwrap();
        said
    };
    let said = connect(&["-tls1_3", "-ign_eof"]);
    assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
    assert!(said.contains("Max Early Data: 0"), "{said}");
    let said = connect(&["-tls1_1"]);
    assert!(!said.contains("HTTP/1.1 200"), "{said}");
}

#[test]
fn python_reads_a_large_answer_under_tls() {
    let Some(certificate) = Certificate::of("api.test") else {
        return;
    };
    let upstream = crate::harness::Recorder::with(|_, stream| {
        let body = vec![b'x'; 3_000_000];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&body).is_ok()
    });
    let tls = tls(&[&certificate]);
    let house = House::start(Plan {
        upstream: Some(upstream),
        config: Box::new(|config| config.tls = Some(tls)),
        ..Plan::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &certificate.chain).unwrap();
    let Some(mut python) = part("python3") else {
        return;
    };
    let script = "import ssl,sys,urllib.request as u\n\
        c=ssl.create_default_context(cafile=sys.argv[2])\n\
        for _ in range(3): print(len(u.urlopen(sys.argv[1],context=c,timeout=20).read()))";
    let output = python
        .args(["-c", script, &format!("https://{}/health", house.address)])
        .arg(&root)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "3000000\n".repeat(3));
}
