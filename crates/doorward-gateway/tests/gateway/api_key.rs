//! API keys: exchanged behind the seam, verified on every request, never passed
//! on. The issuer here is a desk that tests fill.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use doorward_gateway::api_key::{ExchangedKey, KeyExchange, RefusedKey};
use doorward_policy::{decision::Reason, route::Requirement};
use doorward_verify::{
    clock::Timestamp,
    credential::{Kind, compose},
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};
use serde_json::json;

use crate::harness::{House, Plan, Tokens, request, route, tokens::NOW, usual_routes};

/// A token and the networks, or the refusal.
type Said = Result<(String, Vec<&'static str>), RefusedKey>;

/// What the issuer behind the seam says.
#[derive(Default)]
struct Desk {
    calls: AtomicUsize,
    answer: Mutex<Option<Said>>,
}

impl Desk {
    fn house(self: &Arc<Self>) -> House {
        let desk = Arc::clone(self);
        let call = move |_text: String| -> doorward_gateway::api_key::ExchangeFuture {
            desk.calls.fetch_add(1, Ordering::SeqCst);
            let answer = desk.answer.lock().unwrap().clone();
            Box::pin(async move {
                let (access_token, networks) = answer.unwrap()?;
                Ok(ExchangedKey {
                    access_token,
                    networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
                    usable_until: Timestamp::from_millis((NOW + 3_600) * 1000),
                })
            })
        };
        let mut routes = usual_routes();
        let mut reports = route("GET /reports", Requirement::Authenticated);
        reports.demands.audience = Some("reports".to_owned());
        routes.push(reports);
        House::start(Plan {
            routes,
            api_keys: Some(KeyExchange {
                // The issuer's MAC: here every secret that ends in a 0.
                recognises: Arc::new(|text| text[..text.len() - 6].ends_with('0')),
                call: Arc::new(call),
            }),
            ..Plan::default()
        })
    }

    fn says(&self, answer: Said) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn key(number: u32) -> String {
    compose(Kind::UserKey, "4Fq0ZtW8mJrN2bXe", &format!("{number:035}0"))
}

fn token_of(house: &House, permissions: &[&str]) -> String {
    let mut claims = Tokens::claims("ann", permissions);
    claims["client_id"] = json!("4Fq0ZtW8mJrN2bXe");
    house.tokens.sign(&claims)
}

fn last(house: &House) -> String {
    house.upstream.seen().pop().unwrap().head.to_lowercase()
}

fn get(house: &House, target: &str, fields: &[&str]) -> u16 {
    house.raw(request("GET", target, fields)).status
}

#[test]
fn a_key_is_exchanged_once_and_the_api_hears_only_of_its_owner() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Ok((token_of(&house, &["orders:read"]), vec![])));
    let text = key(1);
    let (bearer, field) = (
        format!("Authorization: Bearer {text}"),
        format!("X-API-Key: {text}"),
    );
    for fields in [[bearer.as_str()], [field.as_str()]] {
        assert_eq!(get(&house, "/orders", &fields), 200);
        let decision = house.decision();
        let shown = serde_json::to_string(&decision).unwrap();
        assert!(shown.contains("API key 4Fq0ZtW8mJrN2bXe"), "{shown}");
        assert!(!shown.contains(&text[24..60]), "no secret in the record");
        let arrived = last(&house);
        assert!(arrived.contains("x-doorward-subject: ann"), "{arrived}");
        assert!(!arrived.contains("dw_usr"), "{arrived}");
    }
    // What the key may not, the owner's token says.
    assert_eq!(get(&house, "/admin", &[&bearer]), 403);
    assert_eq!(desk.calls(), 1);
    // On a public route nobody is asked, and the key goes no further either.
    assert_eq!(get(&house, "/public", &[&field]), 200);
    assert!(!last(&house).contains("dw_usr"));
}

