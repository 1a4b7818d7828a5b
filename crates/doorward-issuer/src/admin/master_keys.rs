//! The master keys that open the database: one more, and one less.
//!
//! Each change holds the installation's row, so that of two nodes that retire
//! each other's key the second is refused: the key that a change is made with
//! opens the database before it and after it.

use doorward_verify::clock::Timestamp;

use super::Admin;
use crate::{
    audit::{Action, Object},
    error::{AdminError, MasterKeyChangeError},
    master_key::{Fingerprint, MasterKey},
    store::{RootKeyRow, Tx, contention::again},
    ticket::ticket_salt,
};

/// A master key that opens the database, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterKeyInfo {
    /// Which one.
    pub fingerprint: Fingerprint,
    /// Since when it opens the database, milliseconds since 1970 UTC.
    pub added_at_ms: u64,
    /// When it was retired, as the database says.
    pub retired_at_ms: Option<u64>,
    /// Whether it opens the database: whether its row holds a root key, whatever
    /// else it says.
    pub opens: bool,
    /// Whether it is the one that this issuer was opened with.
    pub is_ours: bool,
}

impl Admin {
    /// Every master key that opens the database or did, oldest first.
    pub async fn master_keys(&self) -> Result<Vec<MasterKeyInfo>, AdminError> {
        let ours = self.issuer.master_key();
        let rows = self.issuer.store().root_keys().await?;
        let info = |row: RootKeyRow| MasterKeyInfo {
            is_ours: row.fingerprint == ours,
            opens: row.sealed.is_some(),
            fingerprint: row.fingerprint,
            added_at_ms: row.added_at,
            retired_at_ms: row.retired_at,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// From here on `key` opens the database as well; `false` if it did before.
    ///
    /// # Errors
    ///
    /// [`MasterKeyChangeError::Retired`] if it opens the database no longer,
    /// [`MasterKeyChangeError::OursRetired`] if the one that this issuer was opened
    /// with does not.
    pub async fn add_master_key(&self, key: &MasterKey) -> Result<bool, AdminError> {
        again(|| self.try_add_master_key(key)).await
    }

    async fn try_add_master_key(&self, key: &MasterKey) -> Result<bool, AdminError> {
        let (now, fingerprint) = (self.now(), key.fingerprint());
        let (mut tx, rows) = self.change_master_keys().await?;
        match rows.iter().find(|row| row.fingerprint == fingerprint) {
            Some(row) if row.sealed.is_some() => return Ok(false),
            Some(_) => return Err(MasterKeyChangeError::Retired(fingerprint).into()),
            None => {}
        }
        let added_at = after(&rows, now);
        let unlocked = self.issuer.unlocked();
        unlocked.seal_under(&mut tx, key, added_at).await?;
        tx.require_root_keys().await?;
        let id = fingerprint.to_string();
        let entry = self.entry(now, Action::MasterKeyAdd, Object::MasterKey(&id));
        tx.record(entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// From here on this key opens the database no more; `false` if it did not
    /// before. Whoever has the database open goes on.
    ///
    /// # Errors
    ///
    /// [`MasterKeyChangeError`]: of the one that this issuer was opened with,
    /// and so of the last, and of one that is not known.
    pub async fn retire_master_key(&self, key: Fingerprint) -> Result<bool, AdminError> {
        again(|| self.try_retire_master_key(key)).await
    }

    async fn try_retire_master_key(&self, key: Fingerprint) -> Result<bool, AdminError> {
        if key == self.issuer.master_key() {
            return Err(MasterKeyChangeError::InUse(key).into());
        }
        let now = self.now();
        let (mut tx, rows) = self.change_master_keys().await?;
        match rows.iter().find(|row| row.fingerprint == key) {
            Some(row) if row.sealed.is_some() => {}
            Some(_) => return Ok(false),
            None => return Err(MasterKeyChangeError::NoSuch(key).into()),
        }
        tx.retire_root_key(key, now).await?;
        // Whoever had it may have the root key as well.
        let salt = ticket_salt(self.issuer.entropy());
        tx.set_ticket_salt(&salt).await?;
        let id = key.to_string();
        let entry = self.entry(now, Action::MasterKeyRetire, Object::MasterKey(&id));
        tx.record(entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A transaction that nobody else's change of the master keys is beside, and
    /// what opens the database; our own key among them.
    async fn change_master_keys(&self) -> Result<(Tx, Vec<RootKeyRow>), AdminError> {
        let ours = self.issuer.master_key();
        let mut tx = self.issuer.store().begin().await?;
        tx.lock_installation().await?;
        let rows = tx.root_keys().await?;
        let is_ours = |row: &RootKeyRow| row.fingerprint == ours && row.sealed.is_some();
        match rows.iter().any(is_ours) {
            true => Ok((tx, rows)),
            false => Err(MasterKeyChangeError::OursRetired(ours).into()),
        }
    }
}

/// Later than every other came, whatever the clocks of the nodes say: who looks
/// for the older ones goes by this.
fn after(rows: &[RootKeyRow], now: Timestamp) -> Timestamp {
    let latest = rows.iter().map(|row| row.added_at).max().unwrap_or(0);
    let next = latest.saturating_add(1).max(now.millis());
    // As far as it can be stored: somebody else may have written the others.
    Timestamp::from_millis(next.min(i64::MAX.unsigned_abs()))
}
