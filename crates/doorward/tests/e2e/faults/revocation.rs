//! How long a command takes to be noticed by a server that runs.

use std::time::Instant;

use super::observed::{Observed, WITHIN_A_SECOND, access_token, say, until, up};
use crate::harness::doorward;

const ROUNDS: usize = 5;

#[test]
fn rev_001_rev_006_a_disabled_user_is_refused_within_a_second_of_the_command() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let tokens = server.sign_in("reader");
        let token = access_token(&tokens);
        assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
        run(&server, &["user", "disable", "reader"]);
        let acknowledged = Instant::now();
        until(WITHIN_A_SECOND, "a refusal at the gateway", || {
            (server.call("GET", "/orders", Some(token)).status == 401).then_some(())
        });
        took.push(acknowledged.elapsed());
        assert_eq!(server.refresh(&tokens).status, 400);
        run(&server, &["user", "enable", "reader"]);
        // Enabled again is not signed in again.
        assert_eq!(server.call("GET", "/orders", Some(token)).status, 401);
        assert_eq!(server.refresh(&tokens).status, 400);
    }
    took.sort_unstable();
    say(&format!("from `user disable` to the refusal: {took:?}"));
    server.assert_well();
}

fn run(server: &Observed, arguments: &[&str]) {
    let output = doorward(&server.data()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}
