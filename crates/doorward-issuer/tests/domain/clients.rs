//! Service clients: what a change does at once, here and elsewhere.

use std::sync::Arc;

use doorward_issuer::{
    AdminError, Issuer,
    admin::{NewClient, NewSecret},
    client::{ClientTokenError, TokenRequest},
};
use doorward_policy::decision::Reason;
use doorward_verify::clock::Clock as _;

use crate::harness::{World, audit, audited, check, roles};

pub(crate) fn billing() -> NewClient {
    NewClient {
        name: "billing".to_owned(),
        tenant: "acme".to_owned(),
        roles: vec!["reader".to_owned()],
        permissions: vec!["invoices:*".to_owned()],
    }
}

pub(crate) async fn token(
    world: &World,
    issuer: &Issuer,
    client: &NewSecret,
) -> Result<String, ClientTokenError> {
    let request = TokenRequest {
        client_id: client.client.id.as_str(),
        secret: client.secret.reveal(),
        scope: None,
        at: world.clock.now(),
    };
    issuer
        .client_token(request)
        .await
        .map(|answer| answer.access_token)
}

fn is_wrong(outcome: Result<String, ClientTokenError>) -> bool {
    matches!(outcome, Err(ClientTokenError::WrongCredentials(_)))
}

#[tokio::test]
async fn a_token_shows_the_roles_of_now_and_the_permissions_of_its_own() {
    let (world, issuer) = World::with_alice().await;
    let client = issuer.admin().add_client(billing()).await.unwrap();
    let before = token(&world, &issuer, &client).await.unwrap();
    let caller = check(&issuer, &world.clock, &before).unwrap();
    assert_eq!(caller.roles(), ["reader"]);
    assert_eq!(caller.claims().permissions(), ["invoices:*", "orders:read"]);
    // The configuration narrows the role: the next token shows it.
    world.roles.store(Arc::new(roles(&[("reader", &[])])));
    let after = token(&world, &issuer, &client).await.unwrap();
    let caller = check(&issuer, &world.clock, &after).unwrap();
    assert_eq!(caller.claims().permissions(), ["invoices:*"]);
}

/// The other process has the client in memory, and no poll has run.
#[tokio::test]
async fn iss_024_a_change_is_seen_by_every_process_at_once() {
    let (world, issuer) = World::with_alice().await;
    let other = world.open().await;
    let client = issuer.admin().add_client(billing()).await.unwrap();
    token(&world, &other, &client).await.unwrap();
    issuer.admin().disable_client("billing").await.unwrap();
    assert!(is_wrong(token(&world, &other, &client).await));
    issuer.admin().enable_client("billing").await.unwrap();
    token(&world, &other, &client).await.unwrap();
    let rotated = issuer
        .admin()
        .rotate_client_secret("billing", 0)
        .await
        .unwrap();
    assert!(is_wrong(token(&world, &other, &client).await));
    token(&world, &other, &rotated).await.unwrap();
    issuer.admin().remove_client("billing").await.unwrap();
    assert!(is_wrong(token(&world, &other, &rotated).await));
}

/// Also one that was given to a request which came before the change was
/// committed, and was dated then.
#[tokio::test]
async fn rev_010_disabling_refuses_the_tokens_that_are_out() {
    let (world, issuer) = World::with_alice().await;
    let client = issuer.admin().add_client(billing()).await.unwrap();
    let out = token(&world, &issuer, &client).await.unwrap();
    // As a request that was on its way while the change waited for its turn.
    world.clock.turn(5);
    let late = token(&world, &issuer, &client).await.unwrap();
    world.clock.turn_back(5);
    assert!(check(&issuer, &world.clock, &out).is_ok());
    assert!(issuer.admin().disable_client("billing").await.unwrap());
    assert!(!issuer.admin().disable_client("billing").await.unwrap());
    world.clock.turn(5);
    for token in [out, late] {
        let refused = check(&issuer, &world.clock, &token);
        assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
    }
    // Enabled in the same second: a new token is good, also before the
    // watermark, which lies ahead.
    assert!(issuer.admin().enable_client("billing").await.unwrap());
    let fresh = token(&world, &issuer, &client).await.unwrap();
    assert!(check(&issuer, &world.clock, &fresh).is_ok());
    issuer.admin().remove_client("billing").await.unwrap();
    let refused = check(&issuer, &world.clock, &fresh);
    assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
}

