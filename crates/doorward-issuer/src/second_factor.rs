//! The second factor of a user: an authenticator and its recovery codes.
//!
//! Setting it up takes the password, and then a code, so that nobody is locked
//! out by a secret that no authenticator has. Taking it away takes both
//! factors, or an operator. Each of these ends the user's other sessions
//! (REV-004).
//!
//! ISS-025: a code is checked, counted and used up in one transaction that
//! holds the account, so a thousand parallel guesses are counted one by one,
//! on however many nodes, and no code lets two in. BRU-010: after ten wrong
//! codes one may be tried at a time, 30 s after the last and doubling to 15
//! minutes. The count is in the database: a restart does not forget it, and a
//! right code clears it. Recovery codes are too long to be guessed and are
//! not slowed by it, so who knows the password cannot lock the owner out.
//!
//! The secret is sealed under the root key and bound to its row.

mod recovery;
mod totp;

use doorward_verify::clock::Timestamp;
use zeroize::Zeroizing;

pub(crate) use recovery::CodeMac;

use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    entropy::random,
    error::StoreError,
    issuer::Issuer,
    master_key::seal::Place,
    session::{EndCause, SessionId, end_others},
    store::{TotpRow, Tx},
    user::{Account, UserId},
};

/// Wrong codes before the next has to wait.
const FREE_FAILURES: u32 = 10;

/// The first wait, milliseconds.
const FIRST_WAIT: u64 = 30_000;

/// The longest wait, milliseconds.
const LONGEST_WAIT: u64 = 15 * 60_000;

/// How long a secret that was begun may be confirmed, milliseconds.
const CONFIRM_WITHIN: u64 = 15 * 60_000;

/// What a user shows beside the password.
pub(crate) enum FactorProof {
    /// The authenticator's present code.
    Code(Zeroizing<String>),
    /// A recovery code.
    RecoveryCode(Zeroizing<String>),
}

/// The second factor was not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactorError {
    /// Wrong, or used before.
    #[error("the code is wrong, or was used before")]
    Wrong,
    /// Too many wrong codes.
    #[error("too many wrong codes; try again in {retry_after_seconds} s")]
    Throttled {
        /// When another one may be tried.
        retry_after_seconds: u64,
    },
    /// There is none, or the account changed.
    #[error("no second factor is set up")]
    None,
    /// There is one already.
    #[error("a second factor is set up already")]
    Exists,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret that was begun; shown once.
pub(crate) struct Begun {
    /// For typing: base32 (RFC 4648 section 6).
    pub(crate) secret: Zeroizing<String>,
    /// For a QR code: an `otpauth` URI.
    pub(crate) uri: Zeroizing<String>,
}

/// Recovery codes; shown once.
pub(crate) type RecoveryCodes = Vec<Zeroizing<String>>;

/// How the second factor of a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whether it is asked for at sign-in.
    pub enabled: bool,
    /// Recovery codes that were not used.
    pub recovery_codes_left: u64,
}

/// A change of the second factor of one user, begun.
struct Change {
    tx: Tx,
    row: Option<TotpRow>,
    now: Timestamp,
}

impl Issuer {
    /// How the second factor of a user stands.
    pub async fn second_factor(&self, user: &UserId) -> Result<SecondFactor, StoreError> {
        Ok(SecondFactor {
            enabled: self.store().has_second_factor(user).await?,
            recovery_codes_left: self.store().recovery_codes_left(user).await?,
        })
    }

    /// Draws a secret for an account whose password was just shown. It is not
    /// asked for before it is confirmed.
    pub(crate) async fn begin_second_factor(
        &self,
        account: &Account,
    ) -> Result<Begun, FactorError> {
        let secret = Zeroizing::new(random::<{ totp::SECRET_BYTES }>(self.entropy()));
        let sealed = self.keys().sealer.seal(place(&account.id), &*secret);
        let Change { mut tx, now, .. } = self.begin(account).await?;
        if !tx.begin_totp(&account.id, &sealed, now).await? {
            return Err(FactorError::Exists);
        }
        record(&mut tx, &account.id, Action::SecondFactorBegin, now).await?;
        tx.commit().await?;
        Ok(Begun {
            uri: totp::key_uri(self.host(), account.username.as_str(), &*secret),
            secret: totp::base32(&*secret),
        })
    }

