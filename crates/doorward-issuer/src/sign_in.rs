//! Sign-in with a password: one function that reads like the flow.
//!
//! BRU-007, BRU-008: an unknown name, a wrong password, a disabled account, a
//! tenant without membership: the caller hears one word, and each costs one
//! hash. Only who knows the password can make the steps after it run.

use doorward_verify::clock::Timestamp;

use crate::{
    admission::{Network, Refused, Ticket},
    entropy,
    error::{MintError, SessionError, StoreError},
    issuer::Issuer,
    password::{HashError, Password, Salt, Verdict},
    session::{Authentication, FIRST_PARTY_CLIENT, TokenAnswer},
    user::Account,
};

/// What the caller claims, and the proof.
pub(crate) struct Credentials {
    /// As it was typed.
    pub(crate) username: String,
    /// The proof.
    pub(crate) password: Password,
    /// The tenant to enter; the home tenant without it.
    pub(crate) tenant: Option<String>,
}

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// With the true reason, for the operator only.
    #[error("user name or password is wrong: {0}")]
    WrongCredentials(&'static str),
    /// Too many failures of this account or network.
    #[error("too many attempts; try again in {retry_after_seconds} s")]
    Throttled {
        /// When another try may go on.
        retry_after_seconds: u64,
    },
    /// Too many passwords are being checked.
    #[error("busy; try again in {retry_after_seconds} s")]
    Overloaded {
        /// When to come again.
        retry_after_seconds: u64,
    },
    /// The hash could not be computed.
    #[error("the password could not be checked")]
    Hashing,
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// Checks `credentials` and begins a session.
    pub(crate) async fn sign_in(
        &self,
        credentials: Credentials,
        network: Network,
        now: Timestamp,
    ) -> Result<TokenAnswer, SignInError> {
        let ticket = self
            .admission()
            .admit(&credentials.username, network, now)?;
        let outcome = self.check_and_start(credentials).await;
        settle(ticket, &outcome);
        outcome
    }

    async fn check_and_start(&self, credentials: Credentials) -> Result<TokenAnswer, SignInError> {
        let account = self.account(&credentials.username).await?;
        let stored = account
            .as_ref()
            .and_then(|account| account.password_hash.as_ref());
        let salt = Salt(entropy::random(self.entropy()));
        let verdict = self
            .hasher()
            .verify(credentials.password, stored, salt)
            .await?;
        let (Verdict::Right { rehash }, Some(account)) = (verdict, account) else {
            return Err(SignInError::WrongCredentials(
                "unknown user or wrong password",
            ));
        };
        let answer = self.enter(&account, credentials.tenant.as_deref()).await?;
        if let Some(hash) = rehash {
            // The session stands, and the next sign-in tries again.
            _ = self.store_rehash(&account, &hash).await;
        }
        Ok(answer)
    }

    /// Begins the session of an account whose password was right.
    async fn enter(
        &self,
        account: &Account,
        tenant: Option<&str>,
    ) -> Result<TokenAnswer, SignInError> {
        if account.disabled {
            return Err(SignInError::WrongCredentials("the account is disabled"));
        }
        let Some(tenant) = self.membership(account, tenant).await? else {
            return Err(SignInError::WrongCredentials("not a member of the tenant"));
        };
        let authentication = Authentication {
            client_id: FIRST_PARTY_CLIENT,
            methods: &["pwd"],
        };
        Ok(self.start_session(account, &tenant, authentication).await?)
    }
}

/// Tells the admission how it went. What says nothing about the password
/// counts for nothing.
fn settle(ticket: Ticket, outcome: &Result<TokenAnswer, SignInError>) {
    match outcome {
        Ok(_) => ticket.succeeded(),
        Err(SignInError::WrongCredentials(_)) => ticket.failed(),
        Err(_) => ticket.withdrawn(),
    }
}

impl From<Refused> for SignInError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Throttled {
                retry_after_seconds,
            } => Self::Throttled {
                retry_after_seconds,
            },
            Refused::Busy {
                retry_after_seconds,
            } => Self::Overloaded {
                retry_after_seconds,
            },
        }
    }
}

impl From<HashError> for SignInError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded {
                retry_after_seconds,
            } => Self::Overloaded {
                retry_after_seconds,
            },
            HashError::Failed => Self::Hashing,
        }
    }
}

impl From<SessionError> for SignInError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::AccountChanged => Self::WrongCredentials("the account changed meanwhile"),
            SessionError::NotAMember(_) => Self::WrongCredentials("not a member of the tenant"),
            SessionError::Mint(error) => Self::Mint(error),
            SessionError::Store(error) => Self::Store(error),
        }
    }
}
