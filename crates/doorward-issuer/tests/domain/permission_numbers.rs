//! Tokens that say numbers where names would be too much.

use doorward_issuer::{AdminError, Config, Issuer, MintError, PermissionForm};
use doorward_policy::decision::Reason;
use doorward_verify::permission_numbers::{MAX_NUMBERS, PermissionNumbers};

use crate::harness::{BY_PASSWORD, World, audit, check, config, new_user, roles};

const LIMIT: usize = 1024;

async fn numbering(world: &World) -> Issuer {
    let config = Config {
        permissions: PermissionForm::Numbers,
        max_token_bytes: LIMIT,
        ..config()
    };
    let opened = Issuer::open(
        world.database(),
        world.master_key(),
        config,
        world.surroundings(),
    );
    opened.await.unwrap()
}

/// A role with permissions `from..to` of those that this test knows.
fn named(range: std::ops::Range<usize>) -> Vec<String> {
    let action = |n: usize| ["read", "create", "update", "approve"][n % 4];
    range
        .map(|n| format!("resource-{:03}:{}", n / 4, action(n)))
        .collect()
}

fn give(world: &World, granted: &[(String, Vec<String>)]) {
    let granted: Vec<(&str, Vec<&str>)> = granted
        .iter()
        .map(|(role, names)| (role.as_str(), names.iter().map(String::as_str).collect()))
        .collect();
    let granted: Vec<(&str, &[&str])> = granted.iter().map(|(r, n)| (*r, &**n)).collect();
    world.roles.store(roles(&granted).into());
}

async fn minted(issuer: &Issuer, user: &str) -> Result<String, AdminError> {
    let minted = issuer.admin().mint_access_token(user, None).await;
    minted.map(|minted| minted.access_token)
}

fn held(issuer: &Issuer, world: &World, token: &str) -> Vec<String> {
    let principal = check(issuer, &world.clock, token).unwrap();
    let mut held: Vec<_> = principal
        .permissions()
        .iter()
        .map(ToString::to_string)
        .collect();
    held.sort();
    held
}

fn claims(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&doorward_jose::base64url::decode(payload).unwrap()).unwrap()
}

/// The figure of the design: 50 roles and 2,000 permissions over 20 tenants.
#[tokio::test]
async fn a_user_with_fifty_roles_over_twenty_tenants_has_tokens_of_a_kibibyte() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let granted: Vec<_> = (0..50)
        .map(|n| (format!("department-{n:02}"), named(40 * n..40 * (n + 1))))
        .collect();
    give(&world, &granted);
    let issuer = numbering(&world).await;
    issuer.admin().add_user(new_user("bob")).await.unwrap();
    for n in 0..20 {
        issuer
            .admin()
            .add_tenant(&format!("tenant-{n}"))
            .await
            .unwrap();
    }
    for (n, (role, _)) in granted.iter().enumerate() {
        let tenant = format!("tenant-{}", n % 20);
        issuer
            .admin()
            .grant_role("bob", &tenant, role)
            .await
            .unwrap();
    }
    world.clock.turn(5);
    let bob = issuer.account("bob").await.unwrap().unwrap();
    let mut largest = 0;
    for n in 0..20 {
        let tenant = issuer.membership(&bob, Some(&format!("tenant-{n}"))).await;
        let tenant = tenant.unwrap().unwrap();
        let session = issuer.start_session(&bob, &tenant, BY_PASSWORD).await;
        let token = session.unwrap().access_token;
        largest = largest.max(token.len());
        let mut wanted: Vec<_> = (n..50)
            .step_by(20)
            .flat_map(|r| granted[r].1.clone())
            .collect();
        wanted.sort();
        assert_eq!(held(&issuer, &world, &token), wanted);
        assert!(claims(&token).get("permissions").is_none());
    }
    assert!(largest <= LIMIT, "{largest} bytes");
}

/// What fits is said by name, so that other libraries read it.
#[tokio::test]
async fn names_stay_names_while_they_fit() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let issuer = numbering(&world).await;
    let token = minted(&issuer, "alice").await.unwrap();
    assert_eq!(
        claims(&token)["permissions"],
        serde_json::json!(["orders:read"])
    );
    assert!(claims(&token).get("permission_set").is_none());
}

