//! A server that dies, comes back, or cannot be reached.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use doorward_issuer::{
    Database, Issuer, OpenError, PostgresUrl, RefreshError, StoreError,
    admin::{NewApiKey, NewClient, NewOwner},
    attribute::AttributeChanges,
    session::{EndCause, FIRST_PARTY_CLIENT},
};

use crate::{
    harness::{World, audit, check, config, make_schema, new_user, password, sign_in},
    postgres_server::PostgresServer,
};

/// A server of its own, a world on it, and an issuer with alice.
async fn alone() -> Option<(PostgresServer, World, Issuer)> {
    let server = PostgresServer::start()?;
    let url = server.url("w");
    make_schema(url.clone(), "w".to_owned());
    let world = World::on(Some(Database::Postgres(PostgresUrl::parse(&url).unwrap())));
    let issuer = world.peopled().await;
    Some((server, world, issuer))
}

/// Off the runtime: it takes a moment.
async fn order(server: &Arc<PostgresServer>, word: &'static str, answer: &'static str) {
    let server = Arc::clone(server);
    let ordered = tokio::task::spawn_blocking(move || server.order(word, answer));
    ordered.await.unwrap();
}

/// Clients that go on from the newest refresh token that they were given, with
/// the last one again when it was not answered.
#[derive(Default)]
struct Clients {
    answered: AtomicUsize,
    is_over: AtomicBool,
}

impl Clients {
    async fn refresh(&self, issuer: Issuer, mut token: String) -> String {
        while !self.is_over.load(Ordering::SeqCst) {
            match issuer.refresh(&token, FIRST_PARTY_CLIENT).await {
                Ok(refreshed) => {
                    token = refreshed.answer.refresh_token;
                    self.answered.fetch_add(1, Ordering::SeqCst);
                }
                Err(RefreshError::Store(StoreError::Unavailable(_) | StoreError::Contended(_))) => {
                }
                Err(error) => panic!("{error}"),
            }
        }
        token
    }

