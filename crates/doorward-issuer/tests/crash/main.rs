//! Crashes, again and again, on one database: nothing that was acknowledged is
//! lost, nothing that was revoked rises again, and the audit log has no gap.
//!
//! A process of its own ([`worker`]) signs in, refreshes, ends, grants and
//! rotates, signing keys and the master key, as it is told, and dies: by `kill -9` at a random moment, at a chosen
//! change of the disk or message to the server, in a power cut that takes back
//! what was not synced, or after the disk has failed for a while. The next start
//! must find everything that was answered ([`ledger`]).
//!
//! `DOORWARD_CRASH=ROUNDS,SEED` makes it longer (`just crash-loop`).

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod disk;
mod ledger;
mod node;
#[expect(dead_code, reason = "other tests look into its folder too")]
#[path = "../domain/postgres_server.rs"]
mod postgres_server;
mod rounds;
mod worker;

use std::time::Duration;

use postgres_server::PostgresServer;
use rounds::{Loop, Mistake, Told};

/// Whom the orders concern.
const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", WITNESS];

/// Nothing happens to this one.
const WITNESS: &str = "witness";

const ROUNDS: u64 = 200;
const ROUNDS_ON_POSTGRES: u64 = 40;

/// Rounds, and the seed.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's length is set from outside"
)]
fn length() -> Option<(u64, u64)> {
    let text = std::env::var("DOORWARD_CRASH").ok()?;
    let (rounds, seed) = text.split_once(',').unwrap();
    Some((rounds.parse().unwrap(), seed.parse().unwrap()))
}

/// Runs the loop and shows what it met.
#[expect(clippy::print_stderr, reason = "a long run says what it saw")]
fn run(crashes: Loop, (rounds, seed): (u64, u64)) -> Told {
    let told = crashes.run(rounds);
    let told = told.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    eprintln!("{rounds} rounds from seed {seed}: {told}");
    assert!(told.acknowledged > rounds / 2, "{told}");
    assert!(told.unknown > rounds / 4, "{told}");
    assert!(told.usual_start() < Duration::from_secs(2), "{told}");
    told
}

#[test]
fn rft_008_rft_009_rev_011_sec_009_nothing_acknowledged_is_lost_in_a_crash() {
    let (rounds, seed) = length().unwrap_or((ROUNDS, 1));
    let told = run(Loop::on_sqlite(seed, Mistake::None), (rounds, seed));
    for point in ["write doorward.db-wal", "sync doorward.db-wal"] {
        assert!(told.points.contains_key(point), "{told}");
    }
}

/// The node dies, the connection is cut in the middle of a message, or the
/// server's processes go.
#[test]
fn rft_008_rft_009_rev_011_sec_009_nothing_acknowledged_is_lost_on_postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let (rounds, seed) =
        length().map_or((ROUNDS_ON_POSTGRES, 1), |(rounds, seed)| (rounds / 5, seed));
    let told = run(Loop::on_postgres(seed, server), (rounds, seed));
    assert!(told.points.contains_key("send COMMIT"), "{told}");
}

/// The master key is changed, and the process dies at each change of the disk.
#[test]
fn a_change_of_the_master_key_dies_at_every_step_and_loses_nothing() {
    let told = run_rotations(Loop::on_sqlite(4, Mistake::None));
    for point in [
        "write master",
        "sync master",
        "link to master.key.next",
        "link to master.key.",
        "rename to master.key",
        "sync doorward.db-wal",
    ] {
        let met = told.points.keys().any(|met| met.starts_with(point));
        assert!(met, "{point}: {told}");
    }
}

#[test]
fn a_change_of_the_master_key_dies_at_every_message_and_loses_nothing() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let told = run_rotations(Loop::on_postgres(5, server));
    assert!(told.points.contains_key("send COMMIT"), "{told}");
}

#[expect(clippy::print_stderr, reason = "a long run says what it saw")]
fn run_rotations(crashes: Loop) -> Told {
    let told = crashes
        .run_rotations()
        .unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{told}");
    told
}

#[test]
fn the_loop_notices_an_answer_before_the_commit() {
    let found = Loop::on_sqlite(2, Mistake::AnswersEarly).run(400);
    let why = found.err().unwrap();
    assert!(why.contains("acknowledged and lost"), "{why}");
}

#[test]
fn the_loop_notices_a_master_key_that_takes_over_before_the_database_knows_it() {
    let found = Loop::on_sqlite(6, Mistake::FileFirst).run_rotations();
    let why = found.err().unwrap();
    assert!(why.contains("WrongMasterKey"), "{why}");
}

#[test]
fn the_loop_notices_a_disk_that_only_says_that_it_synced() {
    let found = Loop::on_sqlite(3, Mistake::DiskLies).run(400);
    assert!(found.is_err(), "nobody noticed");
}
