//! Ending tokens before their `exp`.
//!
//! Sign-out, reuse of a refresh token, password change, changed roles,
//! disabling and key withdrawal all come through `revoke`: it writes the
//! entry in the transaction of its cause, and the commit puts it in force in
//! this process before anybody is told. Other processes read it by cursor
//! ([`Issuer::poll_changes`](crate::Issuer::poll_changes)).
//!
//! A user's watermark strictly rises with every change, and tokens are issued
//! with `iat = max(now, watermark)`: a token of the same second from before
//! the change is refused, one from after it is good, although `iat` counts
//! whole seconds (test `clm_028`). Verifiers grant a leeway for the one second
//! that such an `iat` may lie ahead.
//!
//! INVARIANT: the moment of a watermark is read while its transaction holds the
//! account (`store` says how). A command may wait seconds for its turn behind a
//! busy server, and an earlier reading would spare what was issued meanwhile
//! (test `rft_007_what_was_issued_while_a_change_waited_is_refused_too`).
//!
//! The watermark for everybody holds no account. Where others may write beside
//! it, somebody who read the old one may still be issuing when it is committed,
//! at a moment that this process's clock has already shown. So the clock is
//! looked at once more afterwards, and while it shows a second that the
//! watermark does not refuse, the watermark is raised again, before the change
//! is answered (`Issuer::settle_everybody`).

use doorward_jose::time::UnixTime;
use doorward_verify::{
    clock::Timestamp,
    revocation::{Entry, Revocation},
};

use crate::{
    config::{CLOCK_LEEWAY, MAX_ACCESS_TOKEN_LIFETIME},
    error::StoreError,
    issuer::Issuer,
    store::{AccountState, Tx, contention::again},
    user::UserId,
};

/// How long the revocation of a key is held, seconds. Who holds a leaked key
/// writes any `iat` and `exp` into tokens, so no life of a token bounds it, but
/// only how long a verifier that is cut off may go on with an old JWKS: hours.
const KEY_HELD: u64 = 7 * 24 * 3600;

/// How often a watermark for everybody is raised at most.
const MOST_SETTLINGS: usize = 10;

/// Writes a revocation. It is held until no token that it concerns can be
/// alive in the eyes of any verifier: the longest life that any process with
/// this store gives, and the leeway on both sides.
pub(crate) async fn revoke(
    tx: &mut Tx,
    revocation: Revocation,
    cause: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let installation = tx
        .installation()
        .await?
        .ok_or_else(StoreError::no_installation)?;
    let longest = installation.longest_access_token;
    let from = now.unix().max(watermark_of(&revocation));
    let held = match revocation {
        Revocation::Key { .. } => KEY_HELD,
        _ => longest,
    };
    let expires_at = from.saturating_add(held + 2 * CLOCK_LEEWAY);
    tx.insert_revocation(
        Entry {
            revocation,
            expires_at,
        },
        cause,
        now,
    )
    .await
}

/// A watermark behind which every token lies: verifiers keep moments in 32
/// bits and take the last of them for *all tokens*.
pub(crate) const ALL_TOKENS: UnixTime = UnixTime::from_secs(u32::MAX as u64);

/// Refuses the tokens of one who gets none any more, whatever they say of their
/// date: held as long as one that was given in this moment can live.
pub(crate) async fn revoke_whatever_date(
    tx: &mut Tx,
    revocation: Revocation,
    cause: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let expires_at = now
        .unix()
        .saturating_add(MAX_ACCESS_TOKEN_LIFETIME + 4 * CLOCK_LEEWAY);
    let entry = Entry {
        revocation,
        expires_at,
    };
    tx.insert_revocation(entry, cause, now).await
}

/// Refuses every access token that a user holds now. The next refresh gives
/// new ones.
pub(crate) async fn revoke_user_tokens(
    tx: &mut Tx,
    user: &UserId,
    cause: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let state = tx.account_state(user).await?;
    let state = state.ok_or_else(|| StoreError::Corrupt(format!("account {user} is gone")))?;
    let latest = tx.latest_issue(user).await?.unix();
    let issued_before = next_watermark(&state, behind(now.unix(), latest));
    tx.set_tokens_from(user, issued_before).await?;
    let sub = user.to_string();
    revoke(tx, Revocation::User { sub, issued_before }, cause, now).await
}

