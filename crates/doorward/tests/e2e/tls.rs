//! TLS of the binary: files from the configuration, renewed while it runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::harness::{Part, Server, doorward, find};

/// Writes `NAME.pem` and `NAME.key`, for `name` and the loopback address.
pub(crate) fn certificate(folder: &Path, name: &str) -> Option<()> {
    let made = Command::new(find("openssl")?)
        .args(["req", "-x509", "-nodes", "-days", "3", "-newkey", "ec"])
        .args([
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-subj",
            "/CN=doorward test",
        ])
        .args([
            "-addext",
            &format!("subjectAltName=DNS:{name},IP:127.0.0.1"),
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.pem")))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Some(())
}

/// Status and version of a GET, as curl with this root and name sees it.
fn curl(server: &Server, root: &Path, name: &str, path: &str) -> String {
    let port = server.gateway.port();
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20", "-o", "/dev/null"])
        .args(["-w", "%{http_code} %{http_version}", "--cacert"])
        .arg(root)
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .arg(format!("https://{name}:{port}{path}"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn until(server: &Server, root: &Path, name: &str, wanted: &str) {
    let patience = Instant::now() + Duration::from_secs(20);
    while curl(server, root, name, "/.well-known/jwks.json") != wanted {
        assert!(Instant::now() < patience, "{name}: never {wanted}");
        std::thread::yield_now();
    }
}

#[test]
fn certificates_are_shown_by_name_and_renewed_while_it_runs() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    if find("curl").is_none() || certificate(here, "one.test").is_none() {
        return;
    }
    certificate(here, "two.test").unwrap();
    let config = here.join("doorward.toml");
    let tls = "[[tls]]\ncertificate = \"one.test.pem\"\nkey = \"one.test.key\"\n\
        [[tls]]\ncertificate = \"two.test.pem\"\nkey = \"two.test.key\"\n";
    fs::write(&config, tls).unwrap();
    let arguments = [
        "--upstream",
        "http://127.0.0.1:9",
        "--config",
        config.to_str().unwrap(),
    ];
    let server = Server::start(&here.join("data"), &arguments);

    assert_eq!(
        curl(&server, &here.join("one.test.pem"), "one.test", "/nowhere"),
        "404 2"
    );
    assert_eq!(
        curl(&server, &here.join("two.test.pem"), "two.test", "/nowhere"),
        "404 2"
    );

    // Half of a renewal: a key that is not that of the certificate.
    fs::copy(here.join("one.test.pem"), here.join("old.pem")).unwrap();
    fs::rename(here.join("one.test.key"), here.join("old.key")).unwrap();
    let renewed = here.join("renewed");
    fs::create_dir(&renewed).unwrap();
    certificate(&renewed, "one.test").unwrap();
    fs::copy(renewed.join("one.test.key"), here.join("one.test.key")).unwrap();
    let hangup = Command::new("kill")
        .args(["-HUP", &server.pid().to_string()])
        .status();
    assert!(hangup.unwrap().success());
    until(&server, &here.join("old.pem"), "one.test", "200 2");
    // The other half.
    fs::copy(renewed.join("one.test.pem"), here.join("one.test.pem")).unwrap();
    until(&server, &renewed.join("one.test.pem"), "one.test", "200 2");
    assert_eq!(
        curl(&server, &here.join("old.pem"), "one.test", "/nowhere"),
        "000 0"
    );
    assert_eq!(server.signal("-TERM"), Some(0));
}

#[test]
fn keys_that_others_can_read_and_files_that_do_not_fit_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    if certificate(here, "one.test").is_none() {
        return;
    }
    certificate(here, "two.test").unwrap();
    let key = here.join("one.test.key");
    let refused = |tls: &str| {
        let config = here.join("doorward.toml");
        fs::write(&config, tls).unwrap();
        let output = doorward(&here.join("data"))
            .args([
                "up",
                "--upstream",
                "http://127.0.0.1:9",
                "--listen",
                "127.0.0.1:0",
            ])
            .args([
                "--admin-listen",
                "127.0.0.1:0",
                "--config",
                config.to_str().unwrap(),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        said.replace(here.to_str().unwrap(), "")
    };
    let own = "[tls]\ncertificate = \"one.test.pem\"\nkey = \"one.test.key\"\n";
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(own);
    assert!(
        said.contains("the TLS key /one.test.key is open to others (mode 0644)"),
        "{said}"
    );
    assert!(said.contains("chmod 600 /one.test.key"), "{said}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let said = refused(&own.replace("one.test.pem", "two.test.pem"));
    assert!(
        said.contains("the key is not that of the certificate"),
        "{said}"
    );
    let said = refused(&own.replace("one.test.pem", "none.pem"));
    assert!(
        said.contains("the TLS certificate /none.pem cannot be read"),
        "{said}"
    );
    let said = refused(&own.replace("one.test.pem", "one.test.key"));
    assert!(said.contains("no certificate in it"), "{said}");
    fs::write(&key, "-".repeat(64 * 1024 + 1)).unwrap();
    let said = refused(own);
    assert!(
        said.contains("the TLS key /one.test.key cannot be read: it is larger than 64 KiB"),
        "{said}"
    );
}

#[test]
fn production_beyond_loopback_asks_for_tls() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let config = place.path().join("doorward.toml");
    let start = |tls: &str| {
        fs::write(&config, format!("issuer = \"https://id.test\"\n{tls}")).unwrap();
        let mut command = doorward(&data);
        command
            .args([
                "up",
                "--json",
                "--production",
                "--upstream",
                "http://127.0.0.1:9",
            ])
            .args([
                "--listen",
                "0.0.0.0:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(&config);
        command
    };
    let output = start("").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("--production refuses: plain HTTP to callers"),
        "{said}"
    );
    let mut child = start("tls = \"terminated-elsewhere\"")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut out, &mut first).unwrap();
    assert!(first.contains("http://0.0.0.0:"), "{first}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn several_upstreams_under_tls_and_one_that_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    if certificate(here, "one.test").is_none() {
        return;
    }
    // Another gateway is the server, and answers by itself.
    let config = here.join("behind.toml");
    let tls = "[tls]\ncertificate = \"one.test.pem\"\nkey = \"one.test.key\"\n";
    fs::write(&config, tls).unwrap();
    let arguments = [
        "--upstream",
        "http://127.0.0.1:9",
        "--config",
        config.to_str().unwrap(),
    ];
    let behind = Server::start(&here.join("behind"), &arguments);
    let config = here.join("doorward.toml");
    let front = format!(
        "upstream = [\"https://127.0.0.1:9\", \"https://{}\"]\nupstream_ca = \"one.test.pem\"\n\
         [health]\npath = \"/.well-known/jwks.json\"\ninterval = \"1s\"\n\
         [timeouts]\nconnect = \"2s\"\n[limits]\nupstream_requests = 10\n\
         [[route]]\nmatch = \"GET /{{*rest}}\"\npublic = true\n",
        behind.gateway
    );
    fs::write(&config, front).unwrap();
    let server = Server::start(&here.join("data"), &["--config", config.to_str().unwrap()]);
    for _ in 0..10 {
        let answer = server.call("GET", "/anything", None);
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_eq!(answer.reason(), "no_route", "of the server behind");
    }
    assert_eq!(server.next_decision()["decision"]["outcome"], "allowed");
}

#[test]
fn the_demo_under_h2c_speaks_both() {
    let Some(curl) = find("curl") else {
        return;
    };
    let api = Part::start(|address| {
        let mut python = Command::new(find("python3").unwrap());
        python.args([
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &address.port().to_string(),
        ]);
        python
    });
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("doorward.toml");
    fs::write(
        &config,
        "h2c = true\n[[route]]\nmatch = \"GET /\"\npublic = true\n",
    )
    .unwrap();
    let upstream = format!("http://{}", api.address);
    let arguments = [
        "--upstream",
        &upstream,
        "--config",
        config.to_str().unwrap(),
    ];
    let server = Server::start(&place.path().join("data"), &arguments);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let output = Command::new(&curl)
            .args(["--silent", "--max-time", "20", "-o", "/dev/null", flag])
            .args(["-w", "%{http_code} %{http_version}"])
            .arg(format!("http://{}/", server.gateway))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("200 {version}")
        );
    }
}
