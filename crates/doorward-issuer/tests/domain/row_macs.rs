//! Who can write the database, and has no master key, gives himself nothing.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};
use doorward_issuer::{
    Issuer, RefreshError,
    admin::{NewApiKey, NewOwner},
    session::FIRST_PARTY_CLIENT,
};
use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey};

use crate::harness::{Hands, World, audit, check, new_user, sign_in};

/// The tables of the rows that were refused, as they were audited.
async fn refused(issuer: &Issuer) -> Vec<String> {
    for _ in 0..3 {
        issuer.poll_changes().await.unwrap();
    }
    let entries = audit(issuer).await.into_iter();
    let refused = entries.filter(|entry| entry.action == "row.refused");
    refused.map(|entry| entry.object_kind).collect()
}

async fn roles_after_refresh(world: &World, issuer: &Issuer, token: &mut String) -> Vec<String> {
    let refreshed = issuer.refresh(token, FIRST_PARTY_CLIENT).await;
    let answer = refreshed.ok().unwrap().answer;
    *token = answer.refresh_token;
    let principal = check(issuer, &world.clock, &answer.access_token).unwrap();
    principal.roles().to_vec()
}

#[tokio::test]
async fn a_role_that_somebody_else_wrote_is_not_held_and_is_audited_once() {
    let (world, issuer) = World::with_alice().await;
    let mut token = sign_in(&issuer, "alice").await.refresh_token;
    // As an older program would, and with the MAC of another row.
    for columns in [
        "'editor', granted_at, NULL",
        "'editor', granted_at, row_mac",
    ] {
        let mut hands = world.hands().await;
        let insert = "INSERT INTO role_grant (account_id, tenant, role, granted_at, row_mac)";
        let from = format!("SELECT account_id, tenant, {columns} FROM role_grant");
        hands.run(&format!("{insert} {from}")).await;
        let roles = roles_after_refresh(&world, &issuer, &mut token).await;
        assert_eq!(roles, ["reader"], "{columns}");
        hands
            .run("DELETE FROM role_grant WHERE role = 'editor'")
            .await;
        hands.close().await;
    }
    world.tamper("UPDATE role_grant SET role = 'editor'").await;
    let roles = roles_after_refresh(&world, &issuer, &mut token).await;
    assert!(roles.is_empty(), "{roles:?}");
    assert_eq!(refused(&issuer).await, ["role_grant"]);
    // Who may give the role can give it still.
    let admin = issuer.admin();
    assert!(admin.grant_role("alice", "acme", "editor").await.unwrap());
    world.clock.turn(5);
    let roles = roles_after_refresh(&world, &issuer, &mut token).await;
    assert_eq!(roles, ["editor"]);
}

#[tokio::test]
async fn another_password_hash_name_or_tenant_makes_nobody_of_an_account() {
    let changes = [
        "UPDATE account SET password_hash =
             (SELECT password_hash FROM account WHERE username = 'mallory')
         WHERE username = 'alice'",
        "UPDATE account SET home_tenant = 'globex' WHERE username = 'alice'",
        "UPDATE account SET id = 'f', username = 'root' WHERE username = 'alice'",
        "UPDATE account SET disabled_at = NULL WHERE username = 'alice'",
    ];
    for change in changes {
        let (world, issuer) = World::with_alice().await;
        issuer.admin().add_user(new_user("mallory")).await.unwrap();
        let session = sign_in(&issuer, "alice").await;
        if change.contains("disabled_at") {
            issuer.admin().disable_user("alice").await.unwrap();
        }
        if change.contains("'root'") {
            world.tamper("DELETE FROM role_grant").await;
            world.tamper("DELETE FROM session").await;
        }
        world.tamper(change).await;
        for name in ["alice", "root"] {
            assert!(issuer.account(name).await.unwrap().is_none(), "{change}");
        }
        let refreshed = issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        assert!(matches!(refreshed, Err(RefreshError::Invalid)), "{change}");
        assert!(issuer.account("mallory").await.unwrap().is_some());
        assert_eq!(refused(&issuer).await, ["account"], "{change}");
    }
}

/// The worst of all: with a key of one's own every token can be made.
#[tokio::test]
async fn a_signing_key_that_somebody_else_wrote_is_shown_to_nobody() {
    let (world, issuer) = World::with_alice().await;
    let own = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = own.verifying_key().to_jwk().unwrap().to_object();
    let jwk = serde_json::Value::Object(jwk).to_string();
    let kid = own.key_id();
    let mut hands = world.hands().await;
    hands
        .run(&format!(
            "INSERT INTO signing_key
                 (kid, algorithm, public_jwk, state, state_at, created_at, row_mac)
             SELECT '{kid}', 'ES256', '{jwk}', 'verifying', 9999999999, 1, row_mac
             FROM signing_key"
        ))
        .await;
    hands
        .run("UPDATE head SET value = value + 1 WHERE name = 'keys'")
        .await;
    hands.close().await;
    issuer.poll_changes().await.unwrap();
    let fresh = world.open().await;
    for issuer in [&issuer, &fresh] {
        assert!(!issuer.jwks_json().contains(kid));
        let session = sign_in(issuer, "alice").await;
        assert!(check(issuer, &world.clock, &session.access_token).is_ok());
    }
    assert!(refused(&issuer).await.contains(&"signing_key".to_owned()));
}

