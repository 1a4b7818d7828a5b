//! The command line: every command on one page, and how each ends.
//!
//! Data goes to standard output, everything else to standard error. Secrets
//! come from a file, the environment, standard input or a prompt, never from
//! an argument: arguments show in process lists.

mod apikey;
mod attack;
mod backup;
mod client;
mod config;
mod curl;
mod explain;
mod export;
mod import;
mod init;
mod key;
mod login;
mod master_key;
mod restore;
mod role;
mod route;
mod secret;
mod serve;
mod shadow;
mod table;
mod tenant;
mod test;
mod token;
mod up;
mod user;
mod workplace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, error::ErrorKind};

pub(crate) use secret::from_environment;
pub(crate) use workplace::{
    DEFAULT_ADMIN_LISTEN, DEFAULT_LISTEN, Workplace, open_issuer, role_hint, runtime,
};

use crate::exit::{Answer, Failure};

/// The gate, the guard and the lock before any HTTP API.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Exit codes: 0 yes, 1 the answer is no, 2 usage, 3 configuration, \
                  4 cannot reach, 5 internal, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,

    #[command(subcommand)]
    command: Command,
}

/// Where state and configuration are, and how to answer.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Folder with the database, the keys and the last settings
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "DIR",
        env = "DOORWARD_DATA",
        hide_env_values = true,
        default_value = DEFAULT_DATA
    )]
    pub(crate) data: PathBuf,

    /// Configuration [default: doorward.toml, or what the last `up` used]
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "FILE",
        env = "DOORWARD_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Answer with JSON on standard output
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
}

/// The data folder when nothing names one.
const DEFAULT_DATA: &str = ".doorward";

/// Over the options that every command takes, so that its own stand first.
const EVERYWHERE: &str = "Everywhere";

#[derive(Debug, Subcommand)]
enum Command {
    /// Protect an API: issuer and gateway in one process
    Up(up::Up),
    /// Run one role: the issuer, or a gateway before an API
    #[command(subcommand)]
    Serve(serve::Serve),
    /// Write a commented doorward.toml
    Init(init::Init),
    /// Check the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Manage users
    #[command(subcommand)]
    User(user::User),
    /// Grant and revoke roles
    #[command(subcommand)]
    Role(role::Role),
    /// Look at the routes of the configuration, and open more
    #[command(subcommand)]
    Route(route::Route),
    /// Manage tenants
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Manage programs that sign in with a secret of their own
    #[command(subcommand)]
    Client(client::Client),
    /// Manage keys that act for a user or a client
    #[command(subcommand, name = "apikey")]
    ApiKey(apikey::ApiKey),
    /// Manage signing keys
    #[command(subcommand)]
    Key(key::Key),
    /// Change the master key
    #[command(subcommand)]
    Secret(master_key::Secret),
    /// Copy the state into a file, while a server runs
    Backup(backup::Backup),
    /// Put a backup back; API keys, clients and users ended since stay so
    Restore(restore::Restore),
    /// Take over users from elsewhere, with their password hashes
    Import(import::Import),
    /// Write every user as a line of JSON
    Export(export::Export),
    /// Sign in and keep the session for `doorward curl`
    Login(login::Login),
    /// Mint, look at and check tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Send a request through the gateway with the right token
    Curl(curl::Curl),
    /// Say why a request was, or would be, let in or turned away
    Explain(explain::Explain),
    /// Hold the configuration against decisions, recorded or written by hand
    Test(test::Test),
    /// Say which requests the configuration of `[shadow]` would decide otherwise
    Shadow(shadow::Shadow),
    /// Attack a JWT-protected API of yours and give a verdict
    Attack(Box<attack::Attack>),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Answer, Failure> {
        let place = self.place;
        match self.command {
            Command::Up(up) => up.run(&place),
            Command::Serve(serve) => serve.run(&place),
            Command::Init(init) => init.run(&place),
            Command::Config(config) => config.run(&place),
            Command::User(user) => user.run(&place),
            Command::Role(role) => role.run(&place),
            Command::Route(route) => route.run(&place),
            Command::Tenant(tenant) => tenant.run(&place),
            Command::Client(client) => client.run(&place),
            Command::ApiKey(key) => key.run(&place),
            Command::Key(key) => key.run(&place),
            Command::Secret(secret) => secret.run(&place),
            Command::Backup(backup) => backup.run(&place),
            Command::Restore(restore) => restore.run(&place),
            Command::Import(import) => import.run(&place),
            Command::Export(export) => export.run(&place),
            Command::Login(login) => login.run(&place),
            Command::Token(token) => token.run(&place),
            Command::Curl(curl) => curl.run(&place),
            Command::Explain(explain) => explain.run(&place),
            Command::Test(test) => test.run(&place),
            Command::Shadow(shadow) => shadow.run(&place),
            Command::Attack(attack) => attack.run(&place),
        }
    }
}

/// What was wrong with a command line, as a failure.
pub(crate) fn misread(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("a command is missing").hint("`doorward --help` lists them");
    }
    // The rest of the drawing is usage and advice.
    let drawing = error.render().to_string();
    let mut parts = drawing.split("\n\n").map(str::trim);
    let said = parts.next().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let failure = Failure::usage(said.split_whitespace().collect::<Vec<_>>().join(" "));
    let tip = parts.find_map(|part| part.strip_prefix("tip: "));
    failure.hint(tip.unwrap_or("`--help` shows what there is"))
}

/// Whether JSON was asked for on a command line that could not be read.
#[expect(
    clippy::disallowed_methods,
    reason = "the arguments, when their parser refused them"
)]
pub(crate) fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
