//! A password hash at rest, of whichever kind.
//!
//! What is made here is Argon2id (`argon`). An account that was imported may
//! carry another kind until its first sign-in (`foreign`). A stored hash is
//! input too (an import, a tampered database): its parameters are bounded when
//! it is parsed, so that no row can order a gigabyte or an hour of work.

use argon2::Block;
use base64_simd::STANDARD_NO_PAD;

use super::{
    Password, Salt,
    argon::{ArgonHash, Cost},
    foreign::Foreign,
};

/// A hash with parameters inside our bounds. `Debug` shows the kind and
/// nothing else.
#[derive(Clone)]
pub struct PasswordHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon(ArgonHash),
    Foreign(Foreign),
}

/// The text is not a hash that we would compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// Not a form that is known here.
    #[error(
        "not the text of a hash that can be checked here: argon2id, argon2i, bcrypt, scrypt or PBKDF2"
    )]
    Malformed,
    /// The parameters are outside the bounds, which are named.
    #[error("it costs too much or nothing to check; the bounds are: {0}")]
    OutOfBounds(&'static str),
    /// So cheap that whoever has it finds the password; the least is named.
    /// Said of hashes that come from elsewhere only.
    #[error("it is too weak to be taken over; the least is: {0}")]
    TooWeak(&'static str),
}

/// The hash could not be computed; nothing is known about the password.
#[derive(Debug)]
pub(super) struct NotComputed;

/// In which memory a hash is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workspace {
    /// So many blocks of 1 KiB of an arena.
    Arena(usize),
    /// Memory of its own, at most 128 MiB.
    Own,
}

impl PasswordHash {
    /// From the text that [`to_text`](Self::to_text) gives.
    ///
    /// ```
    /// use doorward_issuer::password::PasswordHash;
    ///
    /// let gigabyte = "$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    /// assert!(PasswordHash::parse(gigabyte).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Anything but a known kind in its canonical form, and parameters outside
    /// the bounds.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let kind = match text.starts_with("$argon2") {
            true => Kind::Argon(ArgonHash::parse(text)?),
            false => Kind::Foreign(Foreign::parse(text)?),
        };
        Ok(Self(kind))
    }

    /// From a hash that was made elsewhere: what [`parse`](Self::parse) takes,
    /// with the prefix that Django puts before what others write, and not
    /// weaker than the least of its kind.
    ///
    /// ```
    /// use doorward_issuer::password::{PasswordHash, PasswordHashError};
    ///
    /// let cheap = "$2b$04$XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
    /// let refused = PasswordHash::import(cheap).err();
    /// assert!(matches!(refused, Some(PasswordHashError::TooWeak(_))));
    /// ```
    ///
    /// # Errors
    ///
    /// [`PasswordHashError`], for whoever has the hash in a file.
    pub fn import(text: &str) -> Result<Self, PasswordHashError> {
        let is_prefix = |name: &&str| ["argon2", "bcrypt"].contains(name);
        let bare = match text.split_once('$') {
            Some((name, rest)) if is_prefix(&name) => match rest.strip_prefix('$') {
                Some(_) => rest.to_owned(),
                None => format!("${rest}"),
            },
            _ => text.to_owned(),
        };
        let hash = Self::parse(&bare)?;
        match &hash.0 {
            Kind::Argon(argon) => argon.strong_enough()?,
            Kind::Foreign(foreign) => foreign.strong_enough()?,
        }
        Ok(hash)
    }

    /// The text for the store: the PHC string, or the form in which a foreign
    /// hash came.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Kind::Argon(hash) => hash.to_phc(),
            Kind::Foreign(hash) => hash.text().to_owned(),
        }
    }

    /// The name of the kind: `argon2id`, `argon2i`, `bcrypt`, `scrypt` or
    /// `pbkdf2`.
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            Kind::Argon(hash) => hash.cost().name(),
            Kind::Foreign(hash) => hash.kind(),
        }
    }

    /// A hash that no password is checked against in earnest: verifying it
    /// costs what verifying a real one of `cost` does.
    pub(super) fn dummy(cost: Cost) -> Self {
        Self(Kind::Argon(ArgonHash::dummy(cost)))
    }

    pub(super) fn compute(
        password: &Password,
        cost: Cost,
        salt: Salt,
        arena: &mut [Block],
    ) -> Result<Self, NotComputed> {
        let hash = ArgonHash::compute(password, cost, salt, arena)?;
        Ok(Self(Kind::Argon(hash)))
    }

    /// Whether `password` is the one that was hashed; the comparison takes
    /// the same time wherever it differs.
    pub(super) fn matches(
        &self,
        password: &Password,
        arena: &mut [Block],
    ) -> Result<bool, NotComputed> {
        match &self.0 {
            Kind::Argon(hash) => hash.matches(password, arena),
            Kind::Foreign(hash) => hash.matches(password),
        }
    }

    /// Whether it is what would be made today.
    pub(super) fn is_current(&self, cost: Cost) -> bool {
        matches!(&self.0, Kind::Argon(hash) if hash.cost() == cost)
    }

    /// Whether the hash is of the whole of `password`, so that one of another
    /// kind may be made of it: of what bcrypt leaves unread, a typing error
    /// would become the password.
    pub(super) fn covers(&self, password: &Password) -> bool {
        match &self.0 {
            Kind::Argon(_) => true,
            Kind::Foreign(hash) => hash.covers(password),
        }
    }

    pub(super) fn workspace(&self) -> Workspace {
        match &self.0 {
            Kind::Argon(hash) => Workspace::Arena(hash.cost().blocks()),
            Kind::Foreign(hash) => hash.workspace(),
        }
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHash")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

/// A decimal number as the PHC format wants it: no sign, no leading zero.
pub(super) fn canonical_number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Bytes in base64 without padding, of a `length` that can be.
pub(super) fn decode(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<Vec<u8>, PasswordHashError> {
    let bytes = STANDARD_NO_PAD
        .decode_to_vec(text)
        .map_err(|_| PasswordHashError::Malformed)?;
    if length.contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(PasswordHashError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::PasswordHash;

    #[test]
    fn debug_shows_no_hash() {
        let phc =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let bcrypt = "$2b$08$XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
        for text in [phc, bcrypt] {
            let shown = format!("{:?}", PasswordHash::parse(text).unwrap());
            let mut secrets = text.rsplit('$').take(2);
            assert!(secrets.all(|secret| !shown.contains(secret)), "{shown}");
            assert!(!shown.contains('['), "{shown}");
        }
    }

    #[test]
    fn what_django_puts_before_a_hash_is_left_out() {
        let bcrypt = "$2b$08$XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
        let imported = PasswordHash::import(&format!("bcrypt${bcrypt}")).unwrap();
        assert_eq!(imported.to_text(), bcrypt);
        assert!(PasswordHash::import(&format!("bcrypt{bcrypt}")).is_ok());
        assert!(PasswordHash::import(&format!("bcrypt_sha256${bcrypt}")).is_err());
        assert!(PasswordHash::parse(&format!("bcrypt${bcrypt}")).is_err());
    }
}
