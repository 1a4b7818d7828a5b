//! Another master key in the file, step by step.
//!
//! `master.key` is the one that this node opens the database with. While it is
//! changed, the key that follows lies in `master.key.next`; afterwards the one
//! before lies in `master.key.FINGERPRINT`, for backups of before. Each step is
//! on the disk before the next begins, and after each of them `master.key` is a
//! whole key that opens the database: so a rotation that is cut short anywhere
//! is taken up by the next one.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    Fingerprint, MasterKey, MasterKeyError,
    file::{beside, create, failed, folder_of, remove_fresh_files},
};
use crate::entropy::Entropy;

/// A change of the key file: one at a time in a folder, until this is dropped.
pub struct KeyFileChange {
    path: PathBuf,
    /// Locked.
    folder: fs::File,
}

impl KeyFileChange {
    /// Begins to change the key in `path`, or to end a change that was cut
    /// short.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError::Busy`], [`MasterKeyError::Linked`], or the folder cannot
    /// be opened.
    pub fn begin(path: &Path) -> Result<Self, MasterKeyError> {
        if fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink()) {
            return Err(MasterKeyError::Linked {
                path: path.to_owned(),
            });
        }
        let at = folder_of(path);
        let folder = fs::File::open(at).map_err(|error| failed(at, error))?;
        match folder.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                folder,
            }),
            Err(fs::TryLockError::WouldBlock) => Err(MasterKeyError::Busy {
                folder: at.to_owned(),
            }),
            Err(fs::TryLockError::Error(error)) => Err(failed(at, error)),
        }
    }

    /// The key that follows: the one that a change before this one made, or a
    /// new one, which is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or what is there is no key.
    pub fn next(&self, entropy: &dyn Entropy) -> Result<MasterKey, MasterKeyError> {
        let path = MasterKey::next_file(&self.path);
        // Nobody else writes it now; what is there, a crash left.
        let fresh = beside(&self.path, "new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&fresh, error)),
            _ => {}
        }
        remove_fresh_files(&self.path)?;
        match MasterKey::read(&path) {
            Ok(Some(key)) if holds(&self.path, key.fingerprint()).is_ok() => {
                let problem = "it is the present master key";
                Err(MasterKeyError::NoNext { path, problem })
            }
            Ok(Some(key)) => Ok(key),
            Ok(None) => create(&path, &fresh, entropy),
            Err(MasterKeyError::Malformed { path, problem }) => {
                Err(MasterKeyError::NoNext { path, problem })
            }
            Err(error) => Err(error),
        }
    }

    /// Has `next`, which opens the database by now, take over from `present`,
    /// which is kept in the file whose name is returned.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or does not hold what it held.
    pub fn take_over(
        self,
        present: Fingerprint,
        next: Fingerprint,
    ) -> Result<PathBuf, MasterKeyError> {
        let (path, next_file) = (&self.path, MasterKey::next_file(&self.path));
        holds(path, present)?;
        holds(&next_file, next)?;
        let kept = MasterKey::kept_file(path, present);
        match fs::hard_link(path, &kept) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => holds(&kept, present)?,
            linked => linked.map_err(|error| failed(&kept, error))?,
        }
        self.sync()?;
        fs::rename(&next_file, path).map_err(|error| failed(path, error))?;
        self.sync()?;
        Ok(kept)
    }

    fn sync(&self) -> Result<(), MasterKeyError> {
        let synced = self.folder.sync_all();
        synced.map_err(|error| failed(folder_of(&self.path), error))
    }
}

