//! What cannot be decided is denied, and one broken request is one broken
//! request.

use doorward_policy::decision::Reason;
use doorward_verify::{
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};

use crate::harness::{House, Plan, Tokens, request, tokens::NOW};

#[test]
fn gwy_029_without_keys_nobody_passes() {
    let house = House::start(Plan {
        no_keys: true,
        ..Plan::default()
    });
    assert_eq!(house.get_as_reader("/orders", &[]).status, 401);
    house.upstream.assert_untouched();
}

#[test]
fn gwy_029_foreign_expired_and_revoked_tokens_do_not_pass() {
    let house = House::usual();
    let foreign = Tokens::new().reader();
    let altered = |name: &str, value: serde_json::Value| {
        let mut claims = Tokens::claims("ann", &["orders:read"]);
        claims[name] = value;
        house.tokens.sign(&claims)
    };
    let bad = [
        foreign,
        altered("exp", (NOW - 60).into()),
        altered("iss", "http://other".into()),
        altered("aud", "other".into()),
        altered("nbf", (NOW + 600).into()),
        "a.b.c".into(),
    ];
    for token in bad {
        let reply = house.get("/orders", &[&format!("Authorization: Bearer {token}")]);
        assert_eq!(reply.status, 401, "{token}");
    }
    house.upstream.assert_untouched();
    assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
    let revocation = Revocation::Session { sid: "s-1".into() };
    house.revocations.insert(Entry {
        revocation,
        expires_at: UnixTime::from_secs(NOW + 900),
    });
    assert_eq!(house.get_as_reader("/orders", &[]).status, 401);
    assert_eq!(house.upstream.seen().len(), 1);
}

#[test]
fn gwy_029_a_panic_ends_one_connection_and_lets_nobody_in() {
    let house = House::start(Plan {
        break_clock_after: Some(1),
        ..Plan::default()
    });
    let mut bystander = house.client();
    bystander.write(request("GET", "/health", &[]));
    assert_eq!(bystander.reply().status, 200);
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    assert!(
        client.try_reply(false).is_none(),
        "the clock panics in this one"
    );
    assert_eq!(house.upstream.seen().len(), 1);
    bystander.write(request("GET", "/health", &[]));
    assert_eq!(bystander.reply().status, 200, "the other connection lives");
    assert_eq!(
        house.get("/health", &[]).status,
        200,
        "and new ones are served"
    );
}

#[test]
fn gwy_029_a_panic_of_the_judge_is_a_refusal() {
    let mut house = House::usual();
    let mut client = house.client();
    client.write(request("GET", "/panic", &[]));
    let reply = client.reply();
    assert_eq!((reply.status, reply.reason().as_str()), (500, "internal"));
    assert_eq!(house.decision().reason, Reason::Internal);
    house.upstream.assert_untouched();
    client.write(request("GET", "/health", &[]));
    assert_eq!(client.reply().status, 200);
}

#[test]
fn gwy_029_a_panic_of_the_local_service_is_no_answer() {
    let house = House::usual();
    let mut client = house.client();
    client.write(request("GET", "/auth/panic", &[]));
    let reply = client.try_reply(false);
    assert!(reply.is_none_or(|reply| reply.status >= 500));
    assert_eq!(house.get("/health", &[]).status, 200);
}

#[test]
fn decisions_that_nobody_takes_are_counted_and_block_nothing() {
    let mut house = House::start(Plan {
        decision_space: 3,
        workers: 1,
        ..Plan::default()
    });
    for _ in 0..10 {
        assert_eq!(house.get("/health", &[]).status, 200);
    }
    assert_eq!(house.gateway.dropped_decisions(), 7);
    assert_eq!(house.decision().reason, Reason::PublicRoute);
}
