//! Refresh: one compare-and-swap, and what follows when it does not apply.
//!
//! The exchange runs as a [`Job`], so that many of them share one commit. It
//! decides everything inside the transaction: a session that was ended, a user
//! who was disabled or a role that was taken away just before is seen, and one
//! that changes just after revokes the token that was given.
//!
//! Whether there can be an access token at all is known before the generation
//! is swapped: a token that is too large costs the client an answer, and not
//! its session. It is signed after the commit, so nobody holds one that is not
//! durable, and no signature is made while others wait for the database.

use doorward_verify::clock::Timestamp;
use serde_json::{Value, json};

use super::{
    EndCause, Genuine, Refreshed, SessionId, TokenAnswer, end,
    standing::{Presentation, Rules, Standing, Verdict, decide},
};
use crate::{
    access_token::{Draft, Entitled, Entitlement, Request, entitle_as},
    audit::{Action, Actor, AuditEntry, Object},
    error::{MintError, RefreshError, StoreError},
    issuer::Issuer,
    refresh_token::ReuseKind,
    store::{AccountState, Job, SessionRow, Tx},
};

/// One genuine refresh token to be exchanged.
pub(crate) struct Exchange {
    issuer: Issuer,
    session: SessionId,
    /// As it was read with the token. Nothing of it but the standing ever
    /// changes, and that is compared before it is written.
    row: SessionRow,
    client_id: String,
    presented: Presentation,
    rules: Rules,
}

/// How the exchange went.
pub(crate) enum Exchanged {
    /// The presented generation has a successor, made now or inside the
    /// overlap before.
    Given {
        entitled: Entitled,
        draft: Draft,
        repeated: bool,
    },
    Refused,
    Reused(ReuseKind),
    /// There can be no access token now. The session stands as it did.
    Unmintable(MintError),
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
        let exchange = Exchange {
            issuer: self.clone(),
            session: presented.session,
            presented: Presentation {
                generation: presented.generation,
                is_its_client: row.client_id == client_id,
                now,
            },
            row,
            client_id: client_id.to_owned(),
            rules: self.refresh_rules(),
        };
        let (entitled, draft, repeated) = match self.exchanges().submit(exchange).await? {
            Exchanged::Given {
                entitled,
                draft,
                repeated,
            } => (entitled, draft, repeated),
            Exchanged::Refused => return Err(RefreshError::Invalid),
            Exchanged::Reused(kind) => return Err(RefreshError::Reused(kind)),
            Exchanged::Unmintable(error) => return Err(error.into()),
        };
        let minted = self.sign_draft(&draft)?;
        let outer = &self.keys().refresh_outer;
        let successor = key.token(outer, presented.session, presented.generation + 1);
        let refresh = (presented.session, successor);
        let answer = TokenAnswer::new(minted, refresh, entitled, now);
        Ok(Refreshed { answer, repeated })
    }

    fn refresh_rules(&self) -> Rules {
        let config = self.config();
        let millis = |seconds: u64| seconds.saturating_mul(1000);
        Rules {
            overlap: millis(config.refresh_overlap),
            // A client that lost the answer comes again when its old
            // access token has expired at the latest.
            patience: millis(config.refresh_overlap + config.access_token_lifetime),
            idle: millis(config.refresh_idle),
        }
    }
}

impl Job for Exchange {
    type Outcome = Exchanged;

    fn account(&self) -> &str {
        self.row.user.as_str()
    }

