//! Attributes of users, and the claims that they become.

use doorward_issuer::{
    AdminError, Config, Issuer, MintError, RefreshError,
    admin::{NewApiKey, NewOwner},
    attribute::{AttributeChanges, AttributeName, ClaimName, MAX_ATTRIBUTES, TokenClaims},
    session::FIRST_PARTY_CLIENT,
    tenant::TenantName,
};
use doorward_policy::permit::Subject;
use doorward_verify::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{BY_PASSWORD, World, audit, audited, check, config, new_user, sign_in};

/// An issuer whose tokens say the department as `team`, and the level.
pub(crate) async fn claiming(world: &World, max_token_bytes: usize) -> Issuer {
    let mut claims = TokenClaims::default();
    for (claim, attribute) in [("team", "department"), ("level", "level"), ("note", "note")] {
        let attribute = AttributeName::parse(attribute).unwrap();
        claims.add(ClaimName::parse(claim).unwrap(), attribute);
    }
    let config = Config {
        claims,
        max_token_bytes,
        ..config()
    };
    let (database, key) = (world.database(), world.master_key());
    let opened = Issuer::open(database, key, config, world.surroundings());
    opened.await.unwrap()
}

async fn town() -> (World, Issuer) {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let issuer = claiming(&world, 4096).await;
    (world, issuer)
}

fn changes(values: &Value) -> AttributeChanges {
    let mut changes = AttributeChanges::default();
    for (name, value) in values.as_object().unwrap() {
        changes.add(name, value).unwrap();
    }
    changes
}