#[test]
fn bru_011_invented_keys_ask_nobody() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    for (text, name) in [
        (key(1)[..65].to_owned(), "cut"),
        (key(1).replace("usr", "svc"), "checksum of another kind"),
        (
            compose(Kind::UserKey, "4Fq0ZtW8mJrN2bXe", &"1".repeat(36)),
            "made up",
        ),
        (
            compose(Kind::ClientSecret, "4Fq0ZtW8mJrN2bXe", &"0".repeat(36)),
            "no API key",
        ),
    ] {
        let reply = house.raw(request("GET", "/orders", &[&format!("X-API-Key: {text}")]));
        assert_eq!(reply.status, 401, "{name}");
        assert!(
            reply.text().contains("invalid_token"),
            "{name}: {}",
            reply.text()
        );
        assert_eq!(house.decision().reason, Reason::ApiKeyUnknown, "{name}");
    }
    assert_eq!(desk.calls(), 0);
}

#[test]
fn rev_008_a_key_that_is_revoked_under_a_warm_cache_is_refused_at_once() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Ok((token_of(&house, &["orders:read"]), vec![])));
    let field = format!("X-API-Key: {}", key(1));
    assert_eq!(get(&house, "/orders", &[&field]), 200);
    house.decision();
    house.revocations.insert(Entry {
        revocation: Revocation::Client {
            client_id: "4Fq0ZtW8mJrN2bXe".to_owned(),
            issued_before: UnixTime::from_secs(u64::from(u32::MAX)),
        },
        expires_at: UnixTime::from_secs(NOW + 1_000),
    });
    desk.says(Err(RefusedKey {
        reason: Reason::ApiKeyRevoked,
        is_genuine: true,
    }));
    let reply = house.raw(request("GET", "/orders", &[&field]));
    assert_eq!(reply.status, 401);
    assert!(reply.text().contains("api_key_revoked"), "{}", reply.text());
    assert_eq!(house.decision().reason, Reason::ApiKeyRevoked);
    // The refusal is kept: a program that goes on asks nobody.
    assert_eq!(get(&house, "/orders", &[&field]), 401);
    assert_eq!(desk.calls(), 2);
}

#[test]
fn a_change_of_the_owners_rights_is_answered_with_a_new_token() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Ok((token_of(&house, &["orders:read"]), vec![])));
    let field = format!("X-API-Key: {}", key(1));
    assert_eq!(get(&house, "/orders", &[&field]), 200);
    house.decision();
    let issued_before = UnixTime::from_secs(NOW - 5);
    house.revocations.insert(Entry {
        revocation: Revocation::User {
            sub: "ann".to_owned(),
            issued_before,
        },
        expires_at: UnixTime::from_secs(NOW + 1_000),
    });
    let mut claims = Tokens::claims("ann", &["orders:create"]);
    claims["iat"] = json!(NOW - 5);
    desk.says(Ok((house.tokens.sign(&claims), vec![])));
    assert_eq!(get(&house, "/orders", &[&field]), 403);
    assert_eq!(house.decision().reason, Reason::MissingPermission);
    assert_eq!(desk.calls(), 2);
    // One exchange for a request, also if its token is refused.
    house.revocations.insert(Entry {
        revocation: Revocation::User {
            sub: "ann".to_owned(),
            issued_before: UnixTime::from_secs(NOW),
        },
        expires_at: UnixTime::from_secs(NOW + 1_000),
    });
    assert_eq!(get(&house, "/orders", &[&field]), 401);
    assert_eq!(house.decision().reason, Reason::UserChanged);
    assert_eq!(desk.calls(), 3);
}

