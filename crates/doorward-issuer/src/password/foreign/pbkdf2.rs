//! PBKDF2 (RFC 8018) with HMAC-SHA-1, -256 and -512, in four forms:
//!
//! ```text
//! $pbkdf2-sha256$i=600000,l=32$<salt>$<result>    PHC; also without l
//! $pbkdf2-sha256$600000$<salt>$<result>           passlib; `.` for `+`
//! pbkdf2_sha256$600000$<salt>$<result>            Django; the salt is text
//! pbkdf2:sha256:600000$<salt>$<result>            Werkzeug; the salt is text
//! ```

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{
    Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512, verify,
};
use base64_simd::STANDARD;

use super::{LEAST_RESULT, PasswordHashError, SALT, hex, plain_salt};
use crate::password::hash::{canonical_number, decode};

const MOST_ITERATIONS: u32 = 2_000_000;
const LEAST_ITERATIONS: u32 = 10_000;
const BOUNDS: &str = "PBKDF2: 1 to 2000000 iterations";
const FLOOR: &str = "PBKDF2: 10000 iterations";

/// A PBKDF2 hash.
#[derive(Clone)]
pub(super) struct Pbkdf2 {
    digest: Digest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    result: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Pbkdf2 {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let fields: Vec<&str> = text.split('$').collect();
        let (digest, iterations, salt, result) = match fields[..] {
            ["", name, cost, salt, result] => {
                // passlib writes `.` for `+`; nobody else writes `.`.
                let [salt, result] = [salt, result].map(|text| text.replace('.', "+"));
                let digest = Digest::named(name)?;
                let result = decode(&result, LEAST_RESULT..=digest.bytes())?;
                let iterations = iterations(cost, result.len())?;
                (digest, iterations, decode(&salt, SALT)?, result)
            }
            [name, iterations, salt, result] => {
                let result = STANDARD.decode_to_vec(result);
                let result = result.map_err(|_| PasswordHashError::Malformed)?;
                let digest = Digest::named(name)?;
                (digest, number(iterations)?, plain_salt(salt)?, result)
            }
            [cost, salt, result] => {
                let Some((name, iterations)) = cost.rsplit_once(':') else {
                    return Err(PasswordHashError::Malformed);
                };
                let (digest, result) = (Digest::named(name)?, hex(result)?);
                (digest, number(iterations)?, plain_salt(salt)?, result)
            }
            _ => return Err(PasswordHashError::Malformed),
        };
        // A longer result than the digest's would cost a multiple.
        if !(LEAST_RESULT..=digest.bytes()).contains(&result.len()) {
            return Err(PasswordHashError::Malformed);
        }
        let within = NonZeroU32::new(iterations).filter(|count| count.get() <= MOST_ITERATIONS);
        Ok(Self {
            digest,
            iterations: within.ok_or(PasswordHashError::OutOfBounds(BOUNDS))?,
            salt,
            result,
        })
    }

    pub(super) fn falls_short(&self) -> Option<&'static str> {
        (self.iterations.get() < LEAST_ITERATIONS).then_some(FLOOR)
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let algorithm = self.digest.algorithm();
        verify(
            algorithm,
            self.iterations,
            &self.salt,
            password,
            &self.result,
        )
        .is_ok()
    }
}

impl Digest {
    /// By the names that the forms use.
    fn named(name: &str) -> Result<Self, PasswordHashError> {
        match name {
            "pbkdf2" | "pbkdf2_sha1" | "pbkdf2:sha1" | "pbkdf2-sha1" => Ok(Self::Sha1),
            "pbkdf2-sha256" | "pbkdf2_sha256" | "pbkdf2:sha256" => Ok(Self::Sha256),
            "pbkdf2-sha512" | "pbkdf2_sha512" | "pbkdf2:sha512" => Ok(Self::Sha512),
            _ => Err(PasswordHashError::Malformed),
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Sha1 => PBKDF2_HMAC_SHA1,
            Self::Sha256 => PBKDF2_HMAC_SHA256,
            Self::Sha512 => PBKDF2_HMAC_SHA512,
        }
    }
}

/// `600000`, `i=600000` or `i=600000,l=32`, of which `l` must be so.
fn iterations(text: &str, length: usize) -> Result<u32, PasswordHashError> {
    let Some(named) = text.strip_prefix("i=") else {
        return number(text);
    };
    match named.split_once(",l=") {
        Some((count, l)) if number(l)? as usize == length => number(count),
        Some(_) => Err(PasswordHashError::Malformed),
        None => number(named),
    }
}

fn number(text: &str) -> Result<u32, PasswordHashError> {
    canonical_number(text).ok_or(PasswordHashError::Malformed)
}
