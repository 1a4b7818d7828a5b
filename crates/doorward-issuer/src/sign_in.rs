//! Sign-in with a password, and a second factor where one is set up: one
//! function for each step that reads like the flow.
//!
//! Between the steps the caller holds a ticket (`ticket`), which opens nothing
//! but the second one. Only the session that begins then says `mfa`.
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
    second_factor::{FactorError, FactorProof},
    session::{Authentication, FIRST_PARTY_CLIENT, TokenAnswer},
    tenant::TenantName,
    ticket::Purpose,
    user::Account,
};

/// How long the second step may be after the first, seconds.
const SECOND_STEP_WITHIN: u64 = 300;

/// What the caller claims, and the proof.
pub(crate) struct Credentials {
    /// As it was typed.
    pub(crate) username: String,
    /// The proof.
    pub(crate) password: Password,
    /// The tenant to enter; the home tenant without it.
    pub(crate) tenant: Option<String>,
}

/// Where the first step leads.
pub(crate) enum SignedIn {
    /// Into a session.
    Session(TokenAnswer),
    /// To the second step.
    SecondStep(SecondStep),
}

/// The password was right, and a second factor is asked for.
pub(crate) struct SecondStep {
    /// To be sent along with the second factor.
    pub(crate) ticket: zeroize::Zeroizing<String>,
    /// How long it is good, seconds.
    pub(crate) expires_in: u64,
}

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// With the true reason, for the operator only.
    #[error("user name or password is wrong: {0}")]
    WrongCredentials(&'static str),
    /// The first step is too long ago, was not made here, or the account changed.
    #[error("the first step of the sign-in does not count any more")]
    Expired,
    /// The second factor was not shown.
    #[error("the code is wrong, or was used before")]
    WrongCode,
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
    /// Checks `credentials` and begins a session, or asks for the second
    /// factor.
    pub(crate) async fn sign_in(
        &self,
        credentials: Credentials,
        network: Network,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let ticket = self
            .admission()
            .admit(&credentials.username, network, now)?;
        let outcome = self.check_and_enter(credentials, now).await;
        match outcome {
            // Half of the way proves nothing yet.
            Ok(SignedIn::SecondStep(_)) => ticket.withdrawn(),
            _ => settle(ticket, &outcome),
        }
        outcome
    }

    /// The second step: the ticket of the first one and the second factor.
    pub(crate) async fn sign_in_with_second_factor(
        &self,
        ticket: &str,
        proof: &FactorProof,
        network: Network,
        now: Timestamp,
    ) -> Result<TokenAnswer, SignInError> {
        let redeemed = self.redeem(Purpose::SecondFactor, ticket).await?;
        let redeemed = redeemed.ok_or(SignInError::Expired)?;
        let account = &redeemed.account;
        let place = self
            .admission()
            .admit(account.username.as_str(), network, now)?;
        let outcome = async {
            self.show_second_factor(account, proof).await?;
            let methods: &[&str] = match proof {
                FactorProof::Code(_) => &["pwd", "otp", "mfa"],
                FactorProof::RecoveryCode(_) => &["pwd", "mfa"],
            };
            self.begin_session(account, &redeemed.tenant, methods).await
        };
        let outcome = outcome.await;
        settle(place, &outcome);
        outcome
    }

    /// Checks the password of somebody who is signed in already, before what
    /// they ask for is done.
    pub(crate) async fn reauthenticate(
        &self,
        subject: &str,
        password: Password,
        network: Network,
        now: Timestamp,
    ) -> Result<Account, SignInError> {
        let account = self.account_by_id(subject).await?;
        let name = account.as_ref().map_or(subject, |it| it.username.as_str());
        let ticket = self.admission().admit(name, network, now)?;
        let outcome = self.with_password(account, password).await;
        let outcome = outcome.and_then(|account| match account.disabled {
            true => Err(SignInError::WrongCredentials("the account is disabled")),
            false => Ok(account),
        });
        settle(ticket, &outcome);
        outcome
    }

    async fn check_and_enter(
        &self,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let account = self.account(&credentials.username).await?;
        let account = self.with_password(account, credentials.password).await?;
        if account.disabled {
            return Err(SignInError::WrongCredentials("the account is disabled"));
        }
        let tenant = credentials.tenant.as_deref();
        let Some(tenant) = self.membership(&account, tenant).await? else {
            return Err(SignInError::WrongCredentials("not a member of the tenant"));
        };
        if !self.store().has_second_factor(&account.id).await? {
            let answer = self.begin_session(&account, &tenant, &["pwd"]).await?;
            return Ok(SignedIn::Session(answer));
        }
        let expires_at = now.unix().saturating_add(SECOND_STEP_WITHIN);
        let ticket = self.ticket(Purpose::SecondFactor, &account, &tenant, expires_at);
        Ok(SignedIn::SecondStep(SecondStep {
            ticket: ticket.await?,
            expires_in: SECOND_STEP_WITHIN,
        }))
    }

    /// The account, if `password` is its own. Without an account the same work
    /// is done.
    async fn with_password(
        &self,
        account: Option<Account>,
        password: Password,
    ) -> Result<Account, SignInError> {
        let stored = account
            .as_ref()
            .and_then(|account| account.password_hash.as_ref());
        let salt = Salt(entropy::random(self.entropy()));
        let verdict = self.hasher().verify(password, stored, salt).await?;
        let (Verdict::Right { rehash }, Some(account)) = (verdict, account) else {
            return Err(SignInError::WrongCredentials(
                "unknown user or wrong password",
            ));
        };
        if let Some(hash) = rehash {
            // The password was right, and the next one tries again.
            _ = self.store_rehash(&account, &hash).await;
        }
        Ok(account)
    }

    async fn begin_session(
        &self,
        account: &Account,
        tenant: &TenantName,
        methods: &[&str],
    ) -> Result<TokenAnswer, SignInError> {
        let authentication = Authentication {
            client_id: FIRST_PARTY_CLIENT,
            methods,
        };
        Ok(self.start_session(account, tenant, authentication).await?)
    }
}

/// Tells the admission how it went. What says nothing about the password
/// counts for nothing.
fn settle<T>(ticket: Ticket, outcome: &Result<T, SignInError>) {
    match outcome {
        Ok(_) => ticket.succeeded(),
        Err(SignInError::WrongCredentials(_) | SignInError::WrongCode) => ticket.failed(),
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

impl From<FactorError> for SignInError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Wrong => Self::WrongCode,
            FactorError::Throttled {
                retry_after_seconds,
            } => Self::Throttled {
                retry_after_seconds,
            },
            FactorError::None | FactorError::Exists => Self::Expired,
            FactorError::Store(error) => Self::Store(error),
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