#[tokio::test]
async fn rev_009_the_old_secret_counts_during_the_overlap_and_no_longer() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let first = admin.add_client(billing()).await.unwrap();
    let second = admin.rotate_client_secret("billing", 60).await.unwrap();
    assert_ne!(first.secret.reveal(), second.secret.reveal());
    assert!(second.client.old_secret_until_ms.is_some());
    world.clock.turn(59);
    token(&world, &issuer, &first).await.unwrap();
    token(&world, &issuer, &second).await.unwrap();
    // APK-007 for secrets: a third would end the first before its time.
    let third = admin.rotate_client_secret("billing", 60).await;
    assert!(matches!(
        third.err(),
        Some(AdminError::SecretsOverlap { seconds: 1 })
    ));
    world.clock.turn(1);
    assert!(is_wrong(token(&world, &issuer, &first).await));
    token(&world, &issuer, &second).await.unwrap();
    let kept = token(&world, &issuer, &second).await.unwrap();
    let third = admin.rotate_client_secret("billing", 60).await.unwrap();
    assert!(
        check(&issuer, &world.clock, &kept).is_ok(),
        "nobody is cut off"
    );
    let fourth = admin.rotate_client_secret("billing", 0).await.unwrap();
    for ended in [second, third] {
        assert!(is_wrong(token(&world, &issuer, &ended).await));
    }
    // A secret is ended at once because somebody else has it, and tokens.
    let refused = check(&issuer, &world.clock, &kept);
    assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
    let fresh = token(&world, &issuer, &fourth).await.unwrap();
    assert!(check(&issuer, &world.clock, &fresh).is_ok());
    assert_eq!(audited(&issuer, "client.secret_rotate").await, 3);
}

#[tokio::test]
async fn rev_019_a_name_that_is_used_again_is_another_client() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let first = admin.add_client(billing()).await.unwrap();
    let taken = admin.add_client(billing()).await;
    assert!(matches!(taken.err(), Some(AdminError::ClientExists(_))));
    let out = token(&world, &issuer, &first).await.unwrap();
    admin.remove_client("billing").await.unwrap();
    let second = admin.add_client(billing()).await.unwrap();
    assert_ne!(first.client.id, second.client.id);
    assert!(is_wrong(token(&world, &issuer, &first).await));
    assert!(check(&issuer, &world.clock, &out).is_err());
    token(&world, &issuer, &second).await.unwrap();
    assert_eq!(admin.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_client_is_said_and_nothing_is_made() {
    let (_world, issuer) = World::with_alice().await;
    let wrong: [fn(&mut NewClient); 5] = [
        |new| new.name = "Billing".to_owned(),
        |new| new.tenant = "nowhere".to_owned(),
        |new| new.roles = vec!["writer".to_owned()],
        |new| new.permissions = vec!["invoices".to_owned()],
        |new| new.permissions = vec!["a:b c:d".to_owned()],
    ];
    for spoil in wrong {
        let mut new = billing();
        spoil(&mut new);
        assert!(issuer.admin().add_client(new).await.is_err());
    }
    assert!(issuer.admin().clients().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_secret_is_in_the_audit_log_or_in_an_entry_of_a_list() {
    let (_world, issuer) = World::with_alice().await;
    let made = issuer.admin().add_client(billing()).await.unwrap();
    let listed = format!("{:?}", issuer.admin().clients().await.unwrap());
    let logged = format!("{:?}", audit(&issuer).await);
    let secret = made.secret.reveal();
    let inner = &secret[secret.len() - 40..secret.len() - 6];
    for text in [listed, logged] {
        assert!(text.contains("billing") && !text.contains(inner));
    }
}

/// A database that was put back in time: what it says now is what counts.
#[tokio::test]
async fn what_is_in_memory_does_not_survive_a_database_that_was_put_back() {
    let (world, issuer) = World::with_alice().await;
    let client = issuer.admin().add_client(billing()).await.unwrap();
    token(&world, &issuer, &client).await.unwrap();
    world
        .tamper("DELETE FROM client; UPDATE head SET value = 0 WHERE name = 'clients'")
        .await;
    assert!(is_wrong(token(&world, &issuer, &client).await));
}

/// A thousand at a time, each of which sees what was there when it came.
#[tokio::test]
async fn many_requests_share_a_read_and_see_the_same() {
    let (world, issuer) = World::with_alice().await;
    let client = Arc::new(issuer.admin().add_client(billing()).await.unwrap());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (issuer, client, at) = (issuer.clone(), Arc::clone(&client), world.clock.now());
        waiting.spawn(async move {
            let request = TokenRequest {
                client_id: client.client.id.as_str(),
                secret: client.secret.reveal(),
                scope: Some("invoices:read"),
                at,
            };
            issuer.client_token(request).await.is_ok()
        });
    }
    assert!(waiting.join_all().await.into_iter().all(|is_good| is_good));
}
