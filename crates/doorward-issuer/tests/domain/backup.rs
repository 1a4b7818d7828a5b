//! A backup, and what happens when one is put back.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
};

use doorward_issuer::{AdminError, Database};

use crate::harness::{World, audited, check, sign_in};

#[tokio::test]
async fn key_021_a_restored_store_takes_no_token_of_before() {
    let (world, issuer) = World::with_alice().await;
    let file = world.file("backup.db");
    let mut options = OpenOptions::new();
    options.create_new(true).write(true).mode(0o600);
    drop(options.open(&file).unwrap());
    let session = sign_in(&issuer, "alice").await;
    let backed_up = issuer.admin().back_up_to(file.to_str().unwrap()).await;
    let old_key = issuer.admin().signing_keys()[0].kid.clone();
    // Ended after the backup: it must not come alive.
    let ended = sign_in(&issuer, "alice").await;
    issuer.admin().end_sessions("alice").await.unwrap();

    match world.database() {
        Database::Sqlite(path) => {
            backed_up.unwrap();
            issuer.close().await;
            for end in ["-wal", "-shm"] {
                let _ = fs::remove_file(format!("{}{end}", path.display()));
            }
            fs::copy(&file, &path).unwrap();
        }
        // Its own tools do it; here the state stays as it is.
        Database::Postgres(_) => {
            assert!(matches!(backed_up, Err(AdminError::BackedUpElsewhere)));
            issuer.close().await;
        }
    }
    let issuer = world.open().await;
    issuer.begin_restored_epoch().await.unwrap();
    for tokens in [&session, &ended] {
        assert!(check(&issuer, &world.clock, &tokens.access_token).is_err());
        let refreshed = issuer.refresh(&tokens.refresh_token, "doorward").await;
        assert!(refreshed.is_err());
    }
    assert!(
        !issuer.jwks_json().contains(&old_key),
        "an old key still signs"
    );
    assert_eq!(audited(&issuer, "installation.restore").await, 1);
    world.clock.turn(2);
    let anew = sign_in(&issuer, "alice").await;
    assert!(check(&issuer, &world.clock, &anew.access_token).is_ok());
}
