//! Everything of `domain`, on a real PostgreSQL server.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

#[path = "../domain/accounts.rs"]
mod accounts;
#[path = "../domain/administration.rs"]
mod administration;
#[path = "../domain/api_keys.rs"]
mod api_keys;
#[path = "../domain/attributes.rs"]
mod attributes;
#[path = "../domain/backup.rs"]
mod backup;
#[path = "../domain/clients.rs"]
mod clients;
#[path = "../domain/clock.rs"]
mod clock;
mod failures;
#[path = "../domain/feed.rs"]
mod feed;
#[path = "../domain/harness.rs"]
mod harness;
#[path = "../domain/import.rs"]
mod import;
#[path = "../domain/keys.rs"]
mod keys;
#[path = "../domain/master_keys.rs"]
mod master_keys;
mod nodes;
#[path = "../domain/people.rs"]
mod people;
#[path = "../domain/permission_numbers.rs"]
mod permission_numbers;
#[path = "../domain/postgres_server.rs"]
mod postgres_server;
#[path = "../domain/proof_at_rest.rs"]
mod proof_at_rest;
#[path = "../domain/races.rs"]
mod races;
#[path = "../domain/refresh.rs"]
mod refresh;
#[path = "../domain/revocation.rs"]
mod revocation;
#[path = "../domain/row_macs.rs"]
mod row_macs;
#[path = "../domain/simulation.rs"]
mod simulation;
#[path = "../domain/walk.rs"]
mod walk;

const ENGINE: harness::Engine = harness::Engine::Postgres;
