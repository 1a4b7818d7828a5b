//! The binary as its users meet it: a process on a fresh data folder, spoken
//! to by real sockets. Each test has its own, so no test depends on another.

mod exchange;
mod parts;
mod place;
mod recorder;
mod server;

pub(crate) use exchange::{Answer, attempt, request, send_raw};
pub(crate) use parts::{Part, find, find_at, find_if_there, skipped};
pub(crate) use place::Place;
pub(crate) use recorder::Recorder;
pub(crate) use server::{Server, binary, doorward};
