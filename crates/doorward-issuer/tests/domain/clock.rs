//! When the clock jumps, and when a decision takes its time.

use doorward_issuer::session::FIRST_PARTY_CLIENT;

use crate::harness::{World, sign_in};

/// A queue, a lock or a suspended machine between decision and signature.
#[tokio::test]
async fn a_token_lives_from_its_decision_on_however_late_it_is_signed() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    world.clock.run(100);
    let refreshed = issuer
        .refresh(&first.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    let minted = issuer.admin().mint_access_token("alice", None).await;
    let signed_in = sign_in(&issuer, "alice").await;
    world.clock.run(0);
    // So that none of them is expired when it is looked at.
    world.clock.turn_back(1_000);
    for token in [
        refreshed.ok().unwrap().answer.access_token,
        minted.unwrap().access_token,
        signed_in.access_token,
    ] {
        let payload = token.split('.').nth(1).unwrap();
        let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let seconds = |name: &str| claims[name].as_u64().unwrap();
        assert_eq!(seconds("exp") - seconds("iat"), 300);
    }
}