    async fn run(&self, tx: &mut Tx) -> Result<Exchanged, StoreError> {
        // Before the session: see `store`.
        let account = tx.account_state(&self.row.user).await?;
        // Most of the time nothing happened since the row was read, and the
        // swap is the proof.
        let before = &self.row.standing;
        if let Verdict::Rotate(after) = decide(before, self.presented, self.rules) {
            let rotated = self.rotate(tx, account.clone(), (before, &after)).await?;
            if let Some(exchanged) = rotated {
                return Ok(exchanged);
            }
        }
        let Some(row) = tx.session(self.session).await? else {
            return Ok(Exchanged::Refused);
        };
        let standing = row.standing;
        match decide(&standing, self.presented, self.rules) {
            Verdict::Rotate(after) => {
                let rotated = self.rotate(tx, account, (&standing, &after)).await?;
                let meanwhile = || StoreError::Contended("the session changed".to_owned());
                rotated.ok_or_else(meanwhile)
            }
            Verdict::Repeat => self.repeat(tx, account).await,
            Verdict::Refuse => Ok(Exchanged::Refused),
            Verdict::WrongClient => {
                let detail = json!({ "client": self.client_id });
                self.record(tx, Action::RefreshWrongClient, detail).await?;
                Ok(Exchanged::Refused)
            }
            Verdict::Reuse(kind) => {
                let detail = json!({
                    "kind": kind.name(),
                    "presented": self.presented.generation,
                    "generation": standing.generation,
                });
                self.record(tx, Action::RefreshReuse, detail).await?;
                end(tx, self.session, EndCause::RefreshReused, None, self.now()).await?;
                Ok(Exchanged::Reused(kind))
            }
            Verdict::Ahead => {
                end(
                    tx,
                    self.session,
                    EndCause::StoreRolledBack,
                    None,
                    self.now(),
                )
                .await?;
                Ok(Exchanged::Refused)
            }
        }
    }
}

/// What may be given, if anything may.
type Gift = Result<(Entitled, Draft), Exchanged>;

impl Exchange {
    fn now(&self) -> Timestamp {
        self.presented.now
    }

    /// The swap, after everything that could refuse it. `None` if the session
    /// changed meanwhile.
    async fn rotate(
        &self,
        tx: &mut Tx,
        account: Option<AccountState>,
        (before, after): (&Standing, &Standing),
    ) -> Result<Option<Exchanged>, StoreError> {
        let (entitled, draft) = match self.gift(tx, account).await? {
            Ok(gift) => gift,
            Err(exchanged) => return Ok(Some(exchanged)),
        };
        let swapped = tx.swap_standing(self.session, before, after).await?;
        Ok(swapped.then_some(Exchanged::Given {
            entitled,
            draft,
            repeated: false,
        }))
    }

    async fn repeat(
        &self,
        tx: &mut Tx,
        account: Option<AccountState>,
    ) -> Result<Exchanged, StoreError> {
        Ok(match self.gift(tx, account).await? {
            Ok((entitled, draft)) => Exchanged::Given {
                entitled,
                draft,
                repeated: true,
            },
            Err(exchanged) => exchanged,
        })
    }

    /// Reads what the user may have, and drafts the token that says so. A user
    /// who may have nothing any more has no session either.
    async fn gift(&self, tx: &mut Tx, account: Option<AccountState>) -> Result<Gift, StoreError> {
        let row = &self.row;
        let entitlement = entitle_as(tx, account, (&row.user, &row.tenant), self.now());
        let cause = match entitlement.await? {
            Entitlement::Granted(entitled) => {
                let request = Request {
                    client_id: &row.client_id,
                    session: Some(self.session),
                    authentication: Some((row.created_at.unix(), row.methods.as_slice())),
                };
                let draft = self.issuer.draft(&entitled, request);
                return Ok(match draft {
                    Ok(draft) => Ok((entitled, draft)),
                    Err(error) => Err(Exchanged::Unmintable(error)),
                });
            }
            Entitlement::Disabled => EndCause::UserDisabled,
            Entitlement::NotAMember => EndCause::MembershipLost,
        };
        end(tx, self.session, cause, None, self.now()).await?;
        Ok(Err(Exchanged::Refused))
    }

    async fn record(&self, tx: &mut Tx, action: Action, detail: Value) -> Result<(), StoreError> {
        let (actor, sid) = (Actor::system(), self.session.to_string());
        let entry = AuditEntry::new(actor.at(self.now()), action, Object::Session(&sid))
            .tenant(&self.row.tenant)
            .session(self.session)
            .detail(detail);
        tx.record(entry).await
    }
}
