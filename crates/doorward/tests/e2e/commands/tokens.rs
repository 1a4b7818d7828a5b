//! `token mint`, `inspect` and `verify`: yes, no, and what is neither.

use serde_json::Value;

use super::Place;
use crate::harness::{Part, Server, find};

/// A place with a token of the reader in the file `token`, and the token.
fn place() -> (Place, String) {
    let place = Place::after_demo();
    let token = place.run(&["token", "mint", "--as", "reader"]).out;
    place.write("token", &token);
    (place, token.trim().to_owned())
}

/// The same with a running server; its origin, and its keys in `jwks.json`.
fn served() -> (Place, Server, String) {
    let place = Place::empty();
    let server = Server::start(&place.data(), &["--demo"]);
    place.write("token", server.access_token("reader"));
    place.write(
        "jwks.json",
        server.call("GET", "/.well-known/jwks.json", None).body,
    );
    let origin = format!("http://{}", server.gateway);
    (place, server, origin)
}

/// `text` with a placeholder for the one key id in it.
fn without_kid(text: &str) -> String {
    let word = text
        .split("kid ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    word.map_or_else(|| text.to_owned(), |kid| text.replace(kid, "[KID]"))
}

#[test]
fn a_good_token() {
    let (place, _) = place();
    let run = place.run(&["token", "verify", "--token-file", "token"]);
    let text = without_kid(&run.text());
    let seconds = text
        .split("expires in ")
        .nth(1)
        .and_then(|rest| rest.split('\n').next());
    let text = text.replace(seconds.unwrap(), "[LIFE]");
    assert_eq!(
        text,
        super::unindented(
            "
            valid [ID]
              ✓ token       JWS, ES256
              ✓ signature   good, kid [KID]
              ✓ audience    issuer and audience match
              ✓ time        expires in [LIFE]
              ✓ revocation  alive, not revoked
            => 0
            "
        )
    );
}

#[test]
fn a_changed_token_is_no_and_says_which_check_failed() {
    let (place, token) = place();
    let (start, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{start}.{first}{}", &signature[1..]);
    place.write("token", tampered);
    place
        .run(&["token", "verify", "--token-file", "token"])
        .shows(
            "
        invalid bad_signature: the signature does not hold
          ✓ token       JWS, ES256
          ✗ signature   wants  a signature by a published key
                        has   the signature does not hold
        => 1
        ",
        );
    let told = place.run(&["token", "verify", "--token-file", "token", "--json"]);
    assert_eq!(told.code, 1);
    let told = told.json();
    assert_eq!(
        (&told["valid"], &told["claims"]),
        (&Value::Bool(false), &Value::Null)
    );
    assert_eq!(told["reason"], "bad_signature");
    assert_eq!(told["checks"][1]["passed"], false);
}

#[test]
fn garbage_is_no_with_a_reason() {
    let (place, _) = place();
    let garbage: [(&[u8], &str); 8] = [
        (b"garbage", "token_malformed"),
        (b"a.b.c", "token_malformed"),
        (b"...", "token_malformed"),
        (b"\xff\xfe\xfd", "token_malformed"),
        ("ü.ü.ü".as_bytes(), "token_malformed"),
        (b"eyJhbGciOiJub25lIn0.e30.", "token_malformed"),
        (&[b'.'; 5_000], "token_malformed"),
        (&[b'a'; 64 << 10], "token_too_large"),
    ];
    for (token, reason) in garbage {
        let start = String::from_utf8_lossy(&token[..token.len().min(30)]);
        let run = place.run_fed(&["token", "verify", "--json"], token);
        assert_eq!(run.code, 1, "{start}: {}", run.text());
        let told = run.json();
        assert_eq!(told["valid"], false, "{start}");
        let alike = told["reason"] == reason || told["reason"] == "algorithm_not_allowed";
        assert!(alike, "{start}: {}", told["reason"]);
        let run = place.run_fed(&["token", "verify"], token);
        assert!(run.out.starts_with("invalid "), "{start}: {}", run.text());
    }
    // Its beginning is no token either.
    place.run_fed(&["token", "verify"], &[b'a'; 3 << 20]).shows(
        "
        error: standard input is larger than 64 KiB
        help:  put the password or the token there, and nothing else
        => 2
        ",
    );
    place.run_fed(&["token", "inspect"], b"garbage").shows(
        "
        not a token: the token is not a well-formed compact JWS
        => 1
        ",
    );
    let told = place
        .run_fed(&["token", "inspect", "--json"], b"garbage")
        .json();
    assert_eq!(told["reason"], "the token is not a well-formed compact JWS");
    assert_eq!(
        (&told["header"], &told["claims"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn inspect_shows_claims_and_that_nothing_is_proven() {
    let (place, _) = place();
    let run = place.run(&["token", "inspect", "--token-file", "token"]);
    assert_eq!(run.err, "decoded, not verified: nothing below is proven\n");
    let lines: Vec<&str> = run.out.lines().collect();
    for line in [
        "header",
        "  alg          \"ES256\"",
        "  typ          \"at+jwt\"",
        "claims",
        "  tenant       \"acme\"",
        "  roles        [\"reader\"]",
        "  permissions  [\"orders:read\",\"reports:read\"]",
    ] {
        assert!(lines.contains(&line), "{line}: {}", run.out);
    }
    let exp = lines
        .iter()
        .find(|line| line.starts_with("  exp "))
        .unwrap();
    assert!(
        exp.ends_with("in 5 min") || exp.ends_with("in 4 min"),
        "{exp}"
    );
}

#[test]
fn a_key_set_from_a_file_and_from_an_address() {
    let (place, _server, origin) = served();
    let address = format!("{origin}/.well-known/jwks.json");
    for jwks in ["jwks.json", &address] {
        let verify = ["token", "verify", "--token-file", "token", "--jwks", jwks];
        let with = |more: &[&str]| place.run(&[&verify[..], more].concat());
        let good = with(&["--issuer", &origin, "--audience", &origin]);
        assert_eq!(good.code, 0, "{}", good.text());
        // A key set does not tell what was revoked, and nobody claims it.
        assert!(!good.out.contains("revocation"), "{}", good.out);
        assert_eq!(
            good.err,
            "whether it was revoked is not known: a key set does not tell\n"
        );
        let told = with(&["--issuer", &origin, "--audience", &origin, "--json"]).json();
        assert_eq!(told["revocation_checked"], false);
        let wrong: [(&[&str], &str); 4] = [
            (
                &["--issuer", "https://other", "--audience", &origin],
                "wrong_issuer",
            ),
            (
                &["--issuer", &origin, "--audience", "other"],
                "wrong_audience",
            ),
            (
                &[
                    "--issuer",
                    &origin,
                    "--audience",
                    &origin,
                    "--algorithm",
                    "RS256",
                ],
                "algorithm_not_allowed",
            ),
            (
                &[
                    "--issuer",
                    &origin,
                    "--audience",
                    &origin,
                    "--algorithm",
                    "HS256",
                ],
                "algorithm_not_allowed",
            ),
        ];
        for (more, reason) in wrong {
            let run = with(more);
            assert_eq!(run.code, 1, "{}", run.text());
            let begins = format!("invalid {reason}: ");
            assert!(run.out.starts_with(&begins), "{}", run.text());
        }
        for missing in [&["--issuer", &*origin][..], &["--audience", &*origin], &[]] {
            let run = with(missing);
            assert_eq!(run.code, 2, "{}", run.text());
            let said = "the following required arguments were not provided";
            assert!(run.err.contains(said), "{}", run.text());
        }
        let unknown = with(&[
            "--issuer",
            &origin,
            "--audience",
            &origin,
            "--algorithm",
            "es256",
        ]);
        assert_eq!(unknown.code, 2);
    }
}

#[test]
fn a_key_set_that_is_broken_or_out_of_reach() {
    let (place, _server, origin) = served();
    place.write("empty", "");
    place.write("none.json", "{\"keys\":[]}");
    place.write("private.json", PRIVATE);
    place.write("binary", [0xff; 64]);
    place.write("huge", vec![b' '; 8 << 20]);
    let verify = |jwks: &str| {
        let arguments = [
            "token",
            "verify",
            "--token-file",
            "token",
            "--jwks",
            jwks,
            "--issuer",
            &origin,
            "--audience",
            &origin,
        ];
        place.run(&arguments)
    };
    for broken in [
        "empty",
        "none.json",
        "private.json",
        "binary",
        "huge",
        "token",
    ] {
        let run = verify(broken);
        assert_eq!(run.code, 3, "{broken}: {}", run.text());
        let begins = format!("error: the key set of {broken} is refused: ");
        assert!(run.err.starts_with(&begins), "{}", run.text());
        assert!(run.err.contains("help:  a key set holds public keys only"));
    }
    verify("none").shows(
        "
        error: cannot read none: No such file or directory (os error 2)
        help:  check the path and its permissions
        => 4
        ",
    );
    verify("http://127.0.0.1:1/jwks.json").shows(
        "
        error: cannot fetch http://127.0.0.1:1/jwks.json: no connection: Connection refused (os error 111)
        help:  is the server running, and the address right? `doorward up` starts one
        => 4
        ",
    );
    let closed = verify(&format!("{origin}/orders"));
    assert_eq!(closed.code, 4);
    assert!(
        closed.err.contains("/orders: the answer has status 401"),
        "{}",
        closed.err
    );
    verify("https://127.0.0.1:1/jwks.json").shows(
        "
        error: cannot fetch https://127.0.0.1:1/jwks.json: no connection: Connection refused (os error 111)
        help:  is the server running, and the address right? `doorward up` starts one
        => 4
        ",
    );
    verify("http://169.254.169.254/latest/meta-data").shows(
        "
        error: cannot fetch http://169.254.169.254/latest/meta-data: the address is link-local; allow that kind if it is meant
        help:  check the address; Doorward serves /.well-known/jwks.json
        => 4
        ",
    );
    verify("http://1.1.1.1/jwks.json").shows(
        "
        error: cannot fetch http://1.1.1.1/jwks.json: plain http would leave this machine; use https
        help:  use https, or fetch the set yourself and name the file
        => 4
        ",
    );
    verify("file:///etc/passwd").shows(
        "
        error: `file:///etc/passwd` cannot be asked: only https, and http to this machine, can be asked for keys
        help:  write it like http://127.0.0.1:4180/.well-known/jwks.json
        => 2
        ",
    );
    verify("http://").shows(
        "
        error: `http://` is not an address
        help:  write it like http://127.0.0.1:4180/.well-known/jwks.json
        => 2
        ",
    );
}

/// A key set that somebody else's server offers, as a file of that server.
#[test]
fn a_key_set_from_a_server_that_is_not_ours() {
    let Some(python) = find("python3") else {
        return;
    };
    let (place, _server, origin) = served();
    let files = Part::start(|address| {
        let mut command = std::process::Command::new(python);
        command
            .args(["-m", "http.server", "--bind", "127.0.0.1"])
            .arg(address.port().to_string())
            .current_dir(place.path());
        command
    });
    let jwks = format!("http://{}/jwks.json", files.address);
    let run = place.run(&[
        "token",
        "verify",
        "--token-file",
        "token",
        "--jwks",
        &jwks,
        "--issuer",
        &origin,
        "--audience",
        &origin,
    ]);
    assert_eq!(run.code, 0, "{}", run.text());
}

#[test]
fn two_tokens_side_by_side() {
    let place = Place::empty();
    place.write("a", A);
    place.write("b", B);
    place.write("copy", format!("Bearer {A}\n"));
    place.write("resigned", format!("{}AQ", &A[..A.len() - 2]));
    place.write("none", "no token");
    let diff = |second: &str| place.run(&["token", "diff", "a", second]);
    diff("copy").shows(
        "
        the same token
        decoded, not verified: nothing below is proven
        => 0
        ",
    );
    diff("b").shows(
        "
        header
          kid          A \"k1\", B \"k2\"
        claims
          acr          only in B: \"2\"
          exp          A 1800000000, B 1800000300   B is 5 min later
          roles        only A has \"editor\"
          sid          only in A: \"s1\"
        decoded, not verified: nothing below is proven
        => 1
        ",
    );
    diff("resigned").shows(
        "
        the same header and claims, written or signed differently
        decoded, not verified: nothing below is proven
        => 1
        ",
    );
    diff("none").shows(
        "
        error: none holds no token: the token is not a well-formed compact JWS
        help:  name two files with one token each
        => 2
        ",
    );
    assert_eq!(diff("absent").code, 4);
    let told = place.run(&["token", "diff", "a", "b", "--json"]);
    assert_eq!(told.code, 1);
    let told = told.json();
    assert_eq!(
        (&told["same"], &told["verified"]),
        (&false.into(), &false.into())
    );
    assert_eq!(told["header"][0]["a"], "k1");
    assert_eq!(told["claims"][0]["b"], "2");
    assert_eq!(told["claims"][0]["a"], Value::Null);
}

/// Unsigned, with `kid`, `sub`, `exp`, `roles` and `sid`.
const A: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJhbm4iLCJleHAiOjE4MDAwMDAwMDAsInJvbGVzIjpbInJlYWRlciIsImVkaXRvciJdLCJzaWQiOiJzMSJ9.AA";
/// Unsigned, with another `kid` and `exp`, one role less, `acr` and no `sid`.
const B: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsyIn0.eyJzdWIiOiJhbm4iLCJleHAiOjE4MDAwMDAzMDAsInJvbGVzIjpbInJlYWRlciJdLCJhY3IiOiIyIn0.AA";

/// RFC 8037 appendix A.1: a private key, which no key set may hold.
const PRIVATE: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
