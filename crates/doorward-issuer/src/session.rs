//! Sessions: one row from sign-in to sign-out, however often it is refreshed.

use uuid::Uuid;

use crate::{
    error::{RefreshError, SessionError, StoreError},
    issuer::Issuer,
    tenant::TenantName,
    user::{Account, UserId},
};

/// The id of a session: `sid` in tokens. Not a secret: a refresh token proves
/// itself by its MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Reads the `sid` of a token.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        (id.hyphenated().to_string() == text).then_some(Self(id))
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self.0.as_hyphenated(), f)
    }
}

/// How the user proved who they are, and through which client.
#[derive(Clone, Copy, Debug)]
pub struct Authentication<'a> {
    /// `client_id` of the tokens; the session is bound to it.
    pub client_id: &'a str,
    /// `amr` (RFC 8176), for example `pwd`.
    pub methods: &'a [&'a str],
}

/// Client id of the first-party JSON sign-in.
pub const FIRST_PARTY_CLIENT: &str = "doorward";

/// What a client gets: RFC 6749 section 5.1. Holds secrets, so it cannot be
/// printed.
pub struct TokenAnswer {
    /// The access token, an `at+jwt`.
    pub access_token: String,
    /// Its life, seconds.
    pub expires_in: u64,
    /// The refresh token.
    pub refresh_token: String,
    /// `sid`.
    pub session_id: SessionId,
    /// `sub`.
    pub subject: UserId,
    /// The tenant of the session.
    pub tenant: TenantName,
}

/// A session that went on.
pub struct Refreshed {
    /// The new tokens.
    pub answer: TokenAnswer,
    /// A retry inside the overlap: the refresh token is the one that the
    /// first try got.
    pub repeated: bool,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The user signed out.
    SignOut,
    /// An administrator ended it.
    Administrator,
    /// The password changed.
    PasswordChanged,
    /// The user was disabled.
    UserDisabled,
    /// A used refresh token came back.
    RefreshReused,
    /// The user no longer belongs to the tenant.
    MembershipLost,
    /// The database was put back to an older state.
    StoreRolledBack,
}

impl Issuer {
    /// Begins a session of `account` in `tenant`. Durable when it returns.
    ///
    /// # Errors
    ///
    /// When the account changed since it was read (disabled, new password),
    /// or does not belong to the tenant any more.
    pub async fn start_session(
        &self,
        account: &Account,
        tenant: &TenantName,
        authentication: Authentication<'_>,
    ) -> Result<TokenAnswer, SessionError> {
        let _ = (account, tenant, authentication);
        todo!()
    }

    /// Exchanges a refresh token for its successor and a new access token.
    /// Durable when it returns.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] says which of them end the session.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        client_id: &str,
    ) -> Result<Refreshed, RefreshError> {
        let _ = (refresh_token, client_id);
        todo!()
    }

    /// Ends a session: its refresh token and every access token of it are
    /// refused from here on. `false` if there is no such session alive.
    pub async fn end_session(
        &self,
        session: SessionId,
        cause: EndCause,
    ) -> Result<bool, StoreError> {
        let _ = (session, cause);
        todo!()
    }

    /// The session that a refresh token of this client names, if the token is
    /// genuine; it may be an old generation, and the session may be over.
    pub async fn session_of(
        &self,
        refresh_token: &str,
        client_id: &str,
    ) -> Result<Option<SessionId>, StoreError> {
        let _ = (refresh_token, client_id);
        todo!()
    }
}
