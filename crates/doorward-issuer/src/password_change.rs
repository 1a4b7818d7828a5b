//! A user's own password: changed with the old one, or set with a reset token.
//!
//! A change ends the user's other sessions and their access tokens, and keeps
//! the one that asked (REV-004). A reset ends all of them: whoever forgot the
//! password has no session to keep, and somebody else may have one.
//!
//! Both decide in the transaction that holds the account, by its version: of
//! two parallel uses of a reset token one wins (ISS-022), and a change that was
//! begun before an operator set another password does not undo that.

use doorward_verify::clock::Timestamp;
use serde_json::json;

use crate::{
    admission::Network,
    audit::{Action, Actor, AuditEntry, Object},
    entropy::random,
    error::{AdminError, StoreError},
    issuer::Issuer,
    password::{NewPassword, Password, PasswordHash, Salt, WeakPassword},
    session::{EndCause, SessionId, end_others},
    sign_in::SignInError,
    ticket::Purpose,
    user::Account,
};

/// Who asks for a change, and from where.
pub(crate) struct Asker<'a> {
    /// `sub` of the access token.
    pub(crate) subject: &'a str,
    /// The session that goes on.
    pub(crate) session: Option<SessionId>,
    pub(crate) network: Network,
    pub(crate) at: Timestamp,
}

/// The password is still the old one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordChangeError {
    /// Who asks did not show who they are.
    #[error(transparent)]
    NotShown(#[from] SignInError),
    /// Unknown, used, expired or another's: one answer for all.
    #[error("the reset token is not valid")]
    NoReset,
    /// The password may not be chosen.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// The account changed meanwhile.
    #[error("the account changed meanwhile")]
    Changed,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// Changes the password of somebody who shows the old one.
    pub(crate) async fn change_password(
        &self,
        asker: Asker<'_>,
        current: Password,
        new: Password,
    ) -> Result<(), PasswordChangeError> {
        let (network, at) = (asker.network, asker.at);
        let account = self.reauthenticate(asker.subject, current, network, at);
        let account = account.await?;
        let hash = self.hash_of(new, &account).await?;
        let mut tx = self.store().begin().await?;
        let state = tx.account_state(&account.id).await?;
        if !state.is_some_and(|state| !state.disabled && state.version == account.version) {
            return Err(PasswordChangeError::Changed);
        }
        let (now, actor) = (self.clock().now(), Actor::user(&account.id));
        tx.set_password_hash(&account.id, &hash).await?;
        let cause = EndCause::PasswordChanged;
        let ended = end_others(&mut tx, &account.id, asker.session, cause, now).await?;
        let object = Object::User(&account.id);
        let entry = AuditEntry::new(actor.at(now), Action::UserPassword, object)
            .tenant(&account.home_tenant)
            .detail(json!({ "sessions_ended": ended }));
        tx.record(entry).await?;
        Ok(tx.commit().await?)
    }

    /// Sets the password of whom the token names.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        new: Password,
    ) -> Result<(), PasswordChangeError> {
        let redeemed = self.redeem(Purpose::PasswordReset, token).await?;
        let account = redeemed.ok_or(PasswordChangeError::NoReset)?.account;
        let hash = self.hash_of(new, &account).await?;
        let admin = self.admin().acting_as(Actor::user(&account.id));
        match admin.reset_password(&account, &hash).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PasswordChangeError::NoReset),
            Err(AdminError::Store(error)) => Err(error.into()),
            Err(other) => Err(StoreError::Corrupt(other.to_string()).into()),
        }
    }

    async fn hash_of(
        &self,
        new: Password,
        account: &Account,
    ) -> Result<PasswordHash, PasswordChangeError> {
        let new = NewPassword::choose(new, account.username.as_str())?;
        let salt = Salt(random(self.entropy()));
        let hash = self.hasher().hash(new, salt).await;
        Ok(hash.map_err(SignInError::from)?)
    }
}
