//! Sign in, call, refresh, sign out: the flow that everything else serves.

use serde_json::json;

use crate::harness::Server;

#[test]
fn sign_in_call_refresh_sign_out() {
    let server = Server::demo();
    let tokens = server.sign_in("reader");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 300);

    let me = server.call("GET", "/auth/me", Some(access));
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!(me.json()["tenant"], "acme");
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 200);

    let refreshed = server.post(
        "/auth/refresh",
        &json!({ "refresh_token": tokens["refresh_token"] }),
        None,
    );
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let refreshed = refreshed.json();
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
    let access = refreshed["access_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 200);

    let out = server.post("/auth/sign-out", &json!({}), Some(access));
    assert_eq!(out.status, 204, "{out:?}");
    let denied = server.call("GET", "/orders", Some(access));
    assert_eq!(
        (denied.status, denied.reason().as_str()),
        (401, "session_revoked")
    );
    let dead = server.post(
        "/auth/refresh",
        &json!({ "refresh_token": refreshed["refresh_token"] }),
        None,
    );
    assert_eq!(
        (dead.status, dead.json()["error"].as_str()),
        (400, Some("invalid_grant"))
    );
}

#[test]
fn the_main_job_401_403_200() {
    let server = Server::demo();
    let nobody = server.call("GET", "/orders", None);
    assert_eq!((nobody.status, nobody.reason().as_str()), (401, "no_token"));
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));

    let reader = server.access_token("reader");
    assert_eq!(server.call("GET", "/orders", Some(&reader)).status, 200);
    let denied = server.call("DELETE", "/orders/7", Some(&reader));
    assert_eq!(
        (denied.status, denied.reason().as_str()),
        (403, "missing_permission")
    );
    assert!(
        denied
            .header("www-authenticate")
            .unwrap()
            .contains("scope=\"orders:delete\"")
    );
    assert!(
        denied.json()["detail"]
            .as_str()
            .unwrap()
            .contains("orders:delete")
    );

    let editor = server.access_token("editor");
    assert_eq!(
        server.call("DELETE", "/orders/7", Some(&editor)).status,
        204
    );
    assert_eq!(server.call("GET", "/health", None).status, 200);
    let closed = server.call("GET", "/nothing", Some(&editor));
    assert_eq!((closed.status, closed.reason().as_str()), (404, "no_route"));
}

#[test]
fn auz_004_a_tenants_report_is_for_that_tenant_alone() {
    let server = Server::demo();
    let (acme, globex) = (
        server.access_token("reader"),
        server.access_token("visitor"),
    );
    assert_eq!(
        server
            .call("GET", "/tenants/acme/report", Some(&acme))
            .status,
        200
    );
    assert_eq!(
        server
            .call("GET", "/tenants/globex/report", Some(&globex))
            .status,
        200
    );
    for (tenant, token) in [("globex", &acme), ("acme", &globex)] {
        let denied = server.call("GET", &format!("/tenants/{tenant}/report"), Some(token));
        assert_eq!(
            (denied.status, denied.reason().as_str()),
            (403, "wrong_tenant")
        );
    }
}

#[test]
fn gwy_019_a_kept_token_goes_to_its_own_server_alone() {
    let (home, other) = (Server::demo(), Server::demo());
    let url = format!("http://{}", other.gateway);
    let login = ["login", "reader", "--password-stdin", "--url", &url];
    let login = home.command_with_input(&login, &other.password("reader"));
    assert!(login.status.success(), "{login:?}");
    let asked = home.command(&["curl", "--json", "/auth/me"]);
    assert!(asked.status.success(), "{asked:?}");
    let answer: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(
        answer["body"]["iss"].as_str().unwrap_or(&url),
        url,
        "{answer}"
    );
    let elsewhere = format!("http://{}/orders", home.gateway);
    let refused = home.command(&["curl", &elsewhere]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}