#[tokio::test]
async fn a_number_is_never_given_again_and_an_old_token_gains_nothing() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    give(&world, &[("reader".to_owned(), named(0..100))]);
    let issuer = numbering(&world).await;
    let old = minted(&issuer, "alice").await.unwrap();
    // Half of them are gone, and others came, which would fit in their places.
    let changed = [named(50..100), named(500..550)].concat();
    give(&world, &[("reader".to_owned(), changed.clone())]);
    issuer.number_permissions().await.unwrap();
    let new = minted(&issuer, "alice").await.unwrap();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(held(&issuer, &world, &old), sorted(named(0..100)));
    assert_eq!(held(&issuer, &world, &new), sorted(changed));
    // And after a start, from the table.
    drop(issuer);
    let issuer = numbering(&world).await;
    assert_eq!(held(&issuer, &world, &old), sorted(named(0..100)));
    assert_eq!(
        world.count("SELECT COUNT(*) FROM permission_number").await,
        150
    );
    let numbered = audit(&issuer).await.into_iter();
    let numbered = numbered.filter(|entry| entry.action == "installation.permissions_number");
    assert_eq!(numbered.count(), 2, "one for each cause");
}

#[tokio::test]
async fn another_node_refuses_what_it_cannot_read_until_it_knows_the_list() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let issuer = numbering(&world).await;
    let other = numbering(&world).await;
    give(&world, &[("reader".to_owned(), named(0..100))]);
    issuer.number_permissions().await.unwrap();
    let token = minted(&issuer, "alice").await.unwrap();
    assert_eq!(
        check(&other, &world.clock, &token).unwrap_err(),
        Reason::PermissionsUnknown
    );
    other.poll_changes().await.unwrap();
    assert_eq!(held(&other, &world, &token).len(), 100);
    // Whoever fetches the keys is told.
    let keys = doorward_jose::jwk_set::KeySet::parse(
        other.jwks_json().as_bytes(),
        doorward_jose::jwk_set::Limits::default(),
    );
    let list = PermissionNumbers::published_in(&keys.unwrap());
    let set = claims(&token)["permission_set"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(list.decode(&set).unwrap().len(), 100);
}

/// Who writes the database gives no number another meaning.
#[tokio::test]
async fn a_list_that_somebody_else_wrote_into_means_nothing() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    give(&world, &[("reader".to_owned(), named(0..100))]);
    let issuer = numbering(&world).await;
    let token = minted(&issuer, "alice").await.unwrap();
    drop(issuer);
    world
        .tamper("UPDATE permission_number SET name = '*' WHERE number = 3")
        .await;
    let issuer = numbering(&world).await;
    assert_eq!(
        check(&issuer, &world.clock, &token).unwrap_err(),
        Reason::PermissionsUnknown
    );
    // Names would be too many, and the one who asks is told which claim.
    match minted(&issuer, "alice").await {
        Err(AdminError::Mint(MintError::TooLarge { limit, claim, .. })) => {
            assert_eq!((limit, claim.as_str()), (LIMIT, "permissions"));
        }
        other => panic!("{:?}", other.err()),
    }
    issuer.poll_changes().await.unwrap();
    let refused = audit(&issuer).await.into_iter();
    let refused = refused.filter(|entry| entry.action == "row.refused");
    assert_eq!(
        refused.map(|row| row.object_kind).collect::<Vec<_>>(),
        ["permission_number"]
    );
}

/// Where names are chosen nothing is numbered, and the budget is one all the same.
#[tokio::test]
async fn a_smaller_budget_is_kept_by_names_too() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    give(&world, &[("reader".to_owned(), named(0..40))]);
    let config = Config {
        max_token_bytes: LIMIT,
        ..config()
    };
    let opened = Issuer::open(
        world.database(),
        world.master_key(),
        config,
        world.surroundings(),
    );
    let issuer = opened.await.unwrap();
    let refused = minted(&issuer, "alice").await;
    assert!(matches!(
        refused,
        Err(AdminError::Mint(MintError::TooLarge { .. }))
    ));
    assert_eq!(
        world.count("SELECT COUNT(*) FROM permission_number").await,
        0
    );
    assert!(!issuer.jwks_json().contains("permission_numbers"));
}

/// Who grants more than there are numbers for hears of it, and the rest has its
/// numbers.
#[tokio::test]
async fn a_full_list_is_told_and_every_start_tells_it_again() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let many = |count: usize| (0..count).map(|n| format!("r{n:04}:x")).collect::<Vec<_>>();
    give(&world, &[("reader".to_owned(), many(MAX_NUMBERS))]);
    let issuer = numbering(&world).await;
    assert_eq!(issuer.number_permissions().await.unwrap(), 0);
    give(&world, &[("reader".to_owned(), many(MAX_NUMBERS + 3))]);
    for _ in 0..2 {
        assert_eq!(issuer.number_permissions().await.unwrap(), 3);
    }
    drop(issuer);
    let issuer = numbering(&world).await;
    assert_eq!(issuer.number_permissions().await.unwrap(), 3);
}
