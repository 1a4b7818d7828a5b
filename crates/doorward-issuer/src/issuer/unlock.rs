//! From the master key to the root key, before any row is believed.
//!
//! What the database says of its master keys is written by whoever can write
//! it, so nothing of it is taken for more than it proves: a root key is one
//! that opens under our master key, in its row, for the value by which this
//! database recognises its root key, and that gives this value. A row that was
//! forged, swapped with another's or brought from another database does not
//! open, and then nothing starts. Rows that are gone open nothing either, but in
//! a database that is older than root keys, where the first master key itself is
//! the root key and proves it by the same value. That path stays open to it until
//! another one has taken over: who writes the database can take the rows away, and
//! what that is worth with a copy of before says `open::bind_rows`.

use doorward_verify::clock::Timestamp;

use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    error::{OpenError, StoreError},
    master_key::{
        Fingerprint, MasterKey, RootKeyPlace,
        root::{DerivedKeys, RootKey},
    },
    store::{Installation, RootKeyRow, Tx},
};

/// A root key that is open, and what hangs on it.
pub(crate) struct Unlocked {
    root: RootKey,
    pub(super) keys: DerivedKeys,
}

impl Unlocked {
    pub(super) fn with(root: RootKey) -> Self {
        let keys = root.derive();
        Self { root, keys }
    }

    /// Whether it is what the database recognises as its root key.
    fn is_of(&self, installation: &Installation) -> bool {
        let check = &installation.master_key_check;
        [&self.keys.check, &self.keys.check_without_row_macs]
            .iter()
            .any(|known| known[..] == check[..])
    }

    /// Writes the row by which `master` opens this database from `now` on.
    pub(crate) async fn seal_under(
        &self,
        tx: &mut Tx,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let place = RootKeyPlace {
            check: &self.keys.check,
            added_at: now.millis(),
        };
        let sealed = master.seal_root(&self.root, place);
        tx.insert_root_key(master.fingerprint(), &sealed, now).await
    }
}

/// The root key of a database in which `rows` were found.
pub(super) fn unlock(
    installation: &Installation,
    rows: &[RootKeyRow],
    master: &MasterKey,
) -> Result<Unlocked, OpenError> {
    let ours = master.fingerprint();
    if rows.is_empty() {
        let unlocked = Unlocked::with(RootKey::of_before(master));
        return match unlocked.is_of(installation) {
            true => Ok(unlocked),
            false => Err(wrong(ours, rows)),
        };
    }
    let row = rows.iter().find(|row| row.fingerprint == ours);
    let row = row.ok_or_else(|| wrong(ours, rows))?;
    let Some(sealed) = &row.sealed else {
        return Err(OpenError::RetiredMasterKey {
            fingerprint: ours,
            opens: opening(rows),
        });
    };
    let place = RootKeyPlace {
        check: &installation.master_key_check,
        added_at: row.added_at,
    };
    let unlocked = master.open_root(sealed, place).map(Unlocked::with);
    unlocked
        .ok()
        .filter(|unlocked| unlocked.is_of(installation))
        .ok_or(OpenError::DamagedRootKey { fingerprint: ours })
}

/// The database is older than root keys: its master key becomes the one row by
/// which it opens. `false` if other rows came meanwhile, and none of this key.
pub(super) async fn has_row(
    tx: &mut Tx,
    unlocked: &Unlocked,
    master: &MasterKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = tx.root_keys().await?;
    if rows.is_empty() {
        unlocked.seal_under(tx, master, now).await?;
        let (system, fingerprint) = (Actor::system(), master.fingerprint().to_string());
        let object = Object::MasterKey(&fingerprint);
        tx.record(AuditEntry::new(
            system.at(now),
            Action::MasterKeyAdd,
            object,
        ))
        .await?;
        return Ok(true);
    }
    Ok(opening(&rows).contains(&master.fingerprint()))
}

fn wrong(ours: Fingerprint, rows: &[RootKeyRow]) -> OpenError {
    OpenError::WrongMasterKey {
        fingerprint: ours,
        opens: opening(rows),
    }
}

/// The master keys that open the database.
fn opening(rows: &[RootKeyRow]) -> Vec<Fingerprint> {
    let opening = rows.iter().filter(|row| row.sealed.is_some());
    opening.map(|row| row.fingerprint).collect()
}
