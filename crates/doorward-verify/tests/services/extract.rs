//! What the extractors let through, what they answer, and what they record.

use axum::{
    Router,
    routing::{delete, get},
};
use doorward_policy::{
    decision::{Outcome, Reason, Step},
    permit::{require_claim, require_permission},
};
use doorward_verify::{
    extract::{ClaimMatch, Permitted, RequiredClaim, RequiredPermission, TenantMatch},
    layer::DecisionRecord,
    permission,
    principal::Principal,
};

use crate::house::{House, call, request};

permission!(OrdersRead = "orders:read");
permission!(OrdersDelete = "orders:delete");

/// A permission that no parser takes.
struct Wild;

impl RequiredPermission for Wild {
    const NAME: &'static str = "*";
}

struct OwnPage;

impl RequiredClaim for OwnPage {
    const CLAIM: &'static str = "sub";
    const PARAMETER: &'static str = "user";
}

async fn me(principal: Principal) -> String {
    principal.subject().to_owned()
}

async fn maybe(principal: Option<Principal>) -> String {
    principal.map_or("nobody".to_owned(), |known| known.subject().to_owned())
}

async fn read(permitted: Permitted<OrdersRead>) -> String {
    permitted.into_principal().subject().to_owned()
}

async fn owned(principal: Principal, record: DecisionRecord) -> Result<(), http::StatusCode> {
    let own =
        record.update(|decision| require_claim("sub", Some("somebody-else"), &principal, decision));
    own.map_err(|_| http::StatusCode::FORBIDDEN)
}

fn router() -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/maybe", get(maybe))
        .route("/orders", get(read))
        .route(
            "/orders/{id}",
            delete(|_: Permitted<OrdersDelete>| async {}),
        )
        .route("/wild", get(|_: Permitted<Wild>| async {}))
        .route(
            "/tenants/{tenant}/report",
            get(|tenant: TenantMatch, _: Permitted<OrdersRead>| async move {
                tenant.value().to_owned()
            }),
        )
        .route("/users/{user}", get(|_: ClaimMatch<OwnPage>| async {}))
        .route("/forgotten/{id}", get(|_: TenantMatch| async {}))
        .route("/owned", get(owned))
}

fn guarded(house: &House) -> Router {
    router().layer(house.layer.clone())
}

#[tokio::test]
async fn a_held_permission_lets_through_and_the_record_says_so() {
    let house = House::new();
    let token = house.token(&["orders:*"]);
    let answer = call(&guarded(&house), request("GET /orders", Some(&token))).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "user-1"));
    let decision = house.decision();
    assert_eq!(decision.reason, Reason::PermissionGranted);
    assert_eq!(&*decision.route.unwrap().pattern, "GET /orders");
    assert_eq!(decision.checks.last().unwrap().step, Step::Permission);
}

#[tokio::test]
async fn a_missing_permission_is_403_with_the_scope_that_was_wanted() {
    let house = House::new();
    let token = house.token(&["orders:read"]);
    let answer = call(&guarded(&house), request("DELETE /orders/7", Some(&token))).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.reason()),
        (403, "missing_permission")
    );
    assert_eq!(
        answer.json()["detail"],
        "wants orders:delete, has orders:read"
    );
    let challenge = answer.challenge.unwrap();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"orders:delete\"")
    );
    let decision = house.decision();
    assert_eq!(
        (decision.outcome, decision.status),
        (Outcome::Denied, Some(403))
    );
    assert_eq!(&*decision.route.unwrap().pattern, "DELETE /orders/{id}");
}

/// The extractor writes what the gateway's own function writes.
#[tokio::test]
async fn the_record_is_that_of_the_same_question_asked_by_hand() {
    let house = House::new();
    let app = guarded(&house).route(
        "/by-hand",
        get(|principal: Principal, record: DecisionRecord| async move {
            let wanted = OrdersDelete::NAME.parse().expect("a permission");
            let _ = record.update(|decision| require_permission(&wanted, &principal, decision));
        }),
    );
    let app = app.layer(house.layer.clone());
    let token = house.token(&["orders:read"]);
    call(&guarded(&house), request("DELETE /orders/7", Some(&token))).await;
    let extracted = house.decision();
    call(&app, request("GET /by-hand", Some(&token))).await;
    let by_hand = house.decision();
    assert_eq!(extracted.checks, by_hand.checks);
    assert_eq!(extracted.reason, by_hand.reason);
}

#[tokio::test]
async fn auz_004_the_tenant_of_the_path_must_be_the_callers() {
    let house = House::new();
    let token = house.token(&["orders:read"]);
    let app = guarded(&house);
    let own = call(&app, request("GET /tenants/acme/report", Some(&token))).await;
    assert_eq!((own.status.as_u16(), &*own.body), (200, "acme"));
    house.decision();
    for path in ["evil", "ACME", "acme%2f", "%ff", "acme%20"] {
        let foreign = format!("GET /tenants/{path}/report");
        let answer = call(&app, request(&foreign, Some(&token))).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.reason()),
            (403, "wrong_tenant")
        );
        assert_eq!(
            house.decision().failed_check().unwrap().step,
            Step::Condition
        );
    }
}

#[tokio::test]
async fn any_claim_can_be_held_against_the_path() {
    let house = House::new();
    let token = house.token(&[]);
    let app = guarded(&house);
    assert_eq!(
        call(&app, request("GET /users/user-1", Some(&token)))
            .await
            .status,
        200
    );
    let answer = call(&app, request("GET /users/user-2", Some(&token))).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.reason()),
        (403, "condition_failed")
    );
}

#[tokio::test]
async fn what_was_asked_wrongly_is_closed() {
    let house = House::new();
    let token = house.token(&["*"]);
    let app = guarded(&house);
    let no_parameter = call(&app, request("GET /forgotten/acme", Some(&token))).await;
    assert_eq!(no_parameter.status, 403);
    let no_permission = call(&app, request("GET /wild", Some(&token))).await;
    assert_eq!(no_permission.status, 500);
}

#[tokio::test]
async fn strangers_get_401_from_every_extractor_and_nobody_where_that_is_asked_for() {
    let house = House::new();
    let layer = house.layer.clone().dangerously_let_anonymous_through();
    let app = router().layer(layer);
    for path in [
        "GET /me",
        "GET /orders",
        "GET /tenants/acme/report",
        "GET /users/user-1",
    ] {
        let answer = call(&app, request(path, None)).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.reason()),
            (401, "no_token"),
            "{path}"
        );
        assert_eq!(answer.challenge.as_deref(), Some("Bearer"));
        assert_eq!(house.decision().outcome, Outcome::Denied);
    }
    assert_eq!(call(&app, request("GET /maybe", None)).await.body, "nobody");
}

/// Forgetting the layer closes the route; it does not open it.
#[tokio::test]
async fn without_the_layer_every_extractor_answers_500() {
    let token = House::new().token(&["*"]);
    for path in ["me", "maybe", "orders", "tenants/acme/report", "owned"] {
        let answer = call(&router(), request(&format!("GET /{path}"), Some(&token))).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.reason()),
            (500, "internal"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_handler_adds_its_own_check_to_the_same_record() {
    let house = House::new();
    let token = house.token(&[]);
    let answer = call(&guarded(&house), request("GET /owned", Some(&token))).await;
    assert_eq!(answer.status, 403);
    let decision = house.decision();
    assert_eq!(decision.reason, Reason::ConditionFailed);
    assert_eq!(
        decision.failed_check().unwrap().wanted,
        "sub is somebody-else"
    );
}