async fn set(issuer: &Issuer, user: &str, values: Value) -> Result<Value, AdminError> {
    let (admin, changes) = (issuer.admin(), changes(&values));
    let changed = admin.change_attributes(user, &changes, None);
    Ok(serde_json::to_value(changed.await?.attributes).unwrap())
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&doorward_jose::base64url::decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn what_the_configuration_names_is_in_every_token_of_the_user_and_nothing_else() {
    let (world, issuer) = town().await;
    let none = sign_in(&issuer, "alice").await;
    assert!(claims(&none.access_token).get("team").is_none());
    let values = json!({ "department": "sales", "level": 3, "office": "north" });
    assert_eq!(set(&issuer, "alice", values.clone()).await.unwrap(), values);
    // As where a role is given: the old token is refused, the session goes on.
    assert!(check(&issuer, &world.clock, &none.access_token).is_err());
    world.clock.turn(5);
    let refreshed = issuer
        .refresh(&none.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    let refreshed = refreshed.ok().unwrap().answer.access_token;
    let begun = sign_in(&issuer, "alice").await.access_token;
    let minted = issuer.admin().mint_access_token("alice", None).await;
    for token in [refreshed, begun, minted.unwrap().access_token] {
        let said = claims(&token);
        assert_eq!(
            (&said["team"], &said["level"]),
            (&json!("sales"), &json!(3))
        );
        for absent in ["department", "office", "note"] {
            assert!(said.get(absent).is_none(), "{absent}");
        }
        let principal = check(&issuer, &world.clock, &token).unwrap();
        assert_eq!(Subject::claim(&principal, "team").as_deref(), Some("sales"));
    }
    let entries = audit(&issuer).await;
    let told = entries
        .iter()
        .find(|entry| entry.action == "user.attributes");
    let told: Value = serde_json::from_str(&told.unwrap().detail).unwrap();
    assert_eq!(told, json!({ "set": values }));
}

#[tokio::test]
async fn an_attribute_that_is_taken_away_is_in_no_token_that_counts() {
    let (world, issuer) = town().await;
    set(
        &issuer,
        "alice",
        json!({ "department": "sales", "level": 3 }),
    )
    .await
    .unwrap();
    world.clock.turn(5);
    let token = sign_in(&issuer, "alice").await.access_token;
    let left = set(&issuer, "alice", json!({ "department": null })).await;
    assert_eq!(left.unwrap(), json!({ "level": 3 }));
    assert!(check(&issuer, &world.clock, &token).is_err());
    world.clock.turn(5);
    let token = sign_in(&issuer, "alice").await.access_token;
    assert!(claims(&token).get("team").is_none());
    // Nothing new: nobody is sent to refresh, nothing is logged.
    let before = audited(&issuer, "user.attributes").await;
    set(&issuer, "alice", json!({ "level": 3, "office": null }))
        .await
        .unwrap();
    assert_eq!(audited(&issuer, "user.attributes").await, before);
    assert!(check(&issuer, &world.clock, &token).is_ok());
}

#[tokio::test]
async fn an_api_key_says_what_its_owner_is_only_if_it_is_not_limited() {
    let (world, issuer) = town().await;
    set(&issuer, "alice", json!({ "department": "sales" }))
        .await
        .unwrap();
    world.clock.turn(5);
    for (limit, said) in [
        (None, Some(json!("sales"))),
        (Some(vec!["orders:read".to_owned()]), None),
    ] {
        let new = NewApiKey {
            owner: NewOwner::User("alice".to_owned(), None),
            purpose: "a test".to_owned(),
            permissions: limit,
            networks: Vec::new(),
            delay: 0,
            lifetime: 3600,
        };
        let key = issuer.admin().add_api_key(new).await.unwrap();
        let now = world.clock.now();
        let exchanged = issuer.exchange_api_key(key.text.reveal(), now).await;
        let token = exchanged.ok().unwrap().access_token;
        assert_eq!(claims(&token).get("team"), said.as_ref());
    }
}

/// Who administers one tenant does not choose what tokens say in another.
#[tokio::test]
async fn auz_011_what_a_user_is_at_home_is_said_nowhere_else() {
    let (world, issuer) = town().await;
    let admin = issuer.admin();
    assert!(admin.grant_role("alice", "globex", "reader").await.unwrap());
    let values = json!({ "department": "payroll", "level": 3 });
    set(&issuer, "alice", values).await.unwrap();
    world.clock.turn(5);
    let alice = issuer.account("alice").await.unwrap().unwrap();
    let globex = TenantName::parse("globex").unwrap();
    for (tenant, team) in [
        (&alice.home_tenant, Some(&json!("payroll"))),
        (&globex, None),
    ] {
        let begun = issuer.start_session(&alice, tenant, BY_PASSWORD);
        let begun = begun.await.unwrap();
        let refreshed = issuer.refresh(&begun.refresh_token, FIRST_PARTY_CLIENT);
        let refreshed = refreshed.await.ok().unwrap().answer.access_token;
        let minted = admin.mint_access_token("alice", Some(tenant.as_str()));
        let minted = minted.await.unwrap().access_token;
        let new = NewApiKey {
            owner: NewOwner::User("alice".to_owned(), Some(tenant.to_string())),
            purpose: "a test".to_owned(),
            permissions: None,
            networks: Vec::new(),
            delay: 0,
            lifetime: 3600,
        };
        let key = admin.add_api_key(new).await.unwrap();
        let exchanged = issuer.exchange_api_key(key.text.reveal(), world.clock.now());
        let exchanged = exchanged.await.ok().unwrap().access_token;
        for token in [begun.access_token, refreshed, minted, exchanged] {
            let said = claims(&token);
            assert_eq!(said["tenant"], tenant.as_str());
            assert_eq!(said.get("team"), team, "{said}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_too_large_for_an_attribute_blames_its_claim_and_costs_no_session() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let issuer = claiming(&world, 768).await;
    let session = sign_in(&issuer, "alice").await;
    set(&issuer, "alice", json!({ "note": "x".repeat(256) }))
        .await
        .unwrap();
    world.clock.turn(5);
    let refused = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    let Err(RefreshError::Mint(error @ MintError::TooLarge { .. })) = refused else {
        panic!("it was given");
    };
    let told = error.to_string();
    assert!(
        told.contains("the claim `note`: give the attribute"),
        "{told}"
    );
    set(&issuer, "alice", json!({ "note": "short" }))
        .await
        .unwrap();
    world.clock.turn(5);
    let refreshed = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    assert!(refreshed.is_ok());
}

#[tokio::test]
async fn attributes_that_somebody_else_wrote_are_in_no_token_and_are_audited() {
    let (world, issuer) = town().await;
    issuer.admin().add_user(new_user("bob")).await.unwrap();
    for user in ["alice", "bob"] {
        set(&issuer, user, json!({ "department": "sales" }))
            .await
            .unwrap();
    }
    let forgeries = [
        "UPDATE account_attributes SET attributes = '{\"department\":\"board\"}'",
        "UPDATE account_attributes SET version = version + 1",
        "UPDATE account_attributes SET row_mac = x'00'",
    ];
    for forgery in forgeries {
        set(
            &issuer,
            "alice",
            json!({ "department": "sales", "level": 1 }),
        )
        .await
        .unwrap();
        world.clock.turn(5);
        let mut hands = world.hands().await;
        hands.run(forgery).await;
        hands.close().await;
        let token = sign_in(&issuer, "alice").await.access_token;
        assert!(claims(&token).get("team").is_none(), "{forgery}");
        let shown = issuer.admin().attributes("alice").await.unwrap();
        assert!(shown.attributes.is_empty(), "{forgery}");
        for _ in 0..3 {
            issuer.poll_changes().await.unwrap();
        }
        assert_eq!(audited(&issuer, "row.refused").await, 1, "{forgery}");
    }
    // Who may set them can set them still, and those of others do not help.
    let left = set(&issuer, "alice", json!({ "department": "north" })).await;
    assert_eq!(left.unwrap(), json!({ "department": "north" }));
    world
        .tamper(
            "UPDATE account_attributes SET attributes =
                 (SELECT o.attributes FROM account_attributes o JOIN account a ON a.id = o.account_id
                  WHERE a.username = 'alice'),
                 row_mac = (SELECT o.row_mac FROM account_attributes o JOIN account a
                  ON a.id = o.account_id WHERE a.username = 'alice')
             WHERE account_id = (SELECT id FROM account WHERE username = 'bob')",
        )
        .await;
    let bob = issuer.admin().attributes("bob").await.unwrap();
    assert!(bob.attributes.is_empty());
}

#[tokio::test]
async fn a_change_is_for_the_version_that_it_names_and_there_is_a_most() {
    let (_world, issuer) = town().await;
    let admin = issuer.admin();
    let change = changes(&json!({ "department": "sales" }));
    let first = admin
        .change_attributes("alice", &change, Some(0))
        .await
        .unwrap();
    assert_eq!(first.version, 1);
    let late = changes(&json!({ "department": "north" }));
    let refused = admin.change_attributes("alice", &late, Some(0)).await;
    assert!(matches!(refused, Err(AdminError::Changed)));
    assert_eq!(admin.attributes("alice").await.unwrap(), first);
    let many: serde_json::Map<_, _> = (0..MAX_ATTRIBUTES)
        .map(|n| (format!("a{n}"), json!(n)))
        .collect();
    let refused = set(&issuer, "alice", Value::Object(many)).await;
    assert!(
        matches!(refused, Err(AdminError::Attribute(_))),
        "one too many"
    );
    let nobody = admin.change_attributes("nobody", &late, None).await;
    assert!(matches!(nobody, Err(AdminError::NoSuchUser(_))));
}

/// Refreshes share a commit, and nobody gets what another is.
#[tokio::test]
async fn of_refreshes_at_once_each_says_what_its_own_user_is() {
    let (world, issuer) = town().await;
    let names = ["alice", "bob", "carol", "dave"];
    let mut sessions = Vec::new();
    for name in names {
        if name != "alice" {
            issuer.admin().add_user(new_user(name)).await.unwrap();
        }
        if name != "dave" {
            let values = json!({ "department": name });
            set(&issuer, name, values).await.unwrap();
        }
        sessions.push(sign_in(&issuer, name).await.refresh_token);
    }
    world.clock.turn(60);
    let refresh = |n: usize| issuer.refresh(&sessions[n], FIRST_PARTY_CLIENT);
    let (a, b, c, d) = tokio::join!(refresh(0), refresh(1), refresh(2), refresh(3));
    let teams =
        [a, b, c, d].map(|it| claims(&it.ok().unwrap().answer.access_token)["team"].clone());
    assert_eq!(
        teams,
        [json!("alice"), json!("bob"), json!("carol"), Value::Null]
    );
}
