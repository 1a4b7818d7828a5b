//! What there is beyond one valid token.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use crate::{
    case::Extra, description::Description, forge::Forgery, login::Login, mint::Mint, proof::Prover,
    target::TokenPlace,
};

/// An address of ours that forged tokens point to. Listening is the caller's
/// work; here is only asked who came.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The forgeries of [`crate::forge::lure`].
    pub forgeries: Vec<Forgery>,
    /// How many connections were made to the address.
    pub visits: Arc<AtomicU32>,
}

/// What belongs to the caller of the second token.
#[derive(Clone, Debug, Default)]
pub struct SecondCaller {
    /// A route that shows what is theirs, and not the first caller's.
    pub route: Option<String>,
    /// The name by which their tenant is served at the same address.
    pub host: Option<String>,
    /// What ends one of the first caller's sessions or tokens; `{token}` and
    /// `{CLAIM}` stand for what is in [`Extras::another_token`].
    pub revoke: Option<Operation>,
    /// Routes that the first caller's console calls and theirs does not.
    pub console_routes: Vec<String>,
}

/// Keys for programs, and what is known of them.
#[derive(Clone)]
pub struct ApiKeys {
    /// A good one.
    pub key: String,
    /// Where it goes.
    pub place: TokenPlace,
    /// Keys that are over, or not good yet.
    pub expired: Vec<String>,
    /// A key that is bound to a network that this machine is not of.
    pub elsewhere: Option<String>,
    /// An address of that network.
    pub address: Option<String>,
    /// The host of another tenant at the same address.
    pub other_host: Option<String>,
    /// Routes for people that the token reaches and a key must not.
    pub management: Vec<String>,
    /// What would make a key that may more than its owner.
    pub wider: Option<Operation>,
    /// A key that may be lost.
    pub spare: Option<String>,
    /// What revokes it; `{key}` stands for it.
    pub revoke: Option<Operation>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A request that changes something, named by whoever runs the attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its method.
    pub method: String,
    /// Path and query on the target.
    pub path: String,
    /// Its body; JSON if it begins with a brace or bracket, else a form.
    pub body: String,
}

/// What there is beyond one valid token.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// The published key set, as text.
    pub jwks: Option<String>,
    /// Methods that may change something are fine.
    pub unsafe_methods: bool,
    /// Messages that may confuse the target, or what stands before it, are
    /// fine.
    pub disturb: bool,
    /// A token that has expired.
    pub old_token: Option<String>,
    /// Tokens for something else: another API, identity, refresh.
    pub other_tokens: Vec<String>,
    /// A token whose caller must not see what this route shows.
    pub second_token: Option<String>,
    /// Another token of the same issuer and caller, which may be lost.
    pub another_token: Option<String>,
    /// What else is known of the second caller.
    pub second: SecondCaller,
    /// Names of other issuers that the target trusts.
    pub other_issuers: Vec<String>,
    /// What the API says of itself.
    pub description: Option<Description>,
    /// Signs proofs for a token that is bound to a key.
    pub prover: Option<Prover>,
    /// Keys for programs.
    pub api_keys: Option<ApiKeys>,
    /// Path of a route that shows the header fields it received.
    pub echo_route: Option<String>,
    /// Where forged tokens point to.
    pub listening: Option<Listening>,
    /// The key that signs the target's tokens.
    pub staging: Option<Mint>,
    /// How to sign in.
    pub login: Option<Login>,
    /// More words to try as secrets, one a line.
    pub words: Vec<String>,
    /// How long to look for the secret.
    pub crack_for: Option<Duration>,
    /// Threads to look with.
    pub cores: usize,
}

impl Extras {
    /// Whether cases that need `extra` can be tried.
    pub fn has(&self, extra: Extra) -> bool {
        match extra {
            Extra::Jwks => self.jwks.is_some(),
            Extra::OldToken => self.old_token.is_some(),
            Extra::OtherToken => !self.other_tokens.is_empty(),
            Extra::SecondToken => self.second_token.is_some(),
            Extra::Listener => self.listening.is_some(),
            Extra::EchoRoute => self.echo_route.is_some(),
            Extra::Openapi => self.description.is_some(),
            Extra::Dpop => self.prover.is_some(),
            Extra::Disturb => self.disturb,
            Extra::ApiKey => self.api_keys.is_some(),
            Extra::Login => self.login.is_some(),
            _ => false,
        }
    }
}
