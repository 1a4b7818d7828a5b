//! The unauthorized matrix: every operation, called by those who may not.
//!
//! A row for each entry of [`ENDPOINTS`], from which the router is built: an
//! endpoint without a row, a row without an endpoint, and a row whose access
//! is not the endpoint's fail the test.

use std::collections::BTreeMap;

use doorward_issuer::http::{Access, ENDPOINTS};
use http::Method;

use crate::harness::{CHEAP, House, PASSWORD, form, post, request, with_bearer};

struct Row {
    operation: &'static str,
    access: Access,
    /// What each of [`callers`] gets, in their order.
    statuses: [u16; 4],
}

/// Nobody, garbage, another issuer's token, a token of an ended session.
///
/// A public operation does not read the token at all: without a body that
/// makes sense it says so to everybody alike.
const ROWS: &[Row] = &[
    Row {
        operation: "POST /auth/sign-in",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /auth/refresh",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /auth/sign-out",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "GET /auth/me",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/sign-in/second-factor",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /auth/password",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/password/reset",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /auth/api-keys/report",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "GET /auth/second-factor",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/second-factor",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/second-factor/confirm",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/second-factor/recovery-codes",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /auth/second-factor/remove",
        access: Access::Token,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "POST /oauth2/token",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /oauth2/revoke",
        access: Access::Public,
        statuses: [415, 415, 415, 415],
    },
    Row {
        operation: "POST /oauth2/introspect",
        access: Access::Client,
        statuses: [401, 401, 401, 401],
    },
    Row {
        operation: "GET /.well-known/jwks.json",
        access: Access::Public,
        statuses: [200, 200, 200, 200],
    },
    Row {
        operation: "GET /.well-known/openid-configuration",
        access: Access::Public,
        statuses: [200, 200, 200, 200],
    },
    // Without a cursor, and before anything was signed.
    Row {
        operation: "GET /revocations",
        access: Access::Public,
        statuses: [400, 400, 400, 400],
    },
    Row {
        operation: "GET /revocations/snapshot",
        access: Access::Public,
        statuses: [503, 503, 503, 503],
    },
    Row {
        operation: "GET /.well-known/oauth-authorization-server",
        access: Access::Public,
        statuses: [200, 200, 200, 200],
    },
    Row {
        operation: "GET /.well-known/doorward/reasons/{code}",
        access: Access::Public,
        statuses: [200, 200, 200, 200],
    },
];

type Operations = BTreeMap<String, Access>;

fn operations() -> Operations {
    let named = |endpoint: &doorward_issuer::http::Endpoint| {
        (
            format!("{} {}", endpoint.method, endpoint.path),
            endpoint.access,
        )
    };
    ENDPOINTS.iter().map(named).collect()
}

/// Where the rows and the operations differ.
fn differences(operations: &Operations, rows: &[Row]) -> Vec<String> {
    let rows: Operations = rows
        .iter()
        .map(|row| (row.operation.to_owned(), row.access))
        .collect();
    let missing = operations
        .iter()
        .filter(|(name, access)| rows.get(*name) != Some(*access));
    let stale = rows
        .iter()
        .filter(|(name, _)| !operations.contains_key(*name));
    let missing = missing.map(|(name, _)| format!("no row for {name} as it is"));
    let stale = stale.map(|(name, _)| format!("no endpoint for row {name}"));
    missing.chain(stale).collect()
}

async fn callers(house: &House) -> [Option<String>; 4] {
    let other = House::with(CHEAP, 2).await;
    let ended = house.sign_in("alice").await.access;
    house.sign_out(&ended).await;
    let foreign = other.sign_in("alice").await.access;
    [None, Some("a.b.c".to_owned()), Some(foreign), Some(ended)]
}

#[test]
fn every_operation_has_its_row() {
    assert_eq!(differences(&operations(), ROWS), Vec::<String>::new());
}

/// The test of the test: it fails when somebody adds, opens or drops an
/// endpoint.
#[test]
fn an_added_opened_or_dropped_endpoint_is_noticed() {
    let mut added = operations();
    added.insert("POST /auth/sign-up".to_owned(), Access::Public);
    assert_eq!(
        differences(&added, ROWS),
        ["no row for POST /auth/sign-up as it is"]
    );
    let mut opened = operations();
    opened.insert("GET /auth/me".to_owned(), Access::Public);
    assert_eq!(
        differences(&opened, ROWS),
        ["no row for GET /auth/me as it is"]
    );
    let mut dropped = operations();
    dropped.remove("GET /auth/me");
    assert_eq!(
        differences(&dropped, ROWS),
        ["no endpoint for row GET /auth/me"]
    );
}

#[tokio::test]
async fn nobody_gets_in_where_a_token_is_asked_for() {
    let house = House::new().await;
    let callers = callers(&house).await;
    for row in ROWS {
        let (method, path) = row.operation.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        assert!(
            row.access == Access::Public || row.statuses == [401; 4],
            "{}",
            row.operation
        );
        for (caller, status) in callers.iter().zip(row.statuses) {
            let path = path.replace("{code}", "no_token");
            let ask = match row.access {
                Access::Client => form(&path, &[("token", "a.b.c")]),
                _ => request(method.clone(), &path),
            };
            let ask = with_bearer(ask, caller.as_deref());
            let answer = house.call(ask).await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{} as {caller:?}",
                row.operation
            );
        }
    }
}

/// The operations of this router act on the caller's own session only, so the
/// wrong tenant shows its own and ends its own.
#[tokio::test]
async fn another_tenants_token_reaches_nothing_of_ours() {
    let house = House::new().await;
    let alice = house.sign_in("alice").await;
    let bob = house.sign_in("bob").await;
    let me = house
        .get("/auth/me?tenant=acme", Some(&bob.access))
        .await
        .json();
    assert_eq!(
        (me["tenant"].as_str(), me["username"].as_str()),
        (Some("globex"), Some("bob"))
    );
    house.sign_out(&bob.access).await;
    assert_eq!(house.get("/auth/me", Some(&alice.access)).await.status, 200);
    // A session of one tenant is not one of another, even for the same user.
    house
        .issuer
        .admin()
        .grant_role("alice", "globex", "reader")
        .await
        .unwrap();
    let body = serde_json::json!({ "username": "alice", "password": PASSWORD, "tenant": "globex" });
    let visiting = house.call(post("/auth/sign-in", &body)).await.tokens();
    let me = house.get("/auth/me", Some(&visiting.access)).await.json();
    assert_eq!(me["tenant"], "globex");
}
