//! Argon2 as a PHC string (RFC 9106): the kind of hash that is made here.
//!
//! `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, base64 without padding.
//! `argon2i` is read too, and never made: an imported account may have it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64_simd::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

use super::{
    Password, Salt,
    hash::{NotComputed, PasswordHashError, canonical_number, decode},
};

/// Largest memory that a stored hash may ask for, KiB.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// Length of the hashes that we make.
const HASH_BYTES: usize = 32;

const BOUNDS: &str = "argon2: memory up to 131072 KiB and at least 8 a lane, \
                      passes 1 to 16, lanes 1 to 16";

/// Least product of memory and passes, KiB, of a hash that comes from
/// elsewhere.
const LEAST_WORK_KIB: u32 = 8 * 1024;
const FLOOR: &str = "argon2: memory times passes 8192 KiB or more";

/// Argon2 with parameters inside our bounds.
#[derive(Clone)]
pub(super) struct ArgonHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl ArgonHash {
    /// From a PHC string in its canonical form, version 19.
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let mut fields = text.strip_prefix('$').unwrap_or_default().split('$');
        let mut next = || fields.next().ok_or(PasswordHashError::Malformed);
        let algorithm = match next()? {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return Err(PasswordHashError::Malformed),
        };
        if next()? != "v=19" {
            return Err(PasswordHashError::Malformed);
        }
        let cost = Cost::parse(algorithm, next()?)?;
        let salt = decode(next()?, 8..=64)?;
        let hash = decode(next()?, 16..=64)?;
        match fields.next() {
            None => Ok(Self { cost, salt, hash }),
            Some(_) => Err(PasswordHashError::Malformed),
        }
    }

    /// The PHC string, for the store.
    pub(super) fn to_phc(&self) -> String {
        let Cost {
            memory_kib,
            passes,
            lanes,
            ..
        } = self.cost;
        let name = self.cost.name();
        let salt = STANDARD_NO_PAD.encode_to_string(&self.salt);
        let hash = STANDARD_NO_PAD.encode_to_string(&self.hash);
        format!("${name}$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }

    /// A hash that no password is checked against in earnest: verifying it
    /// costs what verifying a real one of `cost` does.
    pub(super) fn dummy(cost: Cost) -> Self {
        Self {
            cost,
            salt: vec![0x5a; Salt::BYTES],
            hash: vec![0; HASH_BYTES],
        }
    }

    pub(super) fn compute(
        password: &Password,
        cost: Cost,
        salt: Salt,
        arena: &mut [Block],
    ) -> Result<Self, NotComputed> {
        let salt = salt.0.to_vec();
        let mut hash = vec![0; HASH_BYTES];
        cost.derive(password, &salt, &mut hash, arena)?;
        Ok(Self { cost, salt, hash })
    }

    /// Whether `password` is the one that was hashed; the comparison takes
    /// the same time wherever it differs.
    pub(super) fn matches(
        &self,
        password: &Password,
        arena: &mut [Block],
    ) -> Result<bool, NotComputed> {
        let mut hash = vec![0; self.hash.len()];
        self.cost.derive(password, &self.salt, &mut hash, arena)?;
        Ok(hash.ct_eq(&self.hash).into())
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether it is good enough to be taken over from elsewhere.
    pub(super) fn strong_enough(&self) -> Result<(), PasswordHashError> {
        match self.cost.memory_kib * self.cost.passes >= LEAST_WORK_KIB {
            true => Ok(()),
            false => Err(PasswordHashError::TooWeak(FLOOR)),
        }
    }
}

/// The parameters that decide what one hash costs. Always inside the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    algorithm: Algorithm,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Of Argon2id, which is what we make.
    pub(super) fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, PasswordHashError> {
        Self::of(Algorithm::Argon2id, memory_kib, passes, lanes)
    }

    fn of(
        algorithm: Algorithm,
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    ) -> Result<Self, PasswordHashError> {
        let inside = (1..=MAX_LANES).contains(&lanes)
            && (8 * lanes..=MAX_MEMORY_KIB).contains(&memory_kib)
            && (1..=MAX_PASSES).contains(&passes);
        if inside {
            Ok(Self {
                algorithm,
                memory_kib,
                passes,
                lanes,
            })
        } else {
            Err(PasswordHashError::OutOfBounds(BOUNDS))
        }
    }

    pub(super) const fn name(self) -> &'static str {
        self.algorithm.as_str()
    }

    /// Blocks of 1 KiB that one hash works in.
    pub(super) fn blocks(self) -> usize {
        self.memory_kib as usize
    }

    fn parse(algorithm: Algorithm, text: &str) -> Result<Self, PasswordHashError> {
        let mut fields = text.split(',');
        let mut number = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name));
            field
                .and_then(canonical_number)
                .ok_or(PasswordHashError::Malformed)
        };
        let (memory_kib, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
        match fields.next() {
            None => Self::of(algorithm, memory_kib, passes, lanes),
            Some(_) => Err(PasswordHashError::Malformed),
        }
    }

    fn derive(
        self,
        password: &Password,
        salt: &[u8],
        hash: &mut [u8],
        arena: &mut [Block],
    ) -> Result<(), NotComputed> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(hash.len()));
        let params = params.map_err(|_| NotComputed)?;
        let password = password.as_str().as_bytes();
        Argon2::new(self.algorithm, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, hash, arena)
            .map_err(|_| NotComputed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use argon2::Block;

    use super::{ArgonHash, BOUNDS, Cost, Password, PasswordHashError, Salt};

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    fn hashed(text: &str) -> ArgonHash {
        let cost = Cost::new(64, 2, 1).unwrap();
        let mut arena = vec![Block::default(); cost.blocks()];
        ArgonHash::compute(&password(text), cost, Salt([7; 16]), &mut arena).unwrap()
    }

    fn matches(hash: &ArgonHash, text: &str) -> bool {
        let mut arena = vec![Block::default(); hash.cost().blocks()];
        hash.matches(&password(text), &mut arena).unwrap()
    }

    /// RFC 9106 gives no vector without secret and associated data; this one
    /// is from the reference implementation's test suite (argon2id, v=19,
    /// t=2, m=2^8 KiB, p=1, "password", "somesalt").
    #[test]
    fn agrees_with_the_reference_implementation() {
        let hash = ArgonHash::parse(
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        )
        .unwrap();
        assert!(matches(&hash, "password"));
        assert!(!matches(&hash, "Password"));
    }

    #[test]
    fn survives_its_phc_string() {
        let text = hashed("correct horse").to_phc();
        let again = ArgonHash::parse(&text).unwrap();
        assert_eq!(again.to_phc(), text);
        assert!(matches(&again, "correct horse"));
        assert!(!matches(&again, "correct horsf"));
    }

    #[test]
    fn bru_012_nothing_is_cut_off_and_nul_counts() {
        let first_72 = "x".repeat(72);
        let long = hashed(&format!("{first_72} and the rest"));
        assert!(!matches(&long, &first_72));
        assert!(!matches(&long, &format!("{first_72} and the rest!")));
        let nul = hashed("before\0after");
        assert!(!matches(&nul, "before"));
        assert!(!matches(&nul, "before\0other"));
        // A Cyrillic "а" is not a Latin "a".
        assert!(!matches(&hashed("pаssword"), "password"));
    }

    #[test]
    fn parameters_of_a_stored_hash_are_bounded() {
        let tail = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for bad in [
            "m=131073,t=2,p=1",
            "m=64,t=17,p=1",
            "m=64,t=0,p=1",
            "m=128,t=1,p=17",
            "m=7,t=1,p=1",
        ] {
            let verdict = ArgonHash::parse(&format!("$argon2id$v=19${bad}{tail}"));
            assert_eq!(
                verdict.err(),
                Some(PasswordHashError::OutOfBounds(BOUNDS)),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let good = hashed("x").to_phc();
        let bad = [
            String::new(),
            good.replace("argon2id", "argon2d"),
            good.replace("v=19", "v=16"),
            good.replace("t=2", "t=02"),
            good.replace("t=2", "t=+2"),
            good.replace("m=64,t=2", "t=2,m=64"),
            good.replace("p=1", "p=1,keyid=x"),
            format!("{good}$more"),
            format!("{good}="),
            good[1..].to_owned(),
        ];
        for text in bad {
            assert!(ArgonHash::parse(&text).is_err(), "{text}");
        }
    }
}
