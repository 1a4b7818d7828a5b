//! Users from elsewhere: imported, signed in, exported.

use std::net::Ipv4Addr;

use axum::body::Body;
use doorward_issuer::{
    AdminError, Issuer,
    admin::{Difference, ImportBatch, Imported, Standing},
    http::Peer,
    user_record::ImportedUser,
};
use doorward_verify::clock::Clock;
use http::{Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{World, audit, audited, check, sign_in};

const HASHES: &str = include_str!("../foreign_hashes/hashes.jsonl");
const PASSWORD: &str = "grüne Wiese, blauer Himmel";

fn users(world: &World, lines: &str) -> Vec<(u64, ImportedUser)> {
    let now = world.clock.now();
    let read = |line: &str| ImportedUser::read(line.as_bytes(), &world.roles.load(), now).unwrap();
    (1..).zip(lines.lines().map(read)).collect()
}

async fn import(world: &World, issuer: &Issuer, lines: &str, update: bool) -> Vec<Imported> {
    let admin = issuer.admin();
    let mut import = admin.begin_import(update);
    let outcomes = admin.import_batch(&mut import, &batch(world, lines)).await;
    outcomes.unwrap()
}

fn batch(world: &World, lines: &str) -> ImportBatch {
    let mut batch = ImportBatch::default();
    for (line, user) in users(world, lines) {
        batch.push(line, user).unwrap();
    }
    batch
}

async fn signs_in(issuer: &Issuer, username: &str, password: &str) -> bool {
    let body = json!({ "username": username, "password": password });
    let request = Request::post("/auth/sign-in")
        .header(header::CONTENT_TYPE, "application/json")
        .extension(Peer(Ipv4Addr::LOCALHOST.into()));
    let request = request.body(Body::from(body.to_string())).unwrap();
    issuer.router().oneshot(request).await.unwrap().status() == 200
}

async fn hash_of(issuer: &Issuer, username: &str) -> String {
    let account = issuer.account(username).await.unwrap().unwrap();
    account.password_hash.unwrap().to_text()
}

async fn exported(issuer: &Issuer, with_hashes: bool) -> String {
    let admin = issuer.admin();
    let (mut lines, mut after) = (String::new(), String::new());
    while let Some(page) = admin.export_page(&after, with_hashes).await.unwrap() {
        for user in &page.users {
            lines += &serde_json::to_string(user).unwrap();
            lines.push('\n');
        }
        after = page.last;
    }
    lines
}

#[tokio::test]
async fn whoever_comes_with_a_foreign_hash_signs_in_and_gets_one_of_ours() {
    let world = World::new();
    let issuer = world.open().await;
    let outcomes = import(&world, &issuer, HASHES, false).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Imported::Added));
    for line in HASHES.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = line["username"].as_str().unwrap();
        let foreign = hash_of(&issuer, name).await;
        assert!(line["password_hash"].as_str().unwrap().ends_with(&foreign));
        if ["bcrypt-2b", "scrypt-passlib", "pbkdf2-hashlib", "argon2i"].contains(&name) {
            assert!(!signs_in(&issuer, name, "grune Wiese, blauer Himmel").await);
            assert_eq!(
                hash_of(&issuer, name).await,
                foreign,
                "{name}: a guess changed it"
            );
        }
        assert!(signs_in(&issuer, name, PASSWORD).await, "{name}");
        let ours = hash_of(&issuer, name).await;
        assert!(
            ours.starts_with("$argon2id$v=19$m=64,t=1,p=1$"),
            "{name}: {ours}"
        );
        assert!(
            signs_in(&issuer, name, PASSWORD).await,
            "{name}, the second time"
        );
    }
    assert_eq!(
        audited(&issuer, "user.rehash").await,
        HASHES.lines().count()
    );
}

