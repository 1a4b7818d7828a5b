//! The whole of it: the binary as a process, real sockets, real upstreams.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod accounts;
mod attack;
mod authzen;
mod beside;
mod commands;
mod core_cases;
mod crash;
mod faults;
mod first_run;
mod flow;
mod foreign_issuers;
mod harness;
mod internal_tokens;
mod master_key;
mod nodes;
mod observability;
mod openapi;
#[cfg(feature = "cedar")]
mod policies;
#[expect(dead_code, reason = "the issuer's own tests look into its folder too")]
#[path = "../../../doorward-issuer/tests/domain/postgres_server.rs"]
mod postgres_server;
mod programs;
mod reload;
mod restart_settings;
mod secrets;
mod separate;
mod services;
mod shadow;
mod tls;
mod traces;
mod upstreams;
