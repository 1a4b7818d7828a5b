//! API keys without the gateway: what they are exchanged for, and when not.

use doorward_issuer::{
    AdminError, Database, Entropy as _, Issuer,
    admin::{ApiKeyProblem, NewApiKey, NewClient, NewKeyText, NewOwner},
    api_key::{ApiKeyError, MAX_API_KEY_LIFETIME},
};
use doorward_policy::decision::Reason;
use doorward_verify::{
    clock::Clock as _,
    credential::{Kind, UnverifiedCredential, compose},
    principal::Principal,
};

use crate::harness::{World, audit, audited, check};

const DAY: u64 = 24 * 3600;

fn of_alice(limit: Option<&[&str]>) -> NewApiKey {
    NewApiKey {
        owner: NewOwner::User("alice".to_owned(), None),
        purpose: "nightly export".to_owned(),
        permissions: limit.map(|limit| limit.iter().map(ToString::to_string).collect()),
        networks: Vec::new(),
        delay: 0,
        lifetime: 30 * DAY,
    }
}

async fn made(issuer: &Issuer, new: NewApiKey) -> NewKeyText {
    issuer.admin().add_api_key(new).await.unwrap()
}

/// Who calls with the key now, or why nobody does.
async fn caller(world: &World, issuer: &Issuer, key: &NewKeyText) -> Result<Principal, Reason> {
    match issuer
        .exchange_api_key(key.text.reveal(), world.clock.now())
        .await
    {
        Ok(exchanged) => check(issuer, &world.clock, &exchanged.access_token),
        Err(ApiKeyError::Refused(reason)) => Err(reason),
        Err(ApiKeyError::NotOurs) => Err(Reason::ApiKeyUnknown),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_key_acts_for_its_owner_in_a_token_like_any_other() {
    let (world, issuer) = World::with_alice().await;
    let key = made(&issuer, of_alice(None)).await;
    let alice = issuer.account("alice").await.unwrap().unwrap();
    let principal = caller(&world, &issuer, &key).await.unwrap();
    assert_eq!(principal.subject(), alice.id.as_str());
    let claims = principal.claims();
    assert_eq!(claims.client_id(), Some(key.key.id.as_str()));
    assert_eq!(
        (principal.tenant(), claims.session_id()),
        (Some("acme"), None)
    );
    assert_eq!(principal.roles(), ["reader"]);
    assert_eq!(claims.permissions(), ["orders:read"]);
    let life = claims.expires_at().as_secs() - world.clock.now().unix().as_secs();
    assert_eq!(life, 300);
}

#[tokio::test]
async fn auz_016_a_key_never_does_more_than_its_owner_may_now() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let beyond = admin.add_api_key(of_alice(Some(&["orders:*"]))).await;
    assert!(matches!(
        beyond.err(),
        Some(AdminError::ApiKey(ApiKeyProblem::BeyondOwner(_)))
    ));
    admin.grant_role("alice", "acme", "editor").await.unwrap();
    world.clock.turn(5);
    let limit = ["orders:read", "orders:create"];
    let key = made(&issuer, of_alice(Some(&limit))).await;
    let principal = caller(&world, &issuer, &key).await.unwrap();
    assert_eq!(
        principal.claims().permissions(),
        ["orders:create", "orders:read"]
    );
    assert!(
        principal.roles().is_empty(),
        "a narrowed token names no roles"
    );
    // The owner loses a role: the key's token that is out is refused, and the
    // next one has less.
    let out = principal;
    admin.revoke_role("alice", "acme", "editor").await.unwrap();
    world.clock.turn(2);
    let after = caller(&world, &issuer, &key).await.unwrap();
    assert_eq!(after.claims().permissions(), ["orders:read"]);
    assert!(after.claims().issued_at() > out.claims().issued_at());
}

/// APK-005: nothing that a caller can reach makes keys, so no key makes one.
#[tokio::test]
async fn apk_006_a_disabled_owner_ends_the_key_and_its_tokens_at_once() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let new = NewClient {
        name: "billing".to_owned(),
        tenant: "acme".to_owned(),
        roles: vec!["reader".to_owned()],
        ..NewClient::default()
    };
    let client = admin.add_client(new).await.unwrap().client;
    let owned = NewApiKey {
        owner: NewOwner::Client("billing".to_owned()),
        ..of_alice(None)
    };
    let (user_key, client_key) = (
        made(&issuer, of_alice(None)).await,
        made(&issuer, owned).await,
    );
    let token = async |key: &NewKeyText| {
        let exchanged = issuer
            .exchange_api_key(key.text.reveal(), world.clock.now())
            .await;
        exchanged.unwrap().access_token
    };
    let (users, clients) = (token(&user_key).await, token(&client_key).await);
    assert_eq!(
        check(&issuer, &world.clock, &clients).unwrap().subject(),
        client.id.as_str()
    );
    admin.disable_user("alice").await.unwrap();
    admin.disable_client("billing").await.unwrap();
    for token in [users, clients] {
        let refused = check(&issuer, &world.clock, &token);
        assert_eq!(refused.unwrap_err(), Reason::UserChanged);
    }
    for key in [&user_key, &client_key] {
        let refused = caller(&world, &issuer, key).await;
        assert_eq!(refused.unwrap_err(), Reason::ApiKeyOwner);
    }
    admin.enable_client("billing").await.unwrap();
    assert!(caller(&world, &issuer, &client_key).await.is_ok());
    admin.remove_client("billing").await.unwrap();
    let refused = caller(&world, &issuer, &client_key).await;
    assert_eq!(refused.unwrap_err(), Reason::ApiKeyOwner);
}