#[tokio::test]
async fn an_import_is_audited_by_batch_and_as_a_whole() {
    let (world, issuer) = World::with_alice().await;
    let lines = r#"{"username":"bob","tenant":"acme","roles":["reader"]}
{"username":"carol","tenant":"initech","roles_elsewhere":[{"tenant":"acme","roles":["editor"]}]}
{"username":"dora","disabled":true,"created_at_ms":1500000000000}"#;
    let admin = issuer.admin();
    let mut running = admin.begin_import(false);
    let first = batch(&world, lines);
    admin.import_batch(&mut running, &first).await.unwrap();
    let again = batch(&world, r#"{"username":"dora"}"#);
    admin.import_batch(&mut running, &again).await.unwrap();
    admin.end_import(&running, &"0".repeat(64)).await.unwrap();
    let log = audit(&issuer).await;
    let of = |action: &str| {
        let entries: Vec<_> = log.iter().filter(|entry| entry.action == action).collect();
        assert_eq!(entries.len(), 1, "{action}");
        serde_json::from_str::<Value>(&entries[0].detail).unwrap()
    };
    let (batch, whole) = (of("user.import"), of("installation.import"));
    assert_eq!(batch["import"], whole["import"]);
    assert_eq!(
        (&batch["first_line"], &batch["last_line"]),
        (&json!(1), &json!(3))
    );
    assert_eq!((&batch["users"], &batch["roles"]), (&json!(3), &json!(2)));
    // Counted by the import itself, over both batches.
    assert_eq!(
        (&whole["added"], &whole["existing"]),
        (&json!(3), &json!(1))
    );
    // acme and globex were there.
    assert_eq!(audited(&issuer, "tenant.add").await, 4);

    let carol = admin.role_grants("carol").await.unwrap();
    assert_eq!(
        (carol[0].tenant.as_str(), carol[0].role.as_str()),
        ("acme", "editor")
    );
    let dora = admin.user("dora").await.unwrap();
    assert_eq!(dora.created_at_ms, 1_500_000_000_000);
    assert!(dora.disabled_at_ms.is_some());
    assert!(!signs_in(&issuer, "dora", PASSWORD).await);
    // Nobody signs in who has no password, and a token sets one.
    assert!(!signs_in(&issuer, "bob", "").await);
    assert!(
        !admin
            .issue_password_reset("bob", 900)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn who_is_there_is_left_alone_unless_it_is_asked_for() {
    let (world, issuer) = World::with_alice().await;
    let bcrypt = HASHES
        .lines()
        .find(|line| line.contains("bcrypt-2b"))
        .unwrap();
    let line = bcrypt.replace("bcrypt-2b", "alice").replace(
        "\"password_hash\"",
        r#""tenant":"acme","roles":["reader","editor"],"password_hash""#,
    );
    let lines = format!("{line}\n{{\"username\":\"bob\"}}");
    let (before, session) = (
        hash_of(&issuer, "alice").await,
        sign_in(&issuer, "alice").await,
    );

    let first = import(&world, &issuer, &lines, false).await;
    assert_eq!(first, [Imported::Existing, Imported::Added]);
    assert_eq!(hash_of(&issuer, "alice").await, before);
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
    assert_eq!(issuer.admin().role_grants("alice").await.unwrap().len(), 1);
    let entries = audit(&issuer).await.len();
    let again = import(&world, &issuer, &lines, false).await;
    assert_eq!(again, [Imported::Existing, Imported::Existing]);
    assert_eq!(audit(&issuer).await.len(), entries, "nothing happened");

    let updated = import(&world, &issuer, &lines, true).await;
    assert_eq!(updated, [Imported::Updated, Imported::Existing]);
    assert_ne!(hash_of(&issuer, "alice").await, before);
    assert!(
        check(&issuer, &world.clock, &session.access_token).is_err(),
        "REV-004"
    );
    assert_eq!(issuer.admin().role_grants("alice").await.unwrap().len(), 2);
    world.clock.turn(5);
    assert!(signs_in(&issuer, "alice", PASSWORD).await);
    let locked = r#"{"username":"alice","tenant":"acme","disabled":true}"#;
    assert_eq!(
        import(&world, &issuer, locked, true).await,
        [Imported::Updated]
    );
    assert!(!signs_in(&issuer, "alice", PASSWORD).await);
    let same = import(&world, &issuer, locked, true).await;
    assert_eq!(same, [Imported::Existing]);
    let free = locked.replace("true", "false");
    assert_eq!(
        import(&world, &issuer, &free, true).await,
        [Imported::Updated]
    );
    assert!(signs_in(&issuer, "alice", PASSWORD).await);
}

/// Nobody gets the `sub` of another.
#[tokio::test]
async fn an_id_that_is_taken_refuses_the_batch() {
    let (world, issuer) = World::with_alice().await;
    let alice = issuer.admin().user("alice").await.unwrap().id;
    let lines = format!(
        "{{\"username\":\"bob\"}}\n{{\"username\":\"mallory\",\"id\":\"{alice}\"}}\n\
         {{\"username\":\"alice\"}}"
    );
    let admin = issuer.admin();
    let batch = batch(&world, &lines);
    let standings = admin.standings(batch.users()).await.unwrap();
    assert_eq!(
        standings,
        [Standing::New, Standing::IdTaken, Standing::There]
    );
    let refused = admin
        .import_batch(&mut admin.begin_import(false), &batch)
        .await;
    assert!(matches!(
        refused,
        Err(AdminError::UserIdTaken { line: 2, .. })
    ));
    let bob = admin.user("bob").await;
    assert!(
        matches!(bob, Err(AdminError::NoSuchUser(_))),
        "a part of it was imported"
    );
    assert_eq!(audited(&issuer, "user.import").await, 0);
}

#[tokio::test]
async fn what_is_exported_is_imported_as_it_was() {
    let (world, issuer) = World::with_alice().await;
    import(&world, &issuer, HASHES, false).await;
    let lines = r#"{"username":"bob","tenant":"globex","roles":["editor","reader"],"roles_elsewhere":[{"tenant":"acme","roles":["reader"]},{"tenant":"globex2","roles":["editor"]}]}
{"username":"dora","disabled":true,"created_at_ms":1500000000000}"#;
    import(&world, &issuer, lines, false).await;
    // Alice's hash is of the cheap kind that tests make, which no import takes.
    let of_others = |text: String| {
        let others = text.lines().filter(|line| !line.contains("\"alice\""));
        others.collect::<Vec<_>>().join("\n")
    };
    let first = of_others(exported(&issuer, true).await);
    assert_eq!(first.lines().count(), HASHES.lines().count() + 2);

    let other = World::new();
    let elsewhere = other.open().await;
    import(&other, &elsewhere, &first, false).await;
    assert_eq!(of_others(exported(&elsewhere, true).await), first);
    assert!(signs_in(&elsewhere, "bcrypt-2y", PASSWORD).await);
    let (here, there) = (issuer.admin(), elsewhere.admin());
    let id = here.user("bob").await.unwrap().id;
    assert_eq!(there.user("bob").await.unwrap().id, id);

    let without = exported(&elsewhere, false).await;
    assert!(!without.contains("password_hash") && !without.contains("$2"));
    for (issuer, detail) in [(&issuer, true), (&elsewhere, false)] {
        issuer.admin().begin_export(detail).await.unwrap();
        let entry = audit(issuer).await.pop().unwrap();
        assert_eq!(entry.action, "installation.export");
        assert!(entry.detail.contains(&detail.to_string()));
    }
}

/// What others wrote into the database is not carried elsewhere.
#[tokio::test]
async fn rows_that_doorward_did_not_write_are_not_exported() {
    let (world, issuer) = World::with_alice().await;
    import(
        &world,
        &issuer,
        r#"{"username":"bob","roles":["reader"]}"#,
        false,
    )
    .await;
    assert!(exported(&issuer, true).await.contains("bob"));
    world
        .tamper("UPDATE role_grant SET role = 'editor' WHERE tenant = 'default'")
        .await;
    assert!(!exported(&issuer, true).await.contains("editor"));
    world
        .tamper("UPDATE account SET password_hash = 'x' WHERE username = 'bob'")
        .await;
    assert!(!exported(&issuer, true).await.contains("bob"));
    issuer.poll_changes().await.unwrap();
    assert_eq!(audited(&issuer, "row.refused").await, 2);
}

/// A file of one customer changes nobody of another.
#[tokio::test]
async fn an_update_does_not_cross_tenants() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let (before, entries) = (hash_of(&issuer, "alice").await, audit(&issuer).await.len());
    let bcrypt = HASHES
        .lines()
        .find(|line| line.contains("bcrypt-2b"))
        .unwrap();
    let hash = serde_json::from_str::<Value>(bcrypt).unwrap()["password_hash"].to_string();
    let other_id = "0193b2a0-0000-7000-8000-000000000001";
    for (said, difference) in [
        (r#""tenant":"globex""#.to_owned(), Difference::Tenant),
        (
            format!(r#""tenant":"acme","id":"{other_id}""#),
            Difference::Id,
        ),
        (format!(r#""id":"{other_id}""#), Difference::Id),
    ] {
        let line =
            format!(r#"{{"username":"alice",{said},"roles":["editor"],"password_hash":{hash}}}"#);
        let lines = format!("{{\"username\":\"bob\",\"tenant\":\"new\"}}\n{line}");
        let batch = batch(&world, &lines);
        let standings = admin.standings(batch.users()).await.unwrap();
        assert_eq!(standings, [Standing::New, Standing::Differs(difference)]);
        let refused = admin
            .import_batch(&mut admin.begin_import(true), &batch)
            .await;
        assert!(
            matches!(&refused, Err(AdminError::UserDiffers { line: 2, difference: it, .. }) if *it == difference),
            "{refused:?}"
        );
    }
    assert_eq!(hash_of(&issuer, "alice").await, before);
    assert_eq!(admin.role_grants("alice").await.unwrap().len(), 1);
    assert_eq!(audit(&issuer).await.len(), entries, "nothing was imported");

    // A line that names no tenant means the account's own.
    let line = r#"{"username":"alice","roles":["editor"]}"#;
    assert_eq!(
        import(&world, &issuer, line, true).await,
        [Imported::Updated]
    );
    let grants = admin.role_grants("alice").await.unwrap();
    assert!(
        grants.iter().all(|grant| grant.tenant.as_str() == "acme"),
        "{grants:?}"
    );
    assert_eq!(grants.len(), 2);
}

/// Tenants are made for who is added, and not for who is there.
#[tokio::test]
async fn who_is_left_alone_brings_no_tenant() {
    let (world, issuer) = World::with_alice().await;
    let entries = audit(&issuer).await.len();
    let line = r#"{"username":"alice","tenant":"nowhere","roles":["reader"],
        "roles_elsewhere":[{"tenant":"elsewhere","roles":["reader"]}]}"#;
    let line = line.replace('\n', "");
    assert_eq!(
        import(&world, &issuer, &line, false).await,
        [Imported::Existing]
    );
    assert_eq!(audit(&issuer).await.len(), entries);
}

#[tokio::test]
async fn attributes_are_imported_exported_and_updated() {
    let (world, issuer) = World::with_alice().await;
    let of = async |name: &str| {
        let found = issuer.admin().attributes(name).await.unwrap();
        serde_json::to_value(found.attributes).unwrap()
    };
    let lines = r#"{"username":"bob","attributes":{"department":"sales","level":3,"temporary":true}}
                   {"username":"carol"}
                   {"username":"alice","tenant":"acme","attributes":{"department":"north"}}"#;
    let done = import(&world, &issuer, lines, true).await;
    assert_eq!(done, [Imported::Added, Imported::Added, Imported::Updated]);
    let sales = json!({ "department": "sales", "level": 3, "temporary": true });
    assert_eq!(of("bob").await, sales);
    assert_eq!(
        (of("carol").await, of("alice").await),
        (json!({}), json!({ "department": "north" }))
    );
    let lines = exported(&issuer, false).await;
    let bob = lines.lines().find(|line| line.contains("bob")).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(bob).unwrap()["attributes"],
        sales
    );
    assert!(
        !lines
            .lines()
            .find(|line| line.contains("carol"))
            .unwrap()
            .contains("attributes")
    );
    let again = import(&world, &issuer, &lines, true).await;
    assert_eq!(again, [Imported::Existing; 3]);
    let less = r#"{"username":"bob","attributes":{"department":null,"level":4}}"#;
    assert_eq!(
        import(&world, &issuer, less, true).await,
        [Imported::Updated]
    );
    assert_eq!(of("bob").await, json!({ "level": 4, "temporary": true }));
    // Too many only with those of before: which line it is, and whose.
    let many: serde_json::Map<_, _> = (0..31).map(|n| (format!("a{n}"), json!(n))).collect();
    let many = json!({ "username": "bob", "attributes": many });
    let lines = format!("{{\"username\":\"carol\"}}\n{many}");
    let (admin, many) = (issuer.admin(), batch(&world, &lines));
    let mut running = admin.begin_import(true);
    let refused = admin.import_batch(&mut running, &many).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("line 2: the attributes of bob: a user has at most 32"),
        "{refused}"
    );
    let wrong =
        r#"{"username":"a","attributes":{"email":"x","office":"hunter2@example.org","a":[]}}"#;
    let read = ImportedUser::read(wrong.as_bytes(), &world.roles.load(), world.clock.now());
    let problems: Vec<_> = read.unwrap_err().into_iter().map(|it| it.message).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
}

/// One row that somebody changed does not keep the others from being imported.
#[tokio::test]
async fn a_row_that_doorward_did_not_write_is_left_out_and_the_rest_goes_on() {
    let (world, issuer) = World::with_alice().await;
    import(&world, &issuer, r#"{"username":"bob"}"#, false).await;
    let lines = r#"{"username":"alice","tenant":"acme","roles":["editor"],"disabled":true}
{"username":"bob","roles":["editor"]}
{"username":"carol"}"#;
    for forgery in [
        "UPDATE account SET password_hash = 'x' WHERE username = 'alice'",
        "UPDATE account SET home_tenant = 'globex' WHERE username = 'alice'",
    ] {
        world.tamper(forgery).await;
        let batch = batch(&world, lines);
        let standings = issuer.admin().standings(batch.users()).await.unwrap();
        assert_eq!(standings[0], Standing::NotOurs, "{forgery}");
        let mut running = issuer.admin().begin_import(true);
        let done = issuer.admin().import_batch(&mut running, &batch).await;
        assert_eq!(done.unwrap()[0], Imported::NotOurs, "{forgery}");
        assert_eq!(running.counts().not_ours, 1);
    }
    let admin = issuer.admin();
    assert_eq!(admin.role_grants("bob").await.unwrap().len(), 1);
    assert!(admin.user("carol").await.is_ok());
    assert_eq!(
        admin.role_grants("alice").await.unwrap().len(),
        1,
        "as it was"
    );
}