/// Refuses every access token that anybody holds now. Sessions go on: the next
/// refresh gives new ones. The watermark is for
/// [`settle_everybody`](Issuer::settle_everybody), after the commit.
pub(crate) async fn revoke_all_tokens(
    tx: &mut Tx,
    cause: &str,
    now: Timestamp,
) -> Result<UnixTime, StoreError> {
    tx.lock_installation().await?;
    let issued = behind(now.unix(), tx.latest_rotation().await?.unix());
    let latest = issued.max(tx.latest_watermark().await?);
    let issued_before = latest.saturating_add(1);
    tx.set_all_tokens_from(issued_before).await?;
    revoke(tx, Revocation::Everything { issued_before }, cause, now).await?;
    Ok(issued_before)
}

impl Issuer {
    /// Raises a watermark for everybody that was just committed, until the
    /// clock shows a second that it refuses: see above.
    pub(crate) async fn settle_everybody(
        &self,
        watermark: UnixTime,
        cause: &str,
    ) -> Result<(), StoreError> {
        let mut watermark = watermark;
        for _ in 0..MOST_SETTLINGS {
            if !self.store().has_many_writers() || self.clock().now().unix() < watermark {
                return Ok(());
            }
            watermark = again(|| self.raise_for_everybody(cause)).await?;
        }
        let why = "its commits take longer than a second".to_owned();
        Err(StoreError::Unavailable(why))
    }

    async fn raise_for_everybody(&self, cause: &str) -> Result<UnixTime, StoreError> {
        let mut tx = self.store().begin().await?;
        let now = self.clock().now();
        let watermark = revoke_all_tokens(&mut tx, cause, now).await?;
        tx.commit().await?;
        Ok(watermark)
    }
}

/// The watermark after a change at `now`.
///
/// One that lies ahead and at which no token was issued yet refuses everything
/// already; raising it again would only push the next `iat` further into the
/// future, where verifiers refuse it (fifty role grants in one second).
fn next_watermark(state: &AccountState, now: UnixTime) -> UnixTime {
    let floor = now.max(state.all_tokens_from);
    if state.tokens_from > floor && !state.tokens_from_used {
        state.tokens_from
    } else {
        floor.max(state.tokens_from).saturating_add(1)
    }
}

/// `now`, or `latest` if something was issued then: the clock went back since
/// (DOS-012), and a watermark from it would not reach that token. Until the
/// clock is there again, new tokens of this user lie ahead of it; more than
/// the leeway of a clock that is set right, they are refused so long.
///
/// A clock that was wrong by more than the longest life of a token is not
/// followed: it would lock the user out for as long as it was wrong.
fn behind(now: UnixTime, latest: UnixTime) -> UnixTime {
    let ahead = latest.as_secs().saturating_sub(now.as_secs());
    match ahead <= MAX_ACCESS_TOKEN_LIFETIME {
        true => now.max(latest),
        false => now,
    }
}

const fn watermark_of(revocation: &Revocation) -> UnixTime {
    match revocation {
        Revocation::User { issued_before, .. }
        | Revocation::Client { issued_before, .. }
        | Revocation::Tenant { issued_before, .. }
        | Revocation::Everything { issued_before } => *issued_before,
        _ => UnixTime::from_secs(0),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_jose::time::UnixTime;

    use super::{AccountState, next_watermark};
    use crate::tenant::TenantName;

    fn state(tokens_from: u64, used: bool, all: u64) -> AccountState {
        AccountState {
            home_tenant: TenantName::parse("acme").unwrap(),
            disabled: false,
            version: 1,
            tokens_from: UnixTime::from_secs(tokens_from),
            tokens_from_used: used,
            all_tokens_from: UnixTime::from_secs(all),
        }
    }

    fn next(tokens_from: u64, used: bool, all: u64, now: u64) -> u64 {
        next_watermark(&state(tokens_from, used, all), UnixTime::from_secs(now)).as_secs()
    }

    #[test]
    fn clm_028_the_watermark_passes_every_token_that_was_issued() {
        assert_eq!(
            next(0, false, 0, 100),
            101,
            "tokens of second 100 are refused"
        );
        assert_eq!(
            next(101, true, 0, 100),
            102,
            "tokens issued at 101 are refused"
        );
        assert_eq!(
            next(100, false, 0, 100),
            101,
            "100 is not ahead: it was used unmarked"
        );
        assert_eq!(
            next(101, false, 101, 100),
            102,
            "tokens issued at the wider mark 101"
        );
    }

    #[test]
    fn many_changes_in_one_second_do_not_run_into_the_future() {
        assert_eq!(next(101, false, 0, 100), 101);
    }
}
