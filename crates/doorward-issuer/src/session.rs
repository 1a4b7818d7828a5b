//! Sessions: one row from sign-in to sign-out, however often it is refreshed.

mod lasting;
mod refresh;
mod standing;

use doorward_verify::{clock::Timestamp, revocation::Revocation};
use serde_json::json;
use uuid::{Builder, Uuid};
use zeroize::Zeroizing;

use crate::{
    access_token::{Entitled, Entitlement, MintedToken, Request},
    audit::{Action, Actor, AuditEntry, Object},
    entropy::{Entropy, random},
    error::{SessionError, StoreError},
    issuer::Issuer,
    refresh_token::{Presented, SessionKey},
    revocation::revoke,
    store::{NewSession, SessionRow, Tx, contention::again},
    tenant::TenantName,
    user::{Account, UserId},
};

use lasting::Lasting;
pub(crate) use lasting::seal_sessions_anew;
pub(crate) use refresh::Exchange;
pub(crate) use standing::Standing;

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

    /// A fresh one: UUID version 7, so that rows lie in the order of time.
    pub(crate) fn fresh(now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self(Builder::from_unix_timestamp_millis(now.millis(), &random(entropy)).into_uuid())
    }

    pub(crate) const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
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

impl TokenAnswer {
    fn new(
        minted: MintedToken,
        (session_id, refresh_token): (SessionId, String),
        entitled: Entitled,
        now: Timestamp,
    ) -> Self {
        let (end, now) = (minted.expires_at.as_secs(), now.unix().as_secs());
        Self {
            access_token: minted.access_token,
            expires_in: end.saturating_sub(now),
            refresh_token,
            session_id,
            subject: entitled.subject,
            tenant: entitled.tenant,
        }
    }
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
    /// A second factor was set up or removed.
    FactorChanged,
    /// The user began more sessions than one may have.
    TooManySessions,
    /// The user was disabled.
    UserDisabled,
    /// A used refresh token came back.
    RefreshReused,
    /// The user no longer belongs to the tenant.
    MembershipLost,
    /// The database was put back to an older state.
    StoreRolledBack,
}