#[tokio::test]
async fn apk_003_no_key_is_for_ever_and_none_counts_outside_its_days() {
    let (world, issuer) = World::with_alice().await;
    for (delay, lifetime) in [(0, 0), (0, MAX_API_KEY_LIFETIME + 1), (u64::MAX, 1)] {
        let new = NewApiKey {
            delay,
            lifetime,
            ..of_alice(None)
        };
        let refused = issuer.admin().add_api_key(new).await;
        assert!(matches!(
            refused.err(),
            Some(AdminError::ApiKey(ApiKeyProblem::Lifetime))
        ));
    }
    let new = NewApiKey {
        delay: DAY,
        lifetime: DAY,
        ..of_alice(None)
    };
    let key = made(&issuer, new).await;
    let refused = async || caller(&world, &issuer, &key).await.unwrap_err();
    assert_eq!(refused().await, Reason::ApiKeyExpired);
    world.clock.turn(DAY);
    assert!(caller(&world, &issuer, &key).await.is_ok());
    // A token never outlives its key.
    world.clock.turn(DAY - 10);
    let text = key.text.reveal();
    let exchanged = issuer
        .exchange_api_key(text, world.clock.now())
        .await
        .unwrap();
    let end = key.key.expires_at_ms;
    assert_eq!(exchanged.usable_until.millis(), end);
    let principal = check(&issuer, &world.clock, &exchanged.access_token).unwrap();
    assert_eq!(principal.expires_at().as_secs(), end / 1000);
    world.clock.turn(10);
    assert_eq!(refused().await, Reason::ApiKeyExpired);
}

#[tokio::test]
async fn apk_007_the_old_text_counts_during_the_overlap_and_there_is_no_third() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let first = made(&issuer, of_alice(None)).await;
    let id = first.key.id.as_str();
    let second = admin.rotate_api_key(id, 60).await.unwrap();
    assert_eq!(second.key.id, id);
    let both = [&first, &second];
    for key in both {
        assert!(caller(&world, &issuer, key).await.is_ok());
    }
    // What the gateway keeps of the old text ends with the overlap.
    let text = first.text.reveal();
    let exchanged = issuer
        .exchange_api_key(text, world.clock.now())
        .await
        .unwrap();
    let end = exchanged.usable_until.millis();
    assert_eq!(end, world.clock.now().millis() + 60_000);
    let third = admin.rotate_api_key(id, 60).await;
    assert!(matches!(
        third.err(),
        Some(AdminError::SecretsOverlap { .. })
    ));
    world.clock.turn(60);
    let refused = caller(&world, &issuer, &first).await;
    assert_eq!(refused.unwrap_err(), Reason::ApiKeyRevoked);
    assert!(caller(&world, &issuer, &second).await.is_ok());
    // Without an overlap also the tokens that are out end at once.
    let text = second.text.reveal();
    let out = issuer
        .exchange_api_key(text, world.clock.now())
        .await
        .unwrap();
    let third = admin.rotate_api_key(id, 0).await.unwrap();
    let refused = check(&issuer, &world.clock, &out.access_token);
    assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
    assert!(caller(&world, &issuer, &second).await.is_err());
    assert!(caller(&world, &issuer, &third).await.is_ok());
}