/// A key's token is for the issuer's audience, whichever route it is brought to:
/// another exchange would bring no other.
#[test]
fn a_route_with_an_audience_of_its_own_costs_a_key_one_exchange() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Ok((token_of(&house, &["orders:read"]), vec![])));
    let field = format!("X-API-Key: {}", key(1));
    for (target, status) in [
        ("/reports", 401),
        ("/reports", 401),
        ("/orders", 200),
        ("/reports", 401),
        ("/orders", 200),
    ] {
        assert_eq!(get(&house, target, &[&field]), status, "{target}");
        let reason = house.decision().reason;
        assert_eq!(reason == Reason::WrongAudience, status == 401, "{reason:?}");
    }
    assert_eq!(desk.calls(), 1);

    let mut claims = Tokens::claims("ann", &["orders:read"]);
    claims["aud"] = json!(["orders", "reports"]);
    desk.says(Ok((house.tokens.sign(&claims), vec![])));
    let field = format!("X-API-Key: {}", key(2));
    for target in ["/reports", "/orders", "/reports"] {
        assert_eq!(get(&house, target, &[&field]), 200, "{target}");
    }
    assert_eq!(desk.calls(), 2);
}

#[test]
fn apk_004_only_from_its_networks_and_no_header_changes_that() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Ok((
        token_of(&house, &["orders:read"]),
        vec!["127.0.0.0/8"],
    )));
    let (here, there) = (
        format!("X-API-Key: {}", key(1)),
        format!("X-API-Key: {}", key(2)),
    );
    assert_eq!(get(&house, "/orders", &[&here]), 200);
    house.decision();
    desk.says(Ok((
        token_of(&house, &["orders:read"]),
        vec!["192.0.2.0/24", "2001:db8::/32"],
    )));
    let forged = [
        &*there,
        "X-Forwarded-For: 192.0.2.7",
        "Forwarded: for=192.0.2.7",
    ];
    for fields in [&forged[..1], &forged] {
        let reply = house.raw(request("GET", "/orders", fields));
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("network_not_allowed"));
        assert_eq!(house.decision().reason, Reason::NetworkNotAllowed);
    }
}

#[test]
fn apk_008_a_key_in_the_query_is_not_read_and_the_record_says_that_it_leaked() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    let target = format!("/orders?api_key={}&x=1", key(1));
    assert_eq!(get(&house, &target, &[]), 401);
    let decision = house.decision();
    assert_eq!(decision.reason, Reason::NoToken);
    let shown = serde_json::to_string(&decision).unwrap();
    assert!(
        shown.contains("API key 4Fq0ZtW8mJrN2bXe in the query"),
        "{shown}"
    );
    assert!(!shown.contains(&"0".repeat(34)), "{shown}");
    assert_eq!(desk.calls(), 0);
}

#[test]
fn apk_011_a_key_beside_another_credential_is_refused() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    let field = format!("X-API-Key: {}", key(1));
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    for fields in [[&*field, &*bearer], [&*field, &*field]] {
        assert_eq!(get(&house, "/orders", &fields), 400);
        assert_eq!(house.decision().reason, Reason::AmbiguousCredential);
    }
    // The API's own keys are its own affair.
    assert_eq!(get(&house, "/orders", &[&bearer, "X-API-Key: theirs"]), 200);
    assert!(last(&house).contains("x-api-key: theirs"));
    assert_eq!(desk.calls(), 0);
}

#[test]
fn an_issuer_that_is_away_is_not_remembered() {
    let desk = Arc::new(Desk::default());
    let mut house = desk.house();
    desk.says(Err(RefusedKey {
        reason: Reason::StoreUnavailable,
        is_genuine: false,
    }));
    let field = format!("X-API-Key: {}", key(1));
    assert_eq!(get(&house, "/orders", &[&field]), 503);
    assert_eq!(house.decision().reason, Reason::StoreUnavailable);
    desk.says(Ok((token_of(&house, &["orders:read"]), vec![])));
    assert_eq!(get(&house, "/orders", &[&field]), 200);
    assert_eq!(desk.calls(), 2);
}

#[test]
fn without_the_seam_no_key_is_taken() {
    let mut house = House::usual();
    assert_eq!(
        get(&house, "/orders", &[&format!("X-API-Key: {}", key(1))]),
        401
    );
    assert_eq!(house.decision().reason, Reason::ApiKeyUnknown);
}