    /// Asks for the second factor from now on, if the authenticator has it;
    /// ends every session but `kept`.
    pub(crate) async fn confirm_second_factor(
        &self,
        account: &Account,
        code: &str,
        kept: Option<SessionId>,
    ) -> Result<RecoveryCodes, FactorError> {
        let mut change = self.begin(account).await?;
        let row = change.row.take().ok_or(FactorError::None)?;
        if row.confirmed {
            return Err(FactorError::Exists);
        }
        let age = change.now.millis().saturating_sub(row.created_at.millis());
        if age > CONFIRM_WITHIN {
            return Err(FactorError::None);
        }
        let change = self.take_code(account, change, &row, code).await?;
        let Change { mut tx, now, .. } = change;
        tx.confirm_totp(&account.id, now).await?;
        let codes = self.renew_codes(&mut tx, &account.id).await?;
        end_others(&mut tx, &account.id, kept, EndCause::FactorChanged, now).await?;
        record(&mut tx, &account.id, Action::SecondFactorConfirm, now).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Checks what was shown and uses it up.
    pub(crate) async fn show_second_factor(
        &self,
        account: &Account,
        proof: &FactorProof,
    ) -> Result<(), FactorError> {
        let mut change = self.begin(account).await?;
        let row = change.row.take().filter(|row| row.confirmed);
        let row = row.ok_or(FactorError::None)?;
        let change = match proof {
            FactorProof::Code(code) => self.take_code(account, change, &row, code).await?,
            FactorProof::RecoveryCode(code) => {
                self.take_recovery_code(account, change, code).await?
            }
        };
        Ok(change.tx.commit().await?)
    }

    /// Ten new recovery codes, for an account that just showed both factors;
    /// older ones count no more.
    pub(crate) async fn renew_recovery_codes(
        &self,
        account: &Account,
    ) -> Result<RecoveryCodes, FactorError> {
        let Change { mut tx, row, now } = self.begin(account).await?;
        row.filter(|row| row.confirmed).ok_or(FactorError::None)?;
        let codes = self.renew_codes(&mut tx, &account.id).await?;
        record(&mut tx, &account.id, Action::RecoveryCodesRenew, now).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Takes the second factor of an account away that just showed both; ends
    /// every session but `kept`.
    pub(crate) async fn remove_second_factor(
        &self,
        account: &Account,
        kept: Option<SessionId>,
    ) -> Result<(), FactorError> {
        let Change { mut tx, now, .. } = self.begin(account).await?;
        if !tx.delete_second_factor(&account.id).await? {
            return Err(FactorError::None);
        }
        end_others(&mut tx, &account.id, kept, EndCause::FactorChanged, now).await?;
        record(&mut tx, &account.id, Action::SecondFactorRemove, now).await?;
        Ok(tx.commit().await?)
    }

    /// Holds the account, which must be as it was read.
    async fn begin(&self, account: &Account) -> Result<Change, FactorError> {
        let mut tx = self.store().begin().await?;
        let state = tx.account_state(&account.id).await?;
        let is_same = |version| version == account.version;
        if !state.is_some_and(|state| !state.disabled && is_same(state.version)) {
            return Err(FactorError::None);
        }
        let row = tx.totp(&account.id).await?;
        let now = self.clock().now();
        Ok(Change { tx, row, now })
    }

    /// Uses a code up, or counts and writes down that it was wrong.
    async fn take_code(
        &self,
        account: &Account,
        mut change: Change,
        row: &TotpRow,
        code: &str,
    ) -> Result<Change, FactorError> {
        if let Some(wait) = wait(row, change.now) {
            return Err(FactorError::Throttled {
                retry_after_seconds: wait.div_ceil(1000),
            });
        }
        let user = &account.id;
        let secret = self.keys().sealer.open(place(user), &row.sealed_secret);
        let secret = secret.map_err(|_| StoreError::Corrupt(format!("totp of account {user}")))?;
        let now = change.now.unix();
        match totp::accepted_step(&secret, code, now, row.last_step) {
            Some(step) => {
                change.tx.accept_totp(user, step).await?;
                Ok(change)
            }
            None => {
                let failures = row.failures.saturating_add(1);
                change.tx.refuse_totp(user, failures, change.now).await?;
                let action = Action::SecondFactorRefuse;
                record(&mut change.tx, user, action, change.now).await?;
                change.tx.commit().await?;
                Err(FactorError::Wrong)
            }
        }
    }

    async fn take_recovery_code(
        &self,
        account: &Account,
        mut change: Change,
        code: &str,
    ) -> Result<Change, FactorError> {
        let (user, now) = (&account.id, change.now);
        let mac = recovery::mac_of(code, user, &self.keys().recovery_codes);
        let is_used = match mac {
            Some(mac) => change.tx.use_recovery_code(user, &mac, now).await?,
            None => false,
        };
        if is_used {
            record(&mut change.tx, user, Action::RecoveryCodeUse, now).await?;
            return Ok(change);
        }
        record(&mut change.tx, user, Action::SecondFactorRefuse, now).await?;
        change.tx.commit().await?;
        Err(FactorError::Wrong)
    }

    async fn renew_codes(&self, tx: &mut Tx, user: &UserId) -> Result<RecoveryCodes, StoreError> {
        let codes: RecoveryCodes = (0..recovery::CODES)
            .map(|_| recovery::draw(self.entropy()))
            .collect();
        let key = &self.keys().recovery_codes;
        let macs: Vec<CodeMac> = codes
            .iter()
            .map(|code| recovery::mac_of(code, user, key).expect("INVARIANT: drawn as a code is"))
            .collect();
        tx.put_recovery_codes(user, &macs).await?;
        Ok(codes)
    }

    /// What an authenticator shows over the code.
    fn host(&self) -> &str {
        let issuer = &self.config().issuer;
        issuer.split_once("://").map_or(issuer, |(_, host)| host)
    }
}

/// Milliseconds until the next code may be tried, if not at once. A clock that
/// went back makes nobody wait longer.
fn wait(row: &TotpRow, now: Timestamp) -> Option<u64> {
    let beyond = row.failures.checked_sub(FREE_FAILURES)?;
    let wait = (FIRST_WAIT << beyond.min(16)).min(LONGEST_WAIT);
    let passed = now.millis().saturating_sub(row.last_failed_at.millis());
    wait.checked_sub(passed).filter(|left| *left > 0)
}

async fn record(
    tx: &mut Tx,
    user: &UserId,
    action: Action,
    now: Timestamp,
) -> Result<(), StoreError> {
    let actor = Actor::user(user);
    let entry = AuditEntry::new(actor.at(now), action, Object::User(user));
    tx.record(entry).await
}

fn place(user: &UserId) -> Place<'_> {
    Place {
        table: "totp",
        id: user.as_str(),
        beside: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, TotpRow, wait};

    #[test]
    fn bru_010_ten_wrong_codes_are_free_and_then_each_has_to_wait() {
        let waits = |failures, passed: u64| {
            let row = TotpRow {
                sealed_secret: Vec::new(),
                last_step: 0,
                failures,
                last_failed_at: Timestamp::from_millis(1_000_000),
                confirmed: true,
                created_at: Timestamp::from_millis(0),
            };
            wait(&row, Timestamp::from_millis(1_000_000 + passed))
        };
        assert_eq!((waits(0, 0), waits(9, 0)), (None, None));
        assert_eq!(waits(10, 0), Some(30_000));
        assert_eq!((waits(10, 29_999), waits(10, 30_000)), (Some(1), None));
        assert_eq!((waits(11, 0), waits(12, 0)), (Some(60_000), Some(120_000)));
        assert_eq!(waits(u32::MAX, 0), Some(900_000));
    }
}
