//! The `doorward` binary: command line, configuration and wiring.
//!
//! The only crate that reads arguments, environment, files, the clock and
//! randomness; everything else gets them as values.

mod admin_listener;
mod authzen;
mod bounded_file;
mod cli;
mod client;
mod config;
mod data_folder;
mod decision_view;
mod demo;
mod exit;
mod invocation;
mod journal;
mod metrics;
mod one_request;
mod openapi;
mod output;
mod paint;
mod rehearsal;
mod root_certificates;
mod state_place;
mod system;
mod traces;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let as_json = cli.place.json;
    match cli.run() {
        Ok(_) if output::is_lost() => ExitCode::from(exit::Blame::Unreachable.code()),
        Ok(answer) => answer.into(),
        Err(failure) => {
            output::failure(&failure, as_json);
            ExitCode::from(failure.blame.code())
        }
    }
}

/// Prints help, version or what was wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // Printing can only fail when the stream is gone.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let failure = cli::misread(error);
    if cli::wants_json() {
        output::failure_json(&failure);
    }
    ExitCode::from(failure.blame.code())
}