    /// Until they were answered `count` times more.
    async fn go_on(&self, count: usize) {
        let until = self.answered.load(Ordering::SeqCst) + count;
        while self.answered.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rev_011_what_was_answered_survives_the_death_of_the_server() {
    let Some((server, world, issuer)) = alone().await else {
        return;
    };
    let server = Arc::new(server);
    let ended = sign_in(&issuer, "alice").await;
    let kept = sign_in(&issuer, "alice").await;
    let clients = Arc::new(Clients::default());
    let mut running = Vec::new();
    for _ in 0..8 {
        let token = sign_in(&issuer, "alice").await.refresh_token;
        let (clients, issuer) = (Arc::clone(&clients), issuer.clone());
        running.push(tokio::spawn(
            async move { clients.refresh(issuer, token).await },
        ));
    }
    clients.go_on(50).await;
    let cause = EndCause::Administrator;
    assert!(issuer.end_session(ended.session_id, cause).await.unwrap());
    order(&server, "crash", "crashed").await;

    // While it is gone: what is checked in memory goes on, what must be written
    // says that it cannot be.
    assert!(check(&issuer, &world.clock, &kept.access_token).is_ok());
    assert!(check(&issuer, &world.clock, &ended.access_token).is_err());
    let refused = issuer.end_session(kept.session_id, cause).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(matches!(
        issuer.poll_changes().await,
        Err(StoreError::Unavailable(_))
    ));

    order(&server, "start", "started").await;
    // The same process goes on, without being started again.
    while issuer.poll_changes().await.is_err() {}
    clients.go_on(50).await;
    clients.is_over.store(true, Ordering::SeqCst);
    for client in running {
        let token = client.await.unwrap();
        let refreshed = issuer.refresh(&token, FIRST_PARTY_CLIENT).await;
        assert!(refreshed.is_ok(), "an honest client was signed out");
    }
    let fresh = world.open().await;
    for issuer in [&issuer, &fresh] {
        assert!(check(issuer, &world.clock, &ended.access_token).is_err());
        let refreshed = issuer.refresh(&ended.refresh_token, FIRST_PARTY_CLIENT);
        assert!(matches!(refreshed.await, Err(RefreshError::Invalid)));
    }
    let numbers = audit(&fresh).await;
    assert!(
        (1..).zip(&numbers).all(|(seq, entry)| entry.seq == seq),
        "a gap"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let url = PostgresUrl::parse("postgres://ana:s3cr3t@127.0.0.1:1/doorward").unwrap();
    let world = World::on(Some(Database::Postgres(url)));
    let opened = Issuer::open(
        world.database(),
        world.master_key(),
        config(),
        world.surroundings(),
    );
    let error = opened.await.err().unwrap();
    assert!(
        matches!(error, OpenError::Store(StoreError::Unavailable(_))),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
}

/// The statement is in the server's hands when the server dies: nobody knows
/// whether it was done, and the error does not claim to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_not_answered_is_there_whole_or_not_at_all() {
    let Some((server, world, issuer)) = alone().await else {
        return;
    };
    let server = Arc::new(server);
    for round in 0..6 {
        let admin = issuer.admin();
        let names = (0..200).map(|n| format!("u{round}-{n}"));
        let adding = async {
            let mut added = Vec::new();
            for name in names {
                match admin.add_user(new_user(&name)).await {
                    Ok(user) => added.push(user),
                    Err(_) => break,
                }
            }
            added
        };
        let (added, ()) = tokio::join!(adding, order(&server, "crash", "crashed"));
        order(&server, "start", "started").await;
        while issuer.poll_changes().await.is_err() {}
        for user in &added {
            assert!(admin.user(user.username.as_str()).await.is_ok());
        }
        let stored = world.count("SELECT COUNT(*) FROM account").await;
        let audited = world
            .count("SELECT COUNT(*) FROM audit WHERE action = 'user.add'")
            .await;
        assert_eq!(stored, audited, "round {round}");
        let newest = world.count("SELECT MAX(seq) FROM audit").await;
        assert_eq!(newest, world.count("SELECT COUNT(*) FROM audit").await);
        let head = world
            .count("SELECT value FROM head WHERE name = 'audit'")
            .await;
        assert_eq!(newest, head, "round {round}");
    }
}

/// Every change is run again when the server could not put it in an order with
/// others, and is then done once.
#[tokio::test]
async fn changes_by_administrators_are_run_again_after_a_serialization_failure() {
    let (world, issuer) = World::with_alice().await;
    if !matches!(world.database(), Database::Postgres(_)) {
        return;
    }
    let admin = issuer.admin();
    let key = NewApiKey {
        owner: NewOwner::User("alice".to_owned(), None),
        purpose: "a test".to_owned(),
        permissions: None,
        networks: Vec::new(),
        delay: 0,
        lifetime: 3600,
    };
    let client = NewClient {
        name: "batch".to_owned(),
        tenant: "acme".to_owned(),
        ..NewClient::default()
    };
    let made = admin.add_api_key(key.clone()).await.unwrap().key.id;
    let mut attributes = AttributeChanges::default();
    attributes.add("department", &"sales".into()).unwrap();
    let mut hands = world.hands().await;
    // Sequences are not rolled back, so each change fails twice and no more.
    for statement in [
        "CREATE SEQUENCE tries",
        "CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tries') <= 2 THEN
                 RAISE EXCEPTION 'injected' USING ERRCODE = '40001';
             END IF;
             RETURN NEW;
         END $$",
        "CREATE TRIGGER fail_twice BEFORE INSERT ON audit
             FOR EACH STATEMENT EXECUTE FUNCTION fail_twice()",
    ] {
        hands.run_made(statement.to_owned()).await;
    }
    macro_rules! again_and_again {
        ($($change:expr),+ $(,)?) => {$(
            hands.run_made("ALTER SEQUENCE tries RESTART".to_owned()).await;
            let before = audit(&issuer).await.len();
            assert!($change.await.is_ok(), stringify!($change));
            assert!(audit(&issuer).await.len() > before, stringify!($change));
        )+};
    }
    again_and_again![
        admin.add_tenant("initech"),
        admin.add_user(new_user("bob")),
        admin.grant_role("bob", "acme", "reader"),
        admin.change_attributes("bob", &attributes, None),
        admin.revoke_role("bob", "acme", "reader"),
        admin.set_password("bob", password("nine tall reeds by the weir")),
        admin.issue_password_reset("bob", 60),
        admin.end_sessions("bob"),
        admin.disable_user("bob"),
        admin.enable_user("bob"),
        admin.add_client(client),
        admin.rotate_client_secret("batch", 0),
        admin.disable_client("batch"),
        admin.enable_client("batch"),
        admin.remove_client("batch"),
        admin.add_api_key(key),
        admin.rotate_api_key(&made, 0),
        admin.revoke_api_key(&made),
        admin.mint_access_token("alice", None),
        admin.rotate_key(),
        admin.expire_access_tokens(),
    ];
}
