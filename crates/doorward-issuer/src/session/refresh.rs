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

use std::collections::{HashMap, HashSet};

use doorward_jose::json;
use doorward_verify::clock::Timestamp;
use serde_json::{Value, json};

use super::{
    EndCause, Genuine, Refreshed, SessionId, TokenAnswer, end,
    standing::{Presentation, Rules, Standing, Verdict, decide},
};
use crate::{
    access_token::{Draft, Entitled, Entitlement, Held, Request, entitlement},
    audit::{Action, Actor, AuditEntry, Object},
    error::{MintError, RefreshError, StoreError},
    issuer::Issuer,
    refresh_token::{Presented, ReuseKind},
    store::{AccountState, Job, Place, SessionRow, Swap, Tx, place},
    tenant::TenantName,
    user::UserId,
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
        let exchange = self.exchange(&presented, row, client_id);
        let now = exchange.now();
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

    fn exchange(&self, token: &Presented, row: SessionRow, client_id: &str) -> Exchange {
        Exchange {
            issuer: self.clone(),
            session: token.session,
            presented: Presentation {
                generation: token.generation,
                is_its_client: row.client_id == client_id,
                now: self.clock().now(),
            },
            row,
            client_id: client_id.to_owned(),
            rules: self.refresh_rules(),
        }
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

    /// Rotations that nothing stands in the way of: a statement for each thing
    /// that has to be known, and one that writes.
    async fn run_usual(jobs: &[&Self], tx: &mut Tx) -> Result<Vec<Option<Exchanged>>, StoreError> {
        let users: Vec<_> = jobs.iter().map(|job| &job.row.user).collect();
        let members: Vec<_> = jobs.iter().map(|job| job.member()).collect();
        // Before the sessions: see `store`.
        let accounts = tx.account_states(&users).await?;
        let Some(first) = jobs.first() else {
            return Ok(Vec::new());
        };
        let held = Possessions {
            roles: tx.roles_of(&members).await?,
            attributes: first.issuer.attribute_claims(tx, &users).await?,
        };
        let mut rotations: Vec<_> = jobs
            .iter()
            .map(|job| job.usual_rotation(&accounts, &held))
            .collect();
        // Of a token that is there twice, the second waits for the first.
        let mut seen = HashSet::with_capacity(jobs.len());
        for (job, rotation) in jobs.iter().zip(&mut rotations) {
            rotation.take_if(|_| !seen.insert(job.session));
        }
        let swaps: Vec<_> = jobs
            .iter()
            .zip(&rotations)
            .filter_map(|(job, rotation)| Some(job.swap(rotation.as_ref()?)))
            .collect();
        let swapped = tx.swap_standings(&swaps).await?;
        let given = |(job, rotation): (&&Self, Option<Rotation>)| {
            let rotation = rotation.filter(|_| swapped.contains(&job.session))?;
            Some(Exchanged::Given {
                entitled: rotation.entitled,
                draft: rotation.draft,
                repeated: false,
            })
        };
        Ok(jobs.iter().zip(rotations).map(given).collect())
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

/// What the users of a batch hold.
struct Possessions {
    roles: HashMap<Place, Vec<String>>,
    /// Claims that hold attributes, by the ids of users.
    attributes: HashMap<String, json::Object>,
}

impl Possessions {
    fn of(&self, user: &UserId, tenant: &TenantName) -> Held {
        let roles = self.roles.get(&place(user, tenant));
        let attributes = self.attributes.get(user.as_str());
        Held {
            roles: roles.cloned().unwrap_or_default(),
            attributes: attributes.cloned().unwrap_or_default(),
        }
    }
}

/// A rotation that has only to be written.
struct Rotation {
    after: Standing,
    entitled: Entitled,
    draft: Draft,
}

/// What may be given, if anything may.
type Gift = Result<(Entitled, Draft), Exchanged>;

impl Exchange {
    fn now(&self) -> Timestamp {
        self.presented.now
    }

    fn member(&self) -> (&UserId, &TenantName) {
        (&self.row.user, &self.row.tenant)
    }

    /// The rotation of a session that stands as it did when it was read, of a
    /// user who may still have it. `None` leaves everything else to
    /// [`run`](Job::run).
    fn usual_rotation(
        &self,
        accounts: &HashMap<String, AccountState>,
        held: &Possessions,
    ) -> Option<Rotation> {
        let Verdict::Rotate(after) = decide(&self.row.standing, self.presented, self.rules) else {
            return None;
        };
        let (user, tenant) = self.member();
        let state = accounts.get(user.as_str())?;
        if state.disabled || state.uses_tokens_from(self.now()) {
            return None;
        }
        match entitlement(state, held.of(user, tenant), (user, tenant), self.now()) {
            Entitlement::Granted(entitled) => Some(Rotation {
                after,
                draft: self.draft(&entitled).ok()?,
                entitled,
            }),
            _ => None,
        }
    }

    fn swap<'a>(&'a self, rotation: &'a Rotation) -> Swap<'a> {
        Swap {
            id: self.session,
            before: &self.row.standing,
            after: &rotation.after,
        }
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
        let entitlement = self
            .issuer
            .entitle_as(tx, account, self.member(), self.now());
        let cause = match entitlement.await? {
            Entitlement::Granted(entitled) => {
                return Ok(match self.draft(&entitled) {
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

    fn draft(&self, entitled: &Entitled) -> Result<Draft, MintError> {
        let row = &self.row;
        let request = Request {
            client_id: &row.client_id,
            session: Some(self.session),
            authentication: Some((row.created_at.unix(), row.methods.as_slice())),
        };
        self.issuer.draft(entitled, request)
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

#[cfg(test)]
mod tests;
