//! What other processes did, and what time does.
//!
//! One cheap read tells whether anything is new. Revocations are read by
//! cursor: their numbers follow the order of commits, so none can appear
//! behind the cursor.
//!
//! A database that is *behind* what this process has seen was put back from a
//! backup under it, and so were ended sessions, used generations and withdrawn
//! keys. Which of them are true is not knowable, so every session ends, every
//! access token is refused and every signing key is replaced; the epoch changes,
//! and other processes read everything anew. What this process holds as revoked
//! stays.
//!
//! A clock that was ahead for a moment made revocations look expired. So the
//! store keeps them for a day longer, and a process whose clock went back since
//! it last forgot any reads them all again (test
//! `dos_012_a_clock_that_was_ahead_revives_no_revoked_token`).

use std::sync::Arc;

use doorward_jose::time::UnixTime;
use doorward_verify::clock::Timestamp;
use serde_json::json;

use super::{Inner, Issuer, open::fresh_epoch};
use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    config::{CLOCK_LEEWAY, MAX_ACCESS_TOKEN_LIFETIME},
    error::{AdminError, StoreError},
    key_ring::{self, Schedule},
    revocation::revoke_all_tokens,
    session::EndCause,
    store::{Heads, KeyRow, PURGE_ROWS, contention::again},
    ticket::ticket_salt,
};

/// How often expired revocations are forgotten, and memory that no password
/// hash used in between is given back.
const SWEEP_MILLIS: u64 = 10_000;

/// How often what has long expired is deleted.
const PURGE_MILLIS: u64 = 600_000;

/// More than this between two polls is a clock that was set, or a process that
/// stood still.
const JUMP_MILLIS: u64 = 10_000;

/// How long nothing is forgotten after that: what was revoked under a clock
/// that was behind expires too early by this one (DOS-012). By then every token
/// of before has expired by this clock, too.
const HOLD_MILLIS: u64 = (MAX_ACCESS_TOKEN_LIFETIME + 2 * CLOCK_LEEWAY) * 1000;

/// How long the row of an expired session or revocation is kept.
const KEEP_MILLIS: u64 = 24 * 3_600_000;

/// What [`Issuer::poll_changes`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Revocations that were read, this process's own among them.
    pub revocations: usize,
    /// The signing keys changed.
    pub keys: bool,
    /// Revocations that were forgotten, because their tokens have expired.
    pub swept: usize,
    /// The database went back in time; every session was ended.
    pub rolled_back: bool,
}

/// How far this process has read.
pub(super) struct Seen {
    epoch: String,
    revocation: i64,
    polled_at: Timestamp,
    swept_at: Timestamp,
    /// Nothing is forgotten before.
    hold_until: Timestamp,
    purged_at: Timestamp,
}

impl Seen {
    pub(super) fn new(heads: Heads, now: Timestamp) -> Self {
        Self {
            epoch: heads.epoch,
            revocation: heads.revocation,
            polled_at: now,
            swept_at: now,
            hold_until: now,
            purged_at: now,
        }
    }
}

impl Issuer {
    /// Notices what other processes did (revocations, keys), moves the signing
    /// keys along their schedule, and forgets what has expired. Called several
    /// times a second.
    ///
    /// # Errors
    ///
    /// When the store cannot be read; what is known stays in force.
    pub async fn poll_changes(&self) -> Result<Changes, StoreError> {
        let Inner {
            store,
            revocations,
            key_ring,
            ..
        } = &*self.0;
        let mut seen = self.0.seen.lock().await;
        let now = self.clock().now();
        let mut changes = Changes::default();
        let mut heads = store.heads().await?;
        if heads.epoch == seen.epoch && heads.revocation < seen.revocation {
            let action = Action::InstallationRolledBack;
            again(|| self.begin_epoch(&seen, action)).await?;
            changes.rolled_back = true;
            heads = store.heads().await?;
        }
        // Heads of another epoch say nothing about what was read in this one.
        let is_new_epoch = heads.epoch != seen.epoch;
        if is_new_epoch || now < seen.swept_at {
            (seen.epoch, seen.revocation) = (heads.epoch, 0);
        }
        if heads.revocation > seen.revocation {
            let (entries, cursor) = store
                .revocations_after(seen.revocation, UnixTime::from_secs(0))
                .await?;
            changes.revocations = entries.len();
            for entry in entries {
                revocations.insert(entry);
            }
            // Purged rows leave no number behind, the head does.
            seen.revocation = cursor.max(heads.revocation);
        }
        let mut keys_changed = is_new_epoch || heads.keys != key_ring.picture().head;
        if key_ring.picture().due.is_some_and(|due| due <= now.unix()) {
            keys_changed |= again(|| self.advance_keys(now)).await?;
        }
        if keys_changed {
            self.reload_keys().await?;
            changes.keys = true;
        }
        if changes.revocations > 0 || changes.keys {
            // After the keys: what is signed now is signed by the present one.
            self.feed().wake();
        }
        // What could not be written waits, and is tried again at the next call.
        _ = self.keep_sign_in_failures().await;
        if is_time(seen.polled_at, now, JUMP_MILLIS) {
            seen.hold_until = now.plus_millis(HOLD_MILLIS);
        }
        seen.polled_at = now;
        if is_time(seen.swept_at, now, SWEEP_MILLIS) {
            if now >= seen.hold_until {
                changes.swept = revocations.sweep(now.unix());
            }
            self.hasher().rest();
            self.write_last_uses().await?;
            seen.swept_at = now;
        }
        store.audit_refused_rows(now).await?;
        // A part at each call until nothing is left: a long one would hold up
        // the revocations of other processes.
        if is_time(seen.purged_at, now, PURGE_MILLIS) && again(|| self.purge(now)).await? {
            seen.purged_at = now;
        }
        Ok(changes)
    }