/// Refuses a file with another key than it held.
fn holds(path: &Path, expected: Fingerprint) -> Result<(), MasterKeyError> {
    match MasterKey::read(path)? {
        Some(key) if key.fingerprint() == expected => Ok(()),
        _ => Err(MasterKeyError::Changed {
            path: path.to_owned(),
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::{KeyFileChange, MasterKey, MasterKeyError};
    use crate::master_key::file::tests::{Counting, Folder, entropy};

    fn change(folder: &Folder, at: u8) -> (MasterKey, PathBuf) {
        let present = folder.open().unwrap();
        let change = KeyFileChange::begin(&folder.key()).unwrap();
        let next = change.next(&Counting(at.into())).unwrap();
        let kept = change
            .take_over(present.fingerprint(), next.fingerprint())
            .unwrap();
        (next, kept)
    }

    #[test]
    fn the_next_key_takes_over_and_the_one_before_is_kept() {
        let folder = Folder::new();
        let first = folder.open().unwrap();
        let (second, kept) = change(&folder, 9);
        assert_eq!(*folder.open().unwrap().0, *second.0);
        assert_ne!(*first.0, *second.0);
        assert_eq!(*MasterKey::read(&kept).unwrap().unwrap().0, *first.0);
        assert_eq!(
            kept,
            MasterKey::kept_file(&folder.key(), first.fingerprint())
        );
        assert!(!MasterKey::next_file(&folder.key()).exists());
        for file in fs::read_dir(folder.0.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_change_that_was_cut_short_goes_on_with_the_key_that_it_made() {
        let folder = Folder::new();
        let first = folder.open().unwrap();
        let begun = KeyFileChange::begin(&folder.key()).unwrap();
        let next = begun.next(&Counting(9.into())).unwrap();
        assert!(matches!(
            KeyFileChange::begin(&folder.key()),
            Err(MasterKeyError::Busy { .. })
        ));
        drop(begun);
        // What was written first is still there, and the one before was kept
        // already when it was cut.
        fs::write(folder.0.path().join("master.key.new"), "half").unwrap();
        let kept = MasterKey::kept_file(&folder.key(), first.fingerprint());
        fs::hard_link(folder.key(), &kept).unwrap();
        assert_eq!(*folder.open().unwrap().0, *first.0, "nothing took over");
        let (second, _) = change(&folder, 77);
        assert_eq!(*second.0, *next.0);
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_other_key_does_not_take_over() {
        let folder = Folder::new();
        drop(folder.open().unwrap());
        let next = MasterKey::next_file(&folder.key());
        fs::copy(folder.key(), &next).unwrap();
        for content in [fs::read(folder.key()).unwrap(), b"nonsense".to_vec()] {
            fs::write(&next, content).unwrap();
            let change = KeyFileChange::begin(&folder.key()).unwrap();
            let refused = change.next(&entropy()).err().unwrap();
            assert!(
                matches!(refused, MasterKeyError::NoNext { .. }),
                "{refused}"
            );
            assert!(refused.to_string().contains("delete it"), "{refused}");
        }
    }

    #[test]
    fn a_link_to_a_key_is_not_changed() {
        let folder = Folder::new();
        let before = folder.open().unwrap().fingerprint();
        let behind = folder.0.path().join("mounted");
        fs::rename(folder.key(), &behind).unwrap();
        std::os::unix::fs::symlink(&behind, folder.key()).unwrap();
        let refused = KeyFileChange::begin(&folder.key()).err().unwrap();
        assert!(
            matches!(refused, MasterKeyError::Linked { .. }),
            "{refused}"
        );
        assert_eq!(folder.open().unwrap().fingerprint(), before);
    }

    /// Another name of the key would outlive its end.
    #[test]
    fn what_a_first_start_left_is_taken_away() {
        let folder = Folder::new();
        drop(folder.open().unwrap());
        let left = folder.0.path().join(format!("master.{}", "0f".repeat(16)));
        fs::hard_link(folder.key(), &left).unwrap();
        let others = ["master.key.bak", "master.0f", "doorward.db"];
        for other in others {
            fs::write(folder.0.path().join(other), "not ours").unwrap();
        }
        change(&folder, 9);
        assert!(!left.exists());
        for other in others {
            assert!(folder.0.path().join(other).exists(), "{other}");
        }
        let beside = MasterKey::files_beside(&folder.key()).unwrap();
        assert_eq!(beside.len(), 2, "the one before, and {beside:?}");
    }

    #[test]
    fn only_the_keys_that_were_meant_change_places() {
        let folder = Folder::new();
        let first = folder.open().unwrap().fingerprint();
        let other = MasterKey::from_bytes([3; 32]).fingerprint();
        let change = || KeyFileChange::begin(&folder.key()).unwrap();
        let next = change().next(&Counting(9.into())).unwrap().fingerprint();
        for (present, next) in [(other, next), (first, other)] {
            let refused = change().take_over(present, next).unwrap_err();
            assert!(
                matches!(refused, MasterKeyError::Changed { .. }),
                "{refused}"
            );
        }
        // What is kept is never written over.
        let kept = MasterKey::kept_file(&folder.key(), first);
        fs::copy(MasterKey::next_file(&folder.key()), &kept).unwrap();
        assert!(change().take_over(first, next).is_err());
        assert_eq!(folder.open().unwrap().fingerprint(), first);
    }
}
