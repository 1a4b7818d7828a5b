//! Files that are read up to a bound: whole, or not at all. What is larger is
//! refused and never cut, as half a bundle or half a key would be believed to be
//! all of it.

use std::{
    fs::File,
    io::{Error, ErrorKind, Read, Result},
    path::Path,
};

use zeroize::Zeroizing;

/// Larger than any file of private keys. The room for a secret is taken at
/// once, so its bound is small.
pub(crate) const LARGEST_KEY_FILE: usize = 64 * 1024;

/// The bytes of a file without secrets, at most `bound`.
///
/// # Errors
///
/// [`ErrorKind::FileTooLarge`] if there are more, and those of the file system.
pub(crate) fn read(file: &Path, bound: usize) -> Result<Vec<u8>> {
    let file = File::open(file)?;
    // What has no size, as a pipe, says zero and lets the bytes grow.
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size.min(bound) + 1);
    file.take(bound as u64 + 1).read_to_end(&mut bytes)?;
    within(bytes.len(), bound)?;
    Ok(bytes)
}

/// The bytes of a file with a secret, at most `bound`.
///
/// # Errors
///
/// Those of [`read`].
pub(crate) fn read_secret(file: &Path, bound: usize) -> Result<Zeroizing<Vec<u8>>> {
    secret_of(File::open(file)?, bound)
}

/// The bytes of a secret that somebody writes, at most `bound`.
///
/// # Errors
///
/// Those of [`read`].
pub(crate) fn secret_of(mut source: impl Read, bound: usize) -> Result<Zeroizing<Vec<u8>>> {
    // INVARIANT: read into as a slice, which cannot move. A buffer that grew
    // would leave the beginning of the secret behind in freed memory.
    let mut bytes = Zeroizing::new(vec![0; bound + 1]);
    let mut length = 0;
    loop {
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    within(length, bound)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn within(length: usize, bound: usize) -> Result<()> {
    if length <= bound {
        return Ok(());
    }
    let most = match (bound >> 20, bound >> 10) {
        (0, 0) => format!("{bound} bytes"),
        (0, kibibytes) => format!("{kibibytes} KiB"),
        (mebibytes, _) => format!("{mebibytes} MiB"),
    };
    let told = format!("it is larger than {most}; is this the right file?");
    Err(Error::new(ErrorKind::FileTooLarge, told))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{
        fs,
        io::{self, ErrorKind, Read, Write as _},
        os::fd::AsRawFd as _,
        path::{Path, PathBuf},
    };

    use super::{read, read_secret, secret_of, within};

    const BOUND: usize = 1000;

    /// Both ways to read, as one.
    fn both(file: &Path) -> io::Result<Vec<u8>> {
        let (plain, secret) = (read(file, BOUND), read_secret(file, BOUND));
        match (plain, secret) {
            (Ok(plain), Ok(secret)) => {
                assert_eq!(plain, *secret);
                Ok(plain)
            }
            (Err(plain), Err(secret)) => {
                assert_eq!(plain.to_string(), secret.to_string());
                Err(plain)
            }
            (plain, secret) => panic!("{plain:?} and {secret:?}"),
        }
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for length in [0, 1, BOUND - 1, BOUND] {
            fs::write(&file, vec![b'x'; length]).unwrap();
            assert_eq!(both(&file).unwrap(), vec![b'x'; length]);
        }
        for length in [BOUND + 1, BOUND * 100] {
            fs::write(&file, vec![b'x'; length]).unwrap();
            let error = both(&file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::FileTooLarge);
            assert_eq!(
                error.to_string(),
                "it is larger than 1000 bytes; is this the right file?"
            );
        }
        let error = both(&folder.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            both(folder.path()).unwrap_err().kind(),
            ErrorKind::IsADirectory
        );
    }

    #[test]
    fn what_has_no_size_is_read_within_the_same_bound() {
        let piped = |length: usize| {
            let (end, mut start) = io::pipe().unwrap();
            start.write_all(&vec![b'x'; length]).unwrap();
            let place = PathBuf::from(format!("/dev/fd/{}", end.as_raw_fd()));
            (end, place)
        };
        let (_end, place) = piped(BOUND);
        assert_eq!(read(&place, BOUND).unwrap(), [b'x'; BOUND]);
        let (_end, place) = piped(BOUND);
        assert_eq!(*read_secret(&place, BOUND).unwrap(), [b'x'; BOUND]);
        let (_end, place) = piped(3 * BOUND);
        let error = both(&place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        // It never ends.
        let error = both(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_file_takes_its_size_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, [b'x'; 700]).unwrap();
        assert_eq!(read(&file, BOUND).unwrap().capacity(), 701);
    }

    /// Gives a byte at a time, and notes where it was asked to put it.
    struct Slow<'a> {
        left: usize,
        places: &'a mut Vec<usize>,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.places.push(buffer.as_ptr().addr());
            if self.places.len() == 3 {
                return Err(ErrorKind::Interrupted.into());
            }
            match (self.left, buffer) {
                (0, _) | (_, []) => Ok(0),
                (_, [first, ..]) => {
                    *first = b'x';
                    self.left -= 1;
                    Ok(1)
                }
            }
        }
    }

    #[test]
    fn a_secret_never_moves() {
        for length in [1, 163, BOUND] {
            let mut places = Vec::new();
            let left = length;
            let source = Slow {
                left,
                places: &mut places,
            };
            let secret = secret_of(source, BOUND).unwrap();
            assert_eq!(*secret, vec![b'x'; length]);
            assert_eq!(secret.capacity(), BOUND + 1);
            let start = secret.as_ptr().addr();
            assert_eq!(
                *places.last().unwrap(),
                start + length,
                "it was read elsewhere"
            );
            assert_eq!(places[0], start, "it was begun elsewhere");
        }
    }

    #[test]
    fn a_bound_is_told_in_its_unit() {
        for (bound, most) in [(9, "9 bytes"), (64 << 10, "64 KiB"), (8 << 20, "8 MiB")] {
            assert!(within(bound, bound).is_ok());
            let told = within(bound + 1, bound).unwrap_err().to_string();
            assert!(told.contains(&format!("larger than {most};")), "{told}");
        }
    }
}