    /// For a database that was just put back from a backup: ends every session,
    /// refuses every access token, replaces every signing key, and begins a new
    /// epoch, so that nothing comes alive that was revoked since (KEY-021).
    pub async fn begin_restored_epoch(&self) -> Result<(), StoreError> {
        let seen = self.0.seen.lock().await;
        again(|| self.begin_epoch(&seen, Action::InstallationRestore)).await?;
        drop(seen);
        self.poll_changes().await.map(drop)
    }

    async fn advance_keys(&self, now: Timestamp) -> Result<bool, StoreError> {
        let fresh = self.fresh_key(now).await?;
        let mut tx = self.0.store.begin().await?;
        let schedule = Schedule::new(&self.0.config);
        let changed = key_ring::advance(&mut tx, fresh, schedule, now)
            .await
            .map_err(only_store)?;
        if changed {
            tx.commit().await?;
        }
        Ok(changed)
    }

    /// RSA keys take a second: not on the runtime's threads.
    async fn fresh_key(&self, now: Timestamp) -> Result<KeyRow, StoreError> {
        let (algorithm, inner) = (self.0.config.algorithm, Arc::clone(&self.0));
        tokio::task::spawn_blocking(move || {
            key_ring::generate(algorithm, &inner.unlocked.keys.sealer, now.unix())
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
        .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Ends everything, because the store forgot something.
    async fn begin_epoch(&self, seen: &Seen, action: Action) -> Result<(), StoreError> {
        let fresh = self.fresh_key(self.clock().now()).await?;
        let mut tx = self.0.store.begin().await?;
        tx.lock_installation().await?;
        // Not earlier: see `revocation`.
        let now = self.clock().now();
        let installation = tx.installation().await?;
        if installation.is_none_or(|installation| installation.epoch != seen.epoch) {
            // Another process was faster.
            return Ok(());
        }
        let cause = EndCause::StoreRolledBack;
        let epoch = fresh_epoch(self.entropy());
        tx.begin_epoch(&epoch, seen.revocation).await?;
        tx.set_ticket_salt(&ticket_salt(self.entropy())).await?;
        tx.begin_feed(&epoch, now).await?;
        let ended = tx.end_every_session(cause, now).await?;
        let watermark = revoke_all_tokens(&mut tx, cause.name(), now).await?;
        let (actor, object) = (Actor::system(), Object::Installation);
        let stamp = actor.at(now);
        key_ring::replace_all(&mut tx, fresh, stamp)
            .await
            .map_err(only_store)?;
        let entry =
            AuditEntry::new(stamp, action, object).detail(json!({ "sessions_ended": ended }));
        tx.record(entry).await?;
        tx.commit().await?;
        self.settle_everybody(watermark, cause.name()).await
    }

    /// Deletes a part of what has expired long ago; `true` if nothing is left
    /// of it. Not audited: nothing changes for anybody.
    async fn purge(&self, now: Timestamp) -> Result<bool, StoreError> {
        let before = Timestamp::from_millis(now.millis().saturating_sub(KEEP_MILLIS));
        let mut tx = self.0.store.begin().await?;
        tx.advance_feed().await?;
        let revocations = tx.purge_revocations(before.unix()).await?;
        let sessions = tx.purge_sessions(before).await?;
        let (failures, familiar) = Self::forgotten_sign_ins(now);
        let counts = tx.purge_sign_in_failures(failures, familiar).await?;
        let requests = tx.purge_idempotency(before).await?;
        tx.commit().await?;
        let most = revocations.max(sessions).max(counts).max(requests);
        Ok(most < PURGE_ROWS)
    }
}

/// Keys that the schedule moves come to no transition that is not allowed, so
/// what remains is the store.
fn only_store(error: AdminError) -> StoreError {
    match error {
        AdminError::Store(error) => error,
        other => StoreError::Corrupt(other.to_string()),
    }
}

/// Whether `every` milliseconds have passed, or the clock went back.
fn is_time(last: Timestamp, now: Timestamp, every: u64) -> bool {
    now.millis().abs_diff(last.millis()) >= every
}
