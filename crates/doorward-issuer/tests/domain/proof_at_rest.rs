//! SEC-001: what rests on the disk gives nobody a token or a password.

use std::{fs, path::Path};

use base64_simd::URL_SAFE_NO_PAD;
use doorward_issuer::{
    Database,
    session::{EndCause, FIRST_PARTY_CLIENT},
};

use crate::harness::{PASSWORD, World, postgres_folder, sign_in};

#[tokio::test]
async fn sec_001_the_files_of_the_database_hold_no_secret_that_was_issued() {
    let (world, issuer) = World::with_alice().await;
    let mut secrets: Vec<Vec<u8>> = vec![PASSWORD.into()];
    for _ in 0..3 {
        let session = sign_in(&issuer, "alice").await;
        world.clock.turn(1);
        let refreshed = issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await
            .ok()
            .unwrap()
            .answer;
        let minted = issuer
            .admin()
            .mint_access_token("alice", None)
            .await
            .unwrap();
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap();
        for token in [session.refresh_token, refreshed.refresh_token] {
            let bytes = URL_SAFE_NO_PAD
                .decode_to_vec(&token["dwr_".len()..])
                .unwrap();
            // The text, and its MACs without the parts that name the session.
            secrets.push(bytes[21..37].to_vec());
            secrets.push(bytes[37..].to_vec());
            secrets.push(token.into_bytes());
        }
        for token in [
            session.access_token,
            refreshed.access_token,
            minted.access_token,
        ] {
            let signature = token.rsplit('.').next().unwrap();
            secrets.push(signature.into());
            secrets.push(token.into_bytes());
        }
    }
    let master_key = fs::read_to_string(world.file("master.key")).unwrap();
    let digits = master_key.trim();
    let bytes = (0..32).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap());
    secrets.push(bytes.collect());
    secrets.push(digits.into());

    // Everything was in the log until now; then it is in the database too.
    match world.database() {
        Database::Sqlite(database) => {
            search(&world.file("doorward.db-wal"), &secrets);
            world.tamper("PRAGMA wal_checkpoint(FULL)").await;
            search(&database, &secrets);
        }
        _ => {
            world.tamper("CHECKPOINT").await;
            let data = postgres_folder().join("data");
            search(&data.join("base"), &secrets);
            search(&data.join("pg_wal"), &secrets);
        }
    }
}

fn search(place: &Path, secrets: &[Vec<u8>]) {
    let mut content = Vec::new();
    gather(place, &mut content);
    let file = place.display();
    let holds = |bytes: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(b"alice"), "{file} is what is searched");
    for secret in secrets {
        assert!(
            !holds(secret),
            "{file} holds a secret of {} bytes",
            secret.len()
        );
    }
    // The OID of EC keys, as it stands in every PKCS #8 private key.
    assert!(
        !holds(b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"),
        "{file} holds a private key"
    );
}

/// The content of a file, or of every file below a folder.
fn gather(place: &Path, content: &mut Vec<u8>) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            gather(&entry.unwrap().path(), content);
        }
    } else if let Ok(bytes) = fs::read(place) {
        // Other tests drop theirs meanwhile.
        content.extend(bytes);
    }
}