impl EndCause {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignOut => "sign_out",
            Self::Administrator => "administrator",
            Self::PasswordChanged => "password_changed",
            Self::FactorChanged => "factor_changed",
            Self::TooManySessions => "too_many_sessions",
            Self::UserDisabled => "user_disabled",
            Self::RefreshReused => "refresh_reused",
            Self::MembershipLost => "membership_lost",
            Self::StoreRolledBack => "store_rolled_back",
        }
    }

    /// Who ends it so.
    fn actor(self, user: &UserId) -> Actor {
        match self {
            Self::SignOut | Self::FactorChanged | Self::PasswordChanged => Actor::user(user),
            Self::Administrator => Actor::operator("local"),
            _ => Actor::system(),
        }
    }
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
        again(|| self.try_start_session(account, tenant, authentication)).await
    }

    async fn try_start_session(
        &self,
        account: &Account,
        tenant: &TenantName,
        authentication: Authentication<'_>,
    ) -> Result<TokenAnswer, SessionError> {
        let now = self.clock().now();
        let session = SessionId::fresh(now, self.entropy());
        let key = Zeroizing::new(random::<{ SessionKey::BYTES }>(self.entropy()));
        let mut tx = self.store().begin().await?;
        let entitled = match self.entitle(&mut tx, &account.id, tenant, now).await? {
            // The password was checked against the account as it was read.
            Entitlement::Granted(entitled) if entitled.version == account.version => entitled,
            Entitlement::Granted(_) | Entitlement::Disabled => {
                return Err(SessionError::AccountChanged);
            }
            Entitlement::NotAMember => return Err(SessionError::NotAMember(tenant.clone())),
        };
        let request = Request {
            client_id: authentication.client_id,
            session: Some(session),
            authentication: Some((now.unix(), authentication.methods)),
        };
        let minted = self.mint(&entitled, request)?;
        let kept = self.config().sessions_per_user.saturating_sub(1);
        for oldest in tx.sessions_beyond(kept, &account.id, now).await? {
            end(&mut tx, oldest, EndCause::TooManySessions, None, now).await?;
        }
        let lives = |seconds: u64| now.plus_millis(seconds.saturating_mul(1000));
        let new = NewSession {
            id: session,
            user: &account.id,
            tenant,
            client_id: authentication.client_id,
            methods: authentication.methods,
            now,
            idle_until: lives(self.config().refresh_idle),
            absolute_until: lives(self.config().refresh_absolute),
        };
        let sealed = Lasting::of_new(&new).seal(&self.keys().sealer, &*key);
        tx.insert_session(&new, &sealed).await?;
        record_start(&mut tx, &new).await?;
        tx.commit().await?;
        let token = SessionKey::new(&*key).token(&self.keys().refresh_outer, session, 1);
        Ok(TokenAnswer::new(minted, (session, token), entitled, now))
    }

    /// Ends a session: its refresh token and every access token of it are
    /// refused from here on. `false` if there is no such session alive.
    pub async fn end_session(
        &self,
        session: SessionId,
        cause: EndCause,
    ) -> Result<bool, StoreError> {
        again(|| self.try_end_session(session, cause)).await
    }

    async fn try_end_session(
        &self,
        session: SessionId,
        cause: EndCause,
    ) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let mut tx = self.store().begin().await?;
        if !end(&mut tx, session, cause, None, now).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The session that a refresh token of this client names, if the token is
    /// genuine; it may be an old generation, and the session may be over.
    pub async fn session_of(
        &self,
        refresh_token: &str,
        client_id: &str,
    ) -> Result<Option<SessionId>, StoreError> {
        let Some(genuine) = self.genuine(refresh_token).await? else {
            return Ok(None);
        };
        Ok((genuine.row.client_id == client_id).then_some(genuine.presented.session))
    }

    /// Checks both MACs of a refresh token.
    async fn genuine(&self, refresh_token: &str) -> Result<Option<Genuine>, StoreError> {
        let Some(presented) = Presented::parse(refresh_token, &self.keys().refresh_outer) else {
            return Ok(None);
        };
        let Some(row) = self.store().session(presented.session).await? else {
            return Ok(None);
        };
        let lasting = Lasting::of_row(presented.session, &row);
        let Ok(key) = lasting.open(&self.keys().sealer, &row.sealed_key) else {
            let id = presented.session.to_string();
            self.store().row_macs().note("session", &id);
            return Ok(None);
        };
        let key = SessionKey::new(&key);
        Ok(key.made(&presented).then_some(Genuine {
            presented,
            key,
            row,
        }))
    }
}

/// A refresh token whose MACs hold, with what is needed to answer it.
struct Genuine {
    presented: Presented,
    key: SessionKey,
    row: SessionRow,
}

/// Ends a session, revokes its access tokens and writes it down, in the name of
/// `actor`, or of whoever ends sessions for this cause. `false` if there is no
/// such session alive.
pub(crate) async fn end(
    tx: &mut Tx,
    session: SessionId,
    cause: EndCause,
    actor: Option<&Actor>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some((user, tenant)) = tx.end_session(session, cause, now).await? else {
        return Ok(false);
    };
    let sid = session.to_string();
    revoke(
        tx,
        Revocation::Session { sid: sid.clone() },
        cause.name(),
        now,
    )
    .await?;
    let usual = cause.actor(&user);
    let actor = actor.unwrap_or(&usual);
    let entry = AuditEntry::new(actor.at(now), Action::SessionEnd, Object::Session(&sid))
        .tenant(&tenant)
        .session(session)
        .detail(json!({ "cause": cause.name(), "user": user.as_str() }));
    tx.record(entry).await?;
    Ok(true)
}

/// Ends every session of a user but `kept`; how many there were. The account is
/// held by the transaction.
pub(crate) async fn end_others(
    tx: &mut Tx,
    user: &UserId,
    kept: Option<SessionId>,
    cause: EndCause,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut others = tx.live_sessions(user).await?;
    others.retain(|session| Some(*session) != kept);
    for session in &others {
        end(tx, *session, cause, None, now).await?;
    }
    Ok(others.len())
}

async fn record_start(tx: &mut Tx, new: &NewSession<'_>) -> Result<(), StoreError> {
    let (actor, sid) = (Actor::user(new.user), new.id.to_string());
    let stamp = actor.at(new.now);
    let entry = AuditEntry::new(stamp, Action::SessionStart, Object::Session(&sid))
        .tenant(new.tenant)
        .session(new.id)
        .detail(json!({
            "user": new.user.as_str(),
            "client": new.client_id,
            "methods": new.methods,
        }));
    tx.record(entry).await
}
