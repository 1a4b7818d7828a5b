//! Tenants, users and roles.

use doorward_issuer::{
    AdminError, MintError, SessionError,
    admin::{NewUser, Page},
    password::{Salt, Verdict},
};

use crate::harness::{
    BY_PASSWORD, PASSWORD, World, audit, check, new_user, password, roles, sign_in,
};

#[tokio::test]
async fn users_are_made_once_and_listed_by_name() {
    let (_world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    admin.add_user(new_user("Bob@Example.org")).await.unwrap();
    let taken = admin.add_user(new_user("bob@example.ORG")).await;
    assert!(
        matches!(taken, Err(AdminError::UserExists(_))),
        "par_018: one account"
    );
    let names = |page| async {
        let users = admin.users(page).await.unwrap();
        users
            .into_iter()
            .map(|user| user.username.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Page::default()).await, ["alice", "bob@example.org"]);
    let second = Page {
        after: Some("Alice".to_owned()),
        limit: Some(1),
    };
    assert_eq!(names(second).await, ["bob@example.org"]);
    assert_eq!(
        admin
            .user("BOB@example.org")
            .await
            .unwrap()
            .username
            .as_str(),
        "bob@example.org"
    );
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_changed() {
    let (_world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let before = audit(&issuer).await.len();
    let nowhere = NewUser {
        tenant: "nowhere".to_owned(),
        ..new_user("bob")
    };
    assert!(matches!(
        admin.add_user(nowhere).await,
        Err(AdminError::NoSuchTenant(_))
    ));
    let weak = NewUser {
        password: password("short"),
        ..new_user("bob")
    };
    assert!(matches!(
        admin.add_user(weak).await,
        Err(AdminError::WeakPassword(_))
    ));
    let odd = new_user("b\u{f6}b");
    assert!(matches!(
        admin.add_user(odd).await,
        Err(AdminError::Username(_))
    ));
    assert!(matches!(
        admin.add_tenant("acme").await,
        Err(AdminError::TenantExists(_))
    ));
    assert!(matches!(
        admin.add_tenant("a/b").await,
        Err(AdminError::TenantName(_))
    ));
    assert!(matches!(
        admin.disable_user("bob").await,
        Err(AdminError::NoSuchUser(_))
    ));
    let unknown = admin.grant_role("alice", "acme", "raeder").await;
    match unknown {
        Err(AdminError::UnknownRole(unknown)) => assert_eq!(unknown.known, ["editor", "reader"]),
        other => panic!("{other:?}"),
    }
    let nowhere = admin.grant_role("alice", "nowhere", "reader").await;
    assert!(matches!(nowhere, Err(AdminError::NoSuchTenant(_))));
    assert!(
        !admin.grant_role("alice", "acme", "reader").await.unwrap(),
        "already so"
    );
    assert_eq!(audit(&issuer).await.len(), before);
}

#[tokio::test]
async fn membership_is_the_home_tenant_or_a_grant() {
    let (_world, issuer) = World::with_alice().await;
    let account = issuer.account("ALICE").await.unwrap().unwrap();
    let tenant = |asked| {
        let (issuer, account) = (issuer.clone(), account.clone());
        async move {
            let tenant = issuer.membership(&account, asked).await.unwrap();
            tenant.map(|tenant| tenant.to_string())
        }
    };
    assert_eq!(tenant(None).await.as_deref(), Some("acme"));
    assert_eq!(tenant(Some("acme")).await.as_deref(), Some("acme"));
    for foreign in ["globex", "nowhere", "ACME", "", "../acme"] {
        assert_eq!(tenant(Some(foreign)).await, None, "iss_036: {foreign:?}");
    }
    issuer
        .admin()
        .grant_role("alice", "globex", "editor")
        .await
        .unwrap();
    assert_eq!(tenant(Some("globex")).await.as_deref(), Some("globex"));

    // Asking for a tenant past the membership check gives nothing either.
    let globex = issuer
        .membership(&account, Some("globex"))
        .await
        .unwrap()
        .unwrap();
    issuer
        .admin()
        .revoke_role("alice", "globex", "editor")
        .await
        .unwrap();
    let started = issuer.start_session(&account, &globex, BY_PASSWORD).await;
    assert!(matches!(started, Err(SessionError::NotAMember(_))));
}

#[tokio::test]
async fn a_token_is_for_one_tenant_and_has_only_its_roles() {
    let (world, issuer) = World::with_alice().await;
    issuer
        .admin()
        .grant_role("alice", "globex", "editor")
        .await
        .unwrap();
    let home = issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap();
    let abroad = issuer
        .admin()
        .mint_access_token("alice", Some("globex"))
        .await
        .unwrap();
    let home = check(&issuer, &world.clock, &home.access_token).unwrap();
    let abroad = check(&issuer, &world.clock, &abroad.access_token).unwrap();
    assert_eq!(
        (home.tenant(), home.roles()),
        (Some("acme"), &["reader".to_owned()][..])
    );
    assert_eq!(
        (abroad.tenant(), abroad.roles()),
        (Some("globex"), &["editor".to_owned()][..])
    );
    let nowhere = issuer
        .admin()
        .mint_access_token("alice", Some("nowhere"))
        .await;
    assert!(matches!(nowhere, Err(AdminError::NotAMember { .. })));
}

#[tokio::test]
async fn a_role_that_the_configuration_lost_gives_nothing_and_comes_back() {
    let (world, issuer) = World::with_alice().await;
    issuer
        .admin()
        .grant_role("alice", "acme", "editor")
        .await
        .unwrap();
    world
        .roles
        .store(roles(&[("reader", &["orders:read"])]).into());
    let session = sign_in(&issuer, "alice").await;
    let principal = check(&issuer, &world.clock, &session.access_token).unwrap();
    assert_eq!(principal.roles(), ["reader"]);
    assert_eq!(principal.claims().permissions(), ["orders:read"]);
    let grants = issuer.admin().role_grants("alice").await.unwrap();
    let known: Vec<_> = grants
        .iter()
        .map(|grant| (&*grant.role, grant.known))
        .collect();
    assert_eq!(known, [("editor", false), ("reader", true)]);
    // It can be taken away although it is unknown.
    assert!(
        issuer
            .admin()
            .revoke_role("alice", "acme", "editor")
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_token_that_would_be_too_large_is_refused_by_name() {
    let (world, issuer) = World::with_alice().await;
    let many: Vec<_> = (0..400).map(|n| format!("orders-{n}:read")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    world.roles.store(roles(&[("reader", &many)]).into());
    let refused = issuer.admin().mint_access_token("alice", None).await;
    match refused {
        Err(AdminError::Mint(MintError::TooLarge { size, limit, claim })) => {
            assert!(size > limit);
            assert_eq!((limit, claim.as_str()), (6144, "permissions"));
        }
        other => panic!("{:?}", other.err()),
    }
    let account = issuer.account("alice").await.unwrap().unwrap();
    let started = issuer
        .start_session(&account, &account.home_tenant, BY_PASSWORD)
        .await;
    assert!(matches!(started, Err(SessionError::Mint(_))));
}

#[tokio::test]
async fn a_rehash_signs_nobody_out_and_never_overwrites_a_newer_password() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let account = issuer.account("alice").await.unwrap().unwrap();
    let stronger = doorward_issuer::password::Hashing {
        memory_kib: 128,
        ..crate::harness::config().hashing
    };
    let hasher = doorward_issuer::password::Hasher::new(stronger).unwrap();
    let verdict = hasher
        .verify(
            password(PASSWORD),
            account.password_hash.as_ref(),
            Salt([1; Salt::BYTES]),
        )
        .await
        .unwrap();
    let Verdict::Right {
        rehash: Some(rehash),
    } = verdict
    else {
        panic!("the password is right and the parameters are old");
    };
    issuer.store_rehash(&account, &rehash).await.unwrap();
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
    let stored = issuer
        .account("alice")
        .await
        .unwrap()
        .unwrap()
        .password_hash
        .unwrap();
    assert_eq!(stored.to_text(), rehash.to_text());

    issuer
        .admin()
        .set_password("alice", password("another gate, further on"))
        .await
        .unwrap();
    issuer.store_rehash(&account, &rehash).await.unwrap();
    let stored = issuer
        .account("alice")
        .await
        .unwrap()
        .unwrap()
        .password_hash
        .unwrap();
    assert_ne!(stored.to_text(), rehash.to_text());
}
