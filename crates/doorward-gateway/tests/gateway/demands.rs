//! Which tokens a route takes, and how their user must have signed in.

use doorward_policy::{
    decision::Step,
    route::{
        Requirement, RouteSpec,
        demands::{Demands, StepUp},
    },
};
use serde_json::{Value, json};

use crate::harness::{
    House, Plan, Tokens, route,
    tokens::{FOREIGN_ISSUER, NOW},
};

fn asking(pattern: &str, demands: Demands) -> RouteSpec {
    RouteSpec {
        demands,
        ..route(pattern, Requirement::Authenticated)
    }
}

fn step_up(acr: &[&str], max_age: Option<u64>) -> Demands {
    Demands {
        step_up: StepUp {
            acr: acr.iter().map(ToString::to_string).collect(),
            max_age,
        },
        ..Demands::default()
    }
}

fn audience(name: &str) -> Demands {
    Demands {
        audience: Some(name.to_owned()),
        ..Demands::default()
    }
}

fn house(routes: Vec<RouteSpec>) -> House {
    House::start(Plan {
        routes,
        ..Plan::default()
    })
}

/// With another issuer, and what makes its tokens.
fn house_of_two(routes: Vec<RouteSpec>) -> (House, Tokens) {
    let theirs = Tokens::new();
    let house = House::start(Plan {
        routes,
        more_issuers: vec![theirs.foreign()],
        ..Plan::default()
    });
    (house, theirs)
}

/// A token with `changes` in its claims.
fn bearer(issuer: &Tokens, changes: Value) -> String {
    let mut claims = Tokens::claims("ann", &[]);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    format!("Authorization: Bearer {}", issuer.sign(&claims))
}

#[test]
fn clm_023_a_weak_or_old_sign_in_is_challenged_and_a_good_one_is_let_in() {
    let house = house(vec![
        asking("GET /strong", step_up(&["aal2", "aal3"], None)),
        asking("GET /fresh", step_up(&[], Some(300))),
    ]);
    let cases = [
        ("/strong", json!({ "acr": "aal2" }), 200),
        ("/strong", json!({ "acr": "aal3" }), 200),
        ("/strong", json!({ "acr": "aal1" }), 401),
        ("/strong", json!({ "acr": "AAL2" }), 401),
        ("/strong", json!({ "acr": "aal2 aal3" }), 401),
        ("/strong", json!({ "amr": ["mfa"] }), 401),
        ("/fresh", json!({ "auth_time": NOW - 300 }), 200),
        ("/fresh", json!({ "auth_time": NOW }), 200),
        ("/fresh", json!({ "auth_time": NOW + 30 }), 200),
        ("/fresh", json!({ "auth_time": NOW + 31 }), 401),
        ("/fresh", json!({ "auth_time": NOW - 301 }), 401),
        ("/fresh", json!({}), 401),
    ];
    for (path, claims, status) in cases {
        let reply = house.get(path, &[&bearer(&house.tokens, claims.clone())]);
        assert_eq!(reply.status, status, "{path} {claims}");
        if status == 401 {
            assert_eq!(reply.reason(), "insufficient_user_authentication");
            let challenge = reply.field("www-authenticate").unwrap();
            let wanted = match path {
                "/strong" => "acr_values=\"aal2 aal3\"",
                _ => "max_age=\"300\"",
            };
            assert!(challenge.contains("error=\"insufficient_user_authentication\""));
            assert!(challenge.contains(wanted), "{challenge}");
        }
    }
}

/// Nobody is sent to sign in again for what they may not do anyway.
#[test]
fn clm_023_the_permission_is_asked_for_before_a_stronger_sign_in() {
    let requirement = Requirement::Allow("orders:pay".parse().unwrap());
    let house = house(vec![RouteSpec {
        requirement,
        ..asking("GET /pay", step_up(&["aal2"], None))
    }]);
    let reply = house.get("/pay", &[&bearer(&house.tokens, json!({ "acr": "aal1" }))]);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (403, "missing_permission")
    );
}

/// Its `acr` may mean anything, so it counts only where the mapping says so.
#[test]
fn clm_023_another_issuers_words_about_its_sign_ins_do_not_count_unasked() {
    let (mut house, theirs) = house_of_two(vec![
        asking("GET /strong", step_up(&["aal2"], None)),
        asking("GET /fresh", step_up(&[], Some(300))),
    ]);
    for path in ["/strong", "/fresh"] {
        let claims = json!({ "iss": FOREIGN_ISSUER, "acr": "aal2", "auth_time": NOW });
        let reply = house.get(path, &[&bearer(&theirs, claims)]);
        assert_eq!(reply.reason(), "insufficient_user_authentication", "{path}");
        let decision = house.decision();
        assert_eq!(decision.failed_check().unwrap().step, Step::StepUp);
    }
}

#[test]
fn clm_011_a_route_with_an_audience_of_its_own_takes_tokens_for_it_and_no_others() {
    let house = house(vec![
        asking("GET /orders", Demands::default()),
        asking("GET /reports", audience("reports")),
    ]);
    let cases = [
        (json!("orders"), [200, 401]),
        (json!("reports"), [401, 200]),
        (json!(["orders", "reports"]), [200, 200]),
        (json!("reports2"), [401, 401]),
    ];
    // Twice, because the second time they may be remembered.
    for (aud, statuses) in cases.iter().chain(&cases) {
        let token = bearer(&house.tokens, json!({ "aud": aud }));
        let got = ["/orders", "/reports"].map(|path| house.get(path, &[&token]).status);
        assert_eq!(got, *statuses, "{aud}");
    }
    let refused = house.get(
        "/reports",
        &[&bearer(&house.tokens, json!({ "aud": "orders" }))],
    );
    assert_eq!(refused.reason(), "invalid_token");
}

#[test]
fn clm_009_a_route_for_one_issuer_takes_no_token_of_another() {
    let demands = Demands {
        issuer: Some(FOREIGN_ISSUER.to_owned()),
        ..Demands::default()
    };
    let (house, theirs) = house_of_two(vec![asking("GET /partners", demands)]);
    let ours = house.get("/partners", &[&bearer(&house.tokens, json!({}))]);
    assert_eq!(
        (ours.status, ours.reason().as_str()),
        (401, "invalid_token")
    );
    let claims = json!({ "iss": FOREIGN_ISSUER });
    let reply = house.get("/partners", &[&bearer(&theirs, claims)]);
    assert_eq!(reply.status, 200);
}
