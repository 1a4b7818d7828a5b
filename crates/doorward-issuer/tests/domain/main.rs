//! The issuer without HTTP: sessions, revocation, keys, administration, on a
//! real database with a turned clock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod accounts;
mod administration;
mod api_keys;
mod attributes;
mod backup;
mod clients;
mod clock;
mod feed;
mod harness;
mod import;
mod keys;
mod master_keys;
mod people;
mod permission_numbers;
mod postgres_server;
mod proof_at_rest;
mod races;
mod refresh;
mod revocation;
mod row_macs;
mod simulation;
mod walk;

const ENGINE: harness::Engine = harness::Engine::Sqlite;
