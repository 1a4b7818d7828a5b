//! The options: when to stop, and what unlocks further cases.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use doorward_attack::run::Limits;

use super::{second, shown};

/// When to stop, and what must not happen.
#[derive(Debug, Args)]
pub(super) struct Bounds {
    /// Requests at the most
    #[arg(long, value_name = "COUNT", default_value_t = Limits::POLITE.requests)]
    pub(super) max_requests: u32,
    /// Time at the most
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::POLITE.time.as_secs())]
    pub(super) max_seconds: u64,
    /// Requests a second, 0 for no bound [default: 10, on loopback 0]
    #[arg(long, value_name = "COUNT")]
    pub(super) rate: Option<u32>,
    /// Methods other than GET, HEAD and OPTIONS are fine
    #[arg(long)]
    pub(super) unsafe_methods: bool,
    /// Messages that may confuse the target, or a proxy before it, are fine
    #[arg(long)]
    pub(super) disturb: bool,
    /// JSON that the route takes as its body, with -X POST and the like
    #[arg(long, value_name = "FILE", requires = "unsafe_methods")]
    pub(super) body: Option<PathBuf>,
    /// Who answers for attacking a public address: a TOML file with host,
    /// owner and until
    #[arg(long, value_name = "FILE")]
    pub(super) authorized_by: Option<PathBuf>,
    /// Root certificates to believe instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
}

/// What unlocks further cases.
#[derive(Debug, Args)]
#[command(next_help_heading = "More cases")]
pub(super) struct More {
    /// The published key set: a file, or a path on the target
    #[arg(long, value_name = "FILE|/PATH")]
    pub(super) jwks: Option<String>,
    /// A token that has expired
    #[arg(long, value_name = "FILE")]
    pub(super) old_token: Option<PathBuf>,
    /// A token for something else: another API, an identity or refresh token;
    /// may be repeated
    #[arg(long = "other-token", value_name = "FILE")]
    pub(super) other_tokens: Vec<PathBuf>,
    /// A token of another user or tenant, who must not see what this route
    /// shows
    #[arg(long, value_name = "FILE")]
    pub(super) second_token: Option<PathBuf>,
    /// An address of this machine that the target can reach: forged tokens
    /// point there, and a sound target never comes
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listener: Option<SocketAddr>,
    /// Path of a route on the target that shows the headers it received
    #[arg(long, value_name = "/PATH")]
    pub(super) echo_route: Option<String>,
    /// The API's description, OpenAPI as JSON: a file, or a path on the target
    #[arg(long, value_name = "FILE|/PATH")]
    pub(super) openapi: Option<String>,
    /// The private key that the token is bound to (DPoP), PKCS #8 PEM: every
    /// request then carries a proof
    #[arg(long, value_name = "FILE", conflicts_with = "token_in")]
    pub(super) dpop_key: Option<PathBuf>,
    /// A key for programs: alone, or TOML with what is known of such keys
    #[arg(long, value_name = "FILE")]
    pub(super) api_key: Option<PathBuf>,
    /// The key that signs the tokens of a staging system: PKCS #8 PEM, or the
    /// secret of an HMAC
    #[arg(long, value_name = "FILE")]
    pub(super) staging_key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) second: second::Second,
    /// How to sign in: a TOML file. Brings a token, a new one when it dies, and
    /// the cases around sign-in, refresh and sign-out
    #[arg(long, value_name = "FILE")]
    pub(super) login: Option<PathBuf>,
    /// Words to try as the secret of an HMAC, one a line
    #[arg(long, value_name = "FILE")]
    pub(super) wordlist: Option<PathBuf>,
    /// How long to look for that secret
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(super) crack_seconds: u64,
}

impl More {
    /// Hands over every option that a case may need again. What only finds
    /// secrets offline needs no second try.
    pub(super) fn again(&self, add: &mut impl FnMut(&str, Option<String>)) {
        add("--jwks", self.jwks.clone());
        add("--old-token", self.old_token.as_deref().map(shown));
        for token in &self.other_tokens {
            add("--other-token", Some(shown(token)));
        }
        add("--second-token", self.second_token.as_deref().map(shown));
        add("--listener", self.listener.map(|it| it.to_string()));
        add("--echo-route", self.echo_route.clone());
        add("--openapi", self.openapi.clone());
        add("--dpop-key", self.dpop_key.as_deref().map(shown));
        add("--api-key", self.api_key.as_deref().map(shown));
        add("--login", self.login.as_deref().map(shown));
        add("--staging-key", self.staging_key.as_deref().map(shown));
        self.second.again(add);
    }
}