#[tokio::test]
async fn a_session_that_somebody_else_changed_has_no_refresh_token() {
    let changes = [
        "UPDATE session SET account_id = (SELECT id FROM account WHERE username = 'alice')",
        "UPDATE session SET tenant = 'globex'",
        "UPDATE session SET methods = 'pwd otp mfa'",
        "UPDATE session SET absolute_until = absolute_until + 1",
        "UPDATE session SET client_id = 'app'",
    ];
    for change in changes {
        let (world, issuer) = World::with_alice().await;
        issuer.admin().add_user(new_user("mallory")).await.unwrap();
        let session = sign_in(&issuer, "mallory").await;
        world.tamper(change).await;
        for client in [FIRST_PARTY_CLIENT, "app"] {
            let refreshed = issuer.refresh(&session.refresh_token, client).await;
            assert!(matches!(refreshed, Err(RefreshError::Invalid)), "{change}");
        }
        assert_eq!(refused(&issuer).await, ["session"], "{change}");
    }
}

#[tokio::test]
async fn an_api_key_that_somebody_else_widened_is_none() {
    let (world, issuer) = World::with_alice().await;
    let new = NewApiKey {
        owner: NewOwner::User("alice".to_owned(), None),
        purpose: "a test".to_owned(),
        permissions: Some(Vec::new()),
        networks: Vec::new(),
        delay: 0,
        lifetime: 3600,
    };
    let made = issuer.admin().add_api_key(new).await.unwrap();
    let now = doorward_verify::clock::Clock::now(&*world.clock);
    let exchanged = issuer.exchange_api_key(made.text.reveal(), now).await;
    assert!(exchanged.is_ok());
    world.tamper("UPDATE api_key SET permissions = NULL").await;
    let exchanged = issuer.exchange_api_key(made.text.reveal(), now).await;
    assert!(exchanged.is_err());
    assert_eq!(refused(&issuer).await, ["api_key"]);
}

/// A database of before: no MACs, another value to recognise the master key
/// by, and sessions sealed for their id alone.
async fn made_old(world: &World, session: &str, columns: &[&str]) {
    let master = world.master_key_bytes();
    let key = |purpose: &[u8]| {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v1");
        let mut key = [0; 32];
        let purpose = [purpose];
        let okm = salt.extract(&master);
        let okm = okm.expand(&purpose, hkdf::HKDF_SHA256).unwrap();
        okm.fill(&mut key).unwrap();
        key
    };
    let sealer = RandomizedNonceKey::new(&AES_256_GCM, &key(b"seal")).unwrap();
    let sealed = sealed_key(world).await;
    let mut beside = format!("doorward/2/session/{session}");
    for column in columns {
        beside.push_str(&format!("/{}:{column}", column.len()));
    }
    let (nonce, content) = sealed[1..].split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut content = content.to_vec();
    let opened = sealer.open_in_place(nonce, Aad::from(beside), &mut content);
    let mut secret = opened.unwrap().to_vec();
    let before = Aad::from(format!("doorward/1/session/{session}"));
    let nonce = sealer
        .seal_in_place_append_tag(before, &mut secret)
        .unwrap();
    let sealed = [&[1][..], nonce.as_ref(), &secret].concat();

    let mut hands = world.hands().await;
    for table in ["account", "role_grant", "signing_key", "client", "api_key"] {
        hands
            .run(&format!("UPDATE {table} SET row_mac = NULL"))
            .await;
    }
    let bytes = |bytes: &[u8]| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match &hands {
            Hands::Sqlite(_) => format!("x'{digits}'"),
            Hands::Postgres(_) => format!("'\\x{digits}'::bytea"),
        }
    };
    let check = format!(
        "UPDATE installation SET master_key_check = {}",
        bytes(&key(b"check"))
    );
    let sealed = format!("UPDATE session SET sealed_key = {}", bytes(&sealed));
    hands.run_made(check).await;
    hands.run_made(sealed).await;
    hands.close().await;
    world.forget_root_keys().await;
}

async fn sealed_key(world: &World) -> Vec<u8> {
    const SQL: &str = "SELECT sealed_key FROM session";
    match world.hands().await {
        Hands::Sqlite(mut connection) => {
            let sealed = sqlx::query_scalar(SQL).fetch_one(&mut connection).await;
            sealed.unwrap()
        }
        Hands::Postgres(mut connection) => {
            let sealed = sqlx::query_scalar(SQL).fetch_one(&mut connection).await;
            sealed.unwrap()
        }
    }
}

#[tokio::test]
async fn a_database_of_before_is_bound_once_and_nobody_is_signed_out() {
    let (world, issuer) = World::with_alice_of_before().await;
    let mut session = sign_in(&issuer, "alice").await;
    let created = doorward_verify::clock::Clock::now(&*world.clock).millis();
    let end = created + crate::harness::config().refresh_absolute * 1000;
    let (id, sub) = (session.session_id.to_string(), session.subject.to_string());
    let (created, end) = (created.to_string(), end.to_string());
    let columns = [&sub, "acme", FIRST_PARTY_CLIENT, "pwd", &end, &created];
    made_old(&world, &id, &columns).await;
    drop(issuer);

    for _ in 0..2 {
        let issuer = world.open().await;
        let roles = roles_after_refresh(&world, &issuer, &mut session.refresh_token).await;
        assert_eq!(roles, ["reader"]);
        assert!(refused(&issuer).await.is_empty());
        let bound = audit(&issuer).await.into_iter();
        let bound = bound.filter(|entry| entry.action == "installation.rows_bind");
        assert_eq!(bound.count(), 1);
    }
    // A second time it is not believed.
    world.tamper("UPDATE role_grant SET row_mac = NULL").await;
    let issuer = world.open().await;
    let roles = roles_after_refresh(&world, &issuer, &mut session.refresh_token).await;
    assert!(roles.is_empty());
}
