//! What an account and the endpoints around signing in make possible.
//!
//! A file says how the target signs in, refreshes and signs out ([`LoginFile`],
//! checked into a [`Login`]); naming it is leave to send requests to those
//! endpoints and to no others. What could lock somebody out, change a password,
//! make accounts or send mail needs a word of its own in the file ([`Leave`]).
//!
//! Unlike the other cases these are conversations: each plays its part on
//! sessions of its own, begins by seeing that a right one works, and what looks
//! like a success is played once more from the start before it is believed
//! (`judge`).

mod choice;
mod conversation;
mod endings;
mod endpoint;
mod enumeration;
mod file;
mod guessing;
mod judge;
mod passwords;
mod preset;
mod reset;
mod rotation;
mod sign_up;
mod timing;

use std::{collections::BTreeMap, fmt, net::IpAddr};

pub use self::{
    conversation::token,
    file::{LoginError, LoginFile, SecretSource},
};
pub(crate) use self::{
    conversation::{Conversation, renewed},
    endpoint::Endpoint,
    judge::{Memory, rehearse, try_case, turn},
};

/// How to sign in at the target, and what may be done with it.
#[derive(Clone, Debug)]
pub struct Login {
    pub(crate) account: Option<Account>,
    /// What a reset is asked for by.
    pub(crate) email: Option<String>,
    pub(crate) client: Option<Client>,
    pub(crate) other_client: Option<Client>,
    pub(crate) client_auth: ClientAuth,
    /// A tenant that exists and that the account does not belong to.
    pub(crate) other_tenant: Option<String>,
    /// Accounts that may be guessed at, beside the first.
    pub(crate) guessed: Vec<Account>,
    pub(crate) may: Vec<Leave>,
    /// Addresses of this machine to send from.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long a rotated refresh token may still be used; none if nobody said.
    pub(crate) overlap: Option<u64>,
    /// How long an ended session may live on, in seconds.
    pub(crate) revocation: u64,
    /// Sign-ins that are timed, of each kind.
    pub(crate) timing_samples: u32,
    endpoints: BTreeMap<Step, Endpoint>,
}

/// Something that the target offers around signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    SignIn,
    Refresh,
    SignOut,
    SignOutEverywhere,
    ChangePassword,
    ResetRequest,
    Reset,
    Mailbox,
    SignUp,
    SecondFactor,
}

impl Step {
    pub(crate) const ALL: [Self; 10] = [
        Self::SignIn,
        Self::Refresh,
        Self::SignOut,
        Self::SignOutEverywhere,
        Self::ChangePassword,
        Self::ResetRequest,
        Self::Reset,
        Self::Mailbox,
        Self::SignUp,
        Self::SecondFactor,
    ];

    /// Its table in the file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Refresh => "refresh",
            Self::SignOut => "sign_out",
            Self::SignOutEverywhere => "sign_out_everywhere",
            Self::ChangePassword => "change_password",
            Self::ResetRequest => "reset_request",
            Self::Reset => "reset",
            Self::Mailbox => "mailbox",
            Self::SignUp => "sign_up",
            Self::SecondFactor => "second_factor",
        }
    }
}

/// What is only done when the file allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// Wrong passwords and codes: accounts and this address may be locked out.
    Guess,
    /// The account's password is changed, and changed back.
    ChangePassword,
    /// Accounts are made and left behind.
    SignUp,
    /// Mail is sent to the account.
    SendMail,
}

impl Leave {
    /// As the file spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::ChangePassword => "change-password",
            Self::SignUp => "sign-up",
            Self::SendMail => "send-mail",
        }
    }
}

/// Somebody who signs in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

/// A program that signs in or refreshes.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// None for a public one.
    pub(crate) secret: Option<Secret>,
}

/// How a client shows its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the body.
    Body,
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Login {
    pub(crate) fn endpoint(&self, step: Step) -> Option<&Endpoint> {
        self.endpoints.get(&step)
    }

    pub(crate) fn allows(&self, leave: Leave) -> bool {
        self.may.contains(&leave)
    }
}

/// A login for plans that nothing is sent for.
#[cfg(test)]
pub(crate) fn imagined() -> Option<Login> {
    let file = serde_json::json!({"preset": "doorward", "username": "a", "password_env": "P"});
    file::tests::login(file).ok()
}