#[tokio::test]
async fn rev_008_a_revoked_key_and_its_tokens_are_refused_and_its_id_stays_taken() {
    let (world, issuer) = World::with_alice().await;
    let other = world.open().await;
    let key = made(&issuer, of_alice(None)).await;
    let text = key.text.reveal();
    let out = issuer
        .exchange_api_key(text, world.clock.now())
        .await
        .unwrap();
    let admin = issuer.admin();
    assert!(admin.revoke_api_key(&key.key.id).await.unwrap());
    assert!(!admin.revoke_api_key(&key.key.id).await.unwrap());
    let refused = check(&issuer, &world.clock, &out.access_token);
    assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
    // Another process: the key at once, the token with the next look.
    let refused = caller(&world, &other, &key).await;
    assert_eq!(refused.unwrap_err(), Reason::ApiKeyRevoked);
    other.poll_changes().await.unwrap();
    assert!(check(&other, &world.clock, &out.access_token).is_err());
    // APK-014: the row stays, and so does its id.
    assert_eq!(admin.api_keys().await.unwrap().len(), 1);
    assert!(admin.rotate_api_key(&key.key.id, 0).await.is_err());
    assert_ne!(made(&issuer, of_alice(None)).await.key.id, key.key.id);
    assert_eq!(audited(&issuer, "api_key.revoke").await, 1);
}

#[tokio::test]
async fn apk_002_only_a_mac_is_stored_and_lists_show_four_characters() {
    let (world, issuer) = World::with_alice().await;
    let key = made(&issuer, of_alice(None)).await;
    let text = key.text.reveal();
    let secret = UnverifiedCredential::parse(text).unwrap().secret();
    let listed = format!("{:?}", issuer.admin().api_keys().await.unwrap());
    let logged = format!("{:?}", audit(&issuer).await);
    assert!(listed.contains(&text[text.len() - 4..]));
    assert!(logged.contains("api_key.add") && logged.contains(&key.key.id));
    issuer.close().await;
    for part in [text, secret, &secret[..12]] {
        assert!(!listed.contains(part) && !logged.contains(part));
    }
    let Database::Sqlite(file) = world.database() else {
        return;
    };
    let file = std::fs::read(file).unwrap();
    let stored = |part: &str| {
        file.windows(part.len())
            .any(|bytes| bytes == part.as_bytes())
    };
    assert!(stored(&key.key.id), "the test looks at the right file");
    for part in [text, secret, &secret[..12]] {
        assert!(!stored(part));
    }
}

/// APK-009 as well: a key of another installation is an invented one.
#[tokio::test]
async fn bru_011_ten_thousand_invented_keys_ask_no_database() {
    let (world, issuer) = World::with_alice().await;
    let key = made(&issuer, of_alice(None)).await;
    assert!(issuer.drew_api_key(key.text.reveal()));
    for number in 0..10_000 {
        let text = compose(Kind::UserKey, &key.key.id, &format!("{number:036}"));
        assert!(UnverifiedCredential::parse(&text).is_some());
        assert!(!issuer.drew_api_key(&text));
    }
    let elsewhere = World::new();
    // Its master key is drawn after this, so it is another one.
    elsewhere.entropy.fill(&mut [0; 8]);
    let elsewhere = elsewhere.open().await;
    assert!(!elsewhere.drew_api_key(key.text.reveal()));
    // Whatever answers, it was not asked: there is no database any more.
    issuer.close().await;
    let text = compose(Kind::UserKey, &key.key.id, &"0".repeat(36));
    let refused = issuer.exchange_api_key(&text, world.clock.now()).await;
    assert!(matches!(refused.err(), Some(ApiKeyError::NotOurs)));
    let refused = issuer
        .exchange_api_key(key.text.reveal(), world.clock.now())
        .await;
    assert!(matches!(refused.err(), Some(ApiKeyError::Store(_))));
}

#[tokio::test]
async fn apk_010_the_last_use_is_written_in_batches() {
    let (world, issuer) = World::with_alice().await;
    let key = made(&issuer, of_alice(None)).await;
    let used = async || {
        let key = issuer.admin().api_key(&key.key.id).await.unwrap();
        key.last_used_at_ms
    };
    for _ in 0..5 {
        caller(&world, &issuer, &key).await.unwrap();
    }
    let at = world.clock.now().millis();
    assert_eq!(used().await, None, "no write for a use");
    world.clock.turn(10);
    issuer.poll_changes().await.unwrap();
    assert_eq!(used().await, Some(at));
    // And at the end of the process.
    world.clock.turn(60);
    caller(&world, &issuer, &key).await.unwrap();
    issuer.close().await;
    let issuer = world.open().await;
    let key = issuer.admin().api_key(&key.key.id).await.unwrap();
    assert_eq!(key.last_used_at_ms, Some(at + 70_000));
}

#[tokio::test]
async fn what_is_wrong_with_a_new_key_is_said() {
    let (_world, issuer) = World::with_alice().await;
    let wrong: [fn(&mut NewApiKey); 7] = [
        |new| new.owner = NewOwner::User("nobody".to_owned(), None),
        |new| new.owner = NewOwner::User("alice".to_owned(), Some("globex".to_owned())),
        |new| new.owner = NewOwner::Client("nobody".to_owned()),
        |new| new.purpose = "  ".to_owned(),
        |new| new.purpose = "a\u{7}".to_owned(),
        |new| new.networks = vec!["10.0.0.1/8".to_owned()],
        |new| new.permissions = Some(vec!["orders".to_owned()]),
    ];
    for spoil in wrong {
        let mut new = of_alice(None);
        spoil(&mut new);
        assert!(issuer.admin().add_api_key(new).await.is_err());
    }
    assert!(issuer.admin().api_keys().await.unwrap().is_empty());
}

