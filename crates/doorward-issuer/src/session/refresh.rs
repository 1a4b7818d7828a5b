//! Refresh: one compare-and-swap, and what follows when it does not apply.
//!
//! The exchange runs as a [`Job`], so that many of them share one commit. It
//! decides everything inside the transaction: a session that was ended, a user
//! who was disabled or a role that was taken away just before is seen, and one
//! that changes just after revokes the token that was given. Tokens are made
//! after the commit, from what the transaction read, so nobody holds one that
//! is not durable.

use doorward_verify::clock::Timestamp;
use serde_json::{Value, json};

use super::{EndCause, Genuine, Refreshed, SessionId, TokenAnswer, end};
use crate::{
    access_token::{Entitled, Entitlement, Request, entitle_as},
    audit::{Action, Actor, AuditEntry, Object},
    error::{RefreshError, StoreError},
    issuer::Issuer,
    refresh_token::{Judgement, Presented, ReuseKind, Rules, judge},
    store::{AccountState, Job, Rotation, SessionRow, Tx},
    user::UserId,
};

/// One genuine refresh token to be exchanged.
pub(crate) struct Exchange {
    session: SessionId,
    user: UserId,
    presented: u32,
    client_id: String,
    now: Timestamp,
    idle_until: Timestamp,
    rules: Rules,
}

/// How the exchange went.
pub(crate) enum Exchanged {
    /// `presented` has a successor, made now or inside the overlap before.
    Given {
        entitled: Entitled,
        repeated: bool,
    },
    Refused,
    Reused(ReuseKind),
}

impl Issuer {
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
        let genuine = self.genuine(refresh_token).await?;
        let Genuine {
            presented,
            key,
            row,
        } = genuine.ok_or(RefreshError::Invalid)?;
        let now = self.clock().now();
        let exchange = self.exchange(&presented, &row, client_id, now);
        let (entitled, repeated) = match self.exchanges().submit(exchange).await? {
            Exchanged::Given { entitled, repeated } => (entitled, repeated),
            Exchanged::Refused => return Err(RefreshError::Invalid),
            Exchanged::Reused(kind) => return Err(RefreshError::Reused(kind)),
        };
        let request = Request {
            client_id: &row.client_id,
            session: Some(presented.session),
            authentication: Some((row.created_at.unix(), row.methods.as_slice())),
        };
        let minted = self.mint(&entitled, request)?;
        let outer = &self.keys().refresh_outer;
        let successor = key.token(outer, presented.session, presented.generation + 1);
        let refresh = (presented.session, successor);
        let answer = TokenAnswer::new(minted, refresh, entitled, now);
        Ok(Refreshed { answer, repeated })
    }

    fn exchange(
        &self,
        presented: &Presented,
        row: &SessionRow,
        client_id: &str,
        now: Timestamp,
    ) -> Exchange {
        let config = self.config();
        let millis = |seconds: u64| seconds.saturating_mul(1000);
        Exchange {
            session: presented.session,
            user: row.user.clone(),
            presented: presented.generation,
            client_id: client_id.to_owned(),
            now,
            idle_until: now.plus_millis(millis(config.refresh_idle)),
            rules: Rules {
                overlap: millis(config.refresh_overlap),
                // A client that lost the answer comes again when its old
                // access token has expired at the latest.
                patience: millis(config.refresh_overlap + config.access_token_lifetime),
            },
        }
    }
}

impl Job for Exchange {
    type Outcome = Exchanged;

    fn account(&self) -> &str {
        self.user.as_str()
    }

    async fn run(&self, tx: &mut Tx) -> Result<Exchanged, StoreError> {
        let rotation = Rotation {
            session: self.session,
            presented: self.presented,
            client_id: &self.client_id,
            now: self.now,
            idle_until: self.idle_until,
        };
        // Before the session: see `store`.
        let account = tx.account_state(&self.user).await?;
        if let Some(row) = tx.rotate(rotation).await? {
            return self.give(tx, account, &row, false).await;
        }
        let Some(row) = tx.session(self.session).await? else {
            return Ok(Exchanged::Refused);
        };
        match judge(&row, self.presented, &self.client_id, self.now, self.rules) {
            Judgement::Repeat => self.give(tx, account, &row, true).await,
            Judgement::Refuse => Ok(Exchanged::Refused),
            Judgement::WrongClient => {
                let detail = json!({ "client": self.client_id });
                self.record(tx, &row, Action::RefreshWrongClient, detail)
                    .await?;
                Ok(Exchanged::Refused)
            }
            Judgement::Reuse(kind) => {
                let detail = json!({
                    "kind": kind.name(),
                    "presented": self.presented,
                    "generation": row.generation,
                });
                self.record(tx, &row, Action::RefreshReuse, detail).await?;
                end(tx, self.session, EndCause::RefreshReused, None, self.now).await?;
                Ok(Exchanged::Reused(kind))
            }
            Judgement::Ahead => {
                end(tx, self.session, EndCause::StoreRolledBack, None, self.now).await?;
                Ok(Exchanged::Refused)
            }
        }
    }
}

impl Exchange {
    async fn give(
        &self,
        tx: &mut Tx,
        account: Option<AccountState>,
        row: &SessionRow,
        repeated: bool,
    ) -> Result<Exchanged, StoreError> {
        let entitlement = entitle_as(tx, account, (&row.user, &row.tenant), self.now);
        let cause = match entitlement.await? {
            Entitlement::Granted(entitled) => return Ok(Exchanged::Given { entitled, repeated }),
            Entitlement::Disabled => EndCause::UserDisabled,
            Entitlement::NotAMember => EndCause::MembershipLost,
        };
        end(tx, self.session, cause, None, self.now).await?;
        Ok(Exchanged::Refused)
    }

    async fn record(
        &self,
        tx: &mut Tx,
        row: &SessionRow,
        action: Action,
        detail: Value,
    ) -> Result<(), StoreError> {
        let (actor, sid) = (Actor::system(), self.session.to_string());
        let entry = AuditEntry::new(actor.at(self.now), action, Object::Session(&sid))
            .tenant(&row.tenant)
            .session(self.session)
            .detail(detail);
        tx.record(entry).await
    }
}
