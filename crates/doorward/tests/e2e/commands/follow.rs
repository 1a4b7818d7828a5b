//! Commands beside a running server: it follows within a second.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::GOOD;
use crate::harness::{Answer, Server};

/// What "within a second" may take.
const A_SECOND: Duration = Duration::from_secs(1);

/// Asks until the answer is good, for at most a second.
#[track_caller]
fn within_a_second(ask: impl Fn() -> Answer, good: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask();
        let late = begun.elapsed() > A_SECOND;
        if good(&answer) {
            return answer;
        }
        assert!(!late, "after a second: {answer:?}");
    }
}

#[track_caller]
fn done(server: &Server, arguments: &[&str], input: &str) {
    let output = server.command_with_input(arguments, input);
    assert!(output.status.success(), "{arguments:?} {output:?}");
}

fn sign_in(server: &Server, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    server.post("/auth/sign-in", &body, None)
}

fn refresh(server: &Server, tokens: &Value) -> Answer {
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    server.post("/auth/refresh", &body, None)
}

fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[test]
fn a_user_is_added_disabled_and_enabled() {
    let server = Server::demo();
    let add = [
        "user",
        "add",
        "bob",
        "--tenant",
        "initech",
        "--role",
        "reader",
        "--password-stdin",
    ];
    done(&server, &add, GOOD);
    let tokens = within_a_second(
        || sign_in(&server, "bob", GOOD),
        |answer| answer.status == 200,
    );
    let tokens = tokens.json();
    let orders = || server.call("GET", "/orders", Some(access(&tokens)));
    assert_eq!(orders().status, 200);

    done(&server, &["user", "disable", "bob"], "");
    within_a_second(orders, |answer| answer.status == 401);
    assert_eq!(sign_in(&server, "bob", GOOD).reason(), "wrong_credentials");
    assert_eq!(refresh(&server, &tokens).status, 400);

    done(&server, &["user", "enable", "bob"], "");
    within_a_second(
        || sign_in(&server, "bob", GOOD),
        |answer| answer.status == 200,
    );
    // What was ended stays ended.
    assert_eq!(orders().status, 401);
    assert_eq!(refresh(&server, &tokens).status, 400);
}

#[test]
fn a_new_password_ends_the_sessions_of_the_old_one() {
    let server = Server::demo();
    let old = server.password("reader");
    let tokens = server.sign_in("reader");
    let other = server.sign_in("editor");
    let orders = |tokens: &Value| server.call("GET", "/orders", Some(access(tokens)));
    assert_eq!(orders(&tokens).status, 200);

    done(
        &server,
        &["user", "password", "reader", "--password-stdin"],
        GOOD,
    );
    within_a_second(|| orders(&tokens), |answer| answer.status == 401);
    assert_eq!(refresh(&server, &tokens).status, 400);
    assert_eq!(
        sign_in(&server, "reader", &old).reason(),
        "wrong_credentials"
    );
    let fresh = within_a_second(
        || sign_in(&server, "reader", GOOD),
        |answer| answer.status == 200,
    );
    assert_eq!(orders(&fresh.json()).status, 200);
    assert_eq!(
        orders(&other).status,
        200,
        "somebody else's session goes on"
    );
}

#[test]
fn a_granted_role_counts_after_a_refresh() {
    let server = Server::demo();
    let tokens = server.sign_in("reader");
    let delete = |tokens: &Value| server.call("DELETE", "/orders/7", Some(access(tokens)));
    assert_eq!(delete(&tokens).reason(), "missing_permission");

    done(&server, &["role", "grant", "reader", "editor"], "");
    within_a_second(|| delete(&tokens), |answer| answer.status == 401);
    let refreshed = refresh(&server, &tokens);
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let refreshed = refreshed.json();
    assert_eq!(delete(&refreshed).status, 204);

    done(&server, &["role", "revoke", "reader", "editor"], "");
    within_a_second(|| delete(&refreshed), |answer| answer.status == 401);
    let refreshed = refresh(&server, &refreshed).json();
    assert_eq!(delete(&refreshed).reason(), "missing_permission");
}

#[test]
fn a_role_in_another_tenant_opens_that_tenant() {
    let server = Server::demo();
    let body = json!({
        "username": "reader", "password": server.password("reader"), "tenant": "globex",
    });
    let globex = || server.post("/auth/sign-in", &body, None);
    assert_eq!(globex().status, 401);
    done(
        &server,
        &["role", "grant", "reader", "reader", "--tenant", "globex"],
        "",
    );
    let tokens = within_a_second(globex, |answer| answer.status == 200).json();
    let report = |tenant: &str| {
        let path = format!("/tenants/{tenant}/report");
        server.call("GET", &path, Some(access(&tokens))).status
    };
    assert_eq!((report("globex"), report("acme")), (200, 403));
}

/// Commands change the database of a running server; refused ones do not.
#[test]
fn a_refused_command_beside_a_server_changes_nothing() {
    let server = Server::demo();
    let everything = || {
        let lists: [&[&str]; 5] = [
            &["user", "list", "--json"],
            &["tenant", "list", "--json"],
            &["role", "list", "reader", "--json"],
            &["role", "list", "editor", "--json"],
            &["role", "list", "visitor", "--json"],
        ];
        lists.map(|arguments| server.command(arguments).stdout)
    };
    let before = everything();
    let token = server.access_token("reader");
    let refused: [&[&str]; 8] = [
        &[
            "user",
            "add",
            "bob",
            "--tenant",
            "fresh",
            "--password-stdin",
        ],
        &[
            "user",
            "add",
            "Bad Name",
            "--tenant",
            "fresh",
            "--password-stdin",
        ],
        &["user", "password", "reader", "--password-stdin"],
        &["user", "disable", "nobody"],
        &["role", "grant", "reader", "redaer"],
        &["role", "grant", "reader", "editor", "--tenant", "nowhere"],
        &["tenant", "add", "acme"],
        &["tenant", "add", "Bad Name"],
    ];
    for arguments in refused {
        let output = server.command_with_input(arguments, "short\n");
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
    }
    assert!(everything() == before);
    assert_eq!(server.call("GET", "/orders", Some(&token)).status, 200);
}

#[test]
fn login_keeps_a_session_that_curl_uses() {
    let server = Server::demo();
    let login = ["login", "reader", "--password-stdin"];
    let wrong = server.command_with_input(&login, "not the password at all\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&wrong.stderr),
        "refused: 401 user name or password is wrong\n"
    );
    assert!(!server.data().join("login.json").exists());
    let signed_in = server.command_with_input(&login, &server.password("reader"));
    assert_eq!(
        String::from_utf8_lossy(&signed_in.stderr),
        format!(
            "signed in to http://{} as reader; `doorward curl /path` uses the session\n",
            server.gateway
        )
    );
    let answer = server.command(&["curl", "/orders"]);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    let denied = server.command(&["curl", "-X", "DELETE", "/orders/7"]);
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");
    // The admin listener signs nobody in.
    let admin = format!("http://{}", server.admin);
    let astray = server.command_with_input(
        &["login", "reader", "--password-stdin", "--url", &admin],
        &server.password("reader"),
    );
    assert_eq!(astray.status.code(), Some(4), "{astray:?}");
    assert!(String::from_utf8_lossy(&astray.stderr).contains("/auth/sign-in answered 404"));
}