/// Whoever finds the text of a key ends it, and nothing but the key.
#[tokio::test]
async fn apk_012_a_reported_key_is_over_at_once_and_its_owner_is_named() {
    let (world, issuer) = World::with_alice().await;
    let (key, other) = (
        made(&issuer, of_alice(None)).await,
        made(&issuer, of_alice(None)).await,
    );
    let now = || world.clock.now();
    let out = issuer.exchange_api_key(key.text.reveal(), now()).await;
    let out = out.ok().unwrap().access_token;
    // What is not the text of a key that counts ends nothing.
    let id = &key.key.id;
    for nothing in ["", id.as_str(), &key.text.reveal()[1..], &out] {
        assert!(!issuer.report_api_key(nothing, now()).await.unwrap());
    }
    let rotated = issuer.admin().rotate_api_key(&other.key.id, 0).await;
    let old = other.text.reveal();
    assert!(
        !issuer.report_api_key(old, now()).await.unwrap(),
        "replaced"
    );
    assert_eq!(audited(&issuer, "api_key.revoke").await, 0);

    let reported = issuer.report_api_key(key.text.reveal(), now()).await;
    assert!(reported.unwrap());
    let refused = caller(&world, &issuer, &key).await;
    assert_eq!(refused.unwrap_err(), Reason::ApiKeyRevoked);
    let refused = check(&issuer, &world.clock, &out);
    assert_eq!(refused.unwrap_err(), Reason::ClientRevoked);
    assert!(
        !issuer
            .report_api_key(key.text.reveal(), now())
            .await
            .unwrap()
    );
    world.clock.turn(30);
    caller(&world, &issuer, &rotated.unwrap()).await.unwrap();
    // Who is told: the log has the key, its owner, and that a finder did it.
    let entries = audit(&issuer).await;
    let entry = entries
        .iter()
        .find(|entry| entry.action == "api_key.revoke");
    let entry = entry.unwrap();
    let alice = issuer.account("alice").await.unwrap().unwrap();
    assert_eq!(entry.actor_kind, "api_key");
    assert_eq!(&entry.object_id, id);
    assert!(entry.detail.contains(alice.id.as_str()), "{}", entry.detail);
}

/// A miss takes the same time whether there is a key of that id or not: neither
/// is looked up. Whoever has the text of a revoked key is told so in words.
#[tokio::test]
async fn apk_013_no_time_tells_which_ids_there_are() {
    let (world, issuer) = World::with_alice().await;
    let key = made(&issuer, of_alice(None)).await;
    let flipped = |text: &str| {
        let first = if text.starts_with('A') { "B" } else { "A" };
        format!("{first}{}", &text[1..])
    };
    let text = key.text.reveal();
    let genuine = UnverifiedCredential::parse(text).unwrap();
    let (id, secret) = (genuine.id(), genuine.secret());
    issuer.admin().revoke_api_key(id).await.unwrap();
    let told = caller(&world, &issuer, &key).await;
    assert_eq!(told.unwrap_err(), Reason::ApiKeyRevoked);
    // There is nothing to look anything up in.
    issuer.close().await;
    for (id, secret) in [(id, &*flipped(secret)), (&flipped(id), secret)] {
        let invented = compose(Kind::UserKey, id, secret);
        assert!(UnverifiedCredential::parse(&invented).is_some());
        let refused = issuer.exchange_api_key(&invented, world.clock.now()).await;
        assert!(matches!(refused, Err(ApiKeyError::NotOurs)), "{id}");
    }
}

/// The text that was found was replaced a moment ago: the new one goes on.
#[tokio::test]
async fn apk_012_a_report_of_the_old_text_does_not_end_the_new_one() {
    let (world, issuer) = World::with_alice().await;
    let now = || world.clock.now();
    for _ in 0..20 {
        let key = made(&issuer, of_alice(None)).await;
        let (admin, old) = (issuer.admin(), key.text.reveal());
        let rotating = admin.rotate_api_key(&key.key.id, 0);
        let (reported, rotated) = tokio::join!(issuer.report_api_key(old, now()), rotating);
        // One of the two came first, and the other one found it so.
        assert_ne!(reported.unwrap(), rotated.is_ok());
        if let Ok(rotated) = rotated {
            world.clock.turn(30);
            caller(&world, &issuer, &rotated).await.unwrap();
        }
    }
}
