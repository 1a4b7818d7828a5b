//! `POST /auth/api-keys/report`.

use doorward_issuer::admin::{NewApiKey, NewOwner};
use serde_json::json;

use crate::harness::House;

#[tokio::test]
async fn apk_012_a_finder_hears_the_same_whatever_was_found() {
    let house = House::new().await;
    let new = NewApiKey {
        owner: NewOwner::User("alice".to_owned(), None),
        purpose: "nightly export".to_owned(),
        permissions: None,
        networks: Vec::new(),
        delay: 0,
        lifetime: 3600,
    };
    let key = house.issuer.admin().add_api_key(new).await.unwrap();
    let mut answers = Vec::new();
    // Ours, ours again, somebody's, nobody's.
    let text = key.text.reveal();
    for found in [text, text, "ghp_1234567890", ""] {
        let answer = house
            .post("/auth/api-keys/report", &json!({ "api_key": found }))
            .await;
        assert!(answer.body.is_empty());
        answers.push(answer.verdict());
    }
    assert_eq!(answers, [(204, "served"); 4]);
    let keys = house.issuer.admin().api_keys().await.unwrap();
    assert!(keys[0].revoked_at_ms.is_some());
}
