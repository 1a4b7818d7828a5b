//! scrypt (RFC 7914) in three forms:
//!
//! ```text
//! $scrypt$ln=14,r=8,p=1$<salt>$<result>     PHC, passlib
//! scrypt$16384$<salt>$8$1$<result>          Django; the salt is text
//! scrypt:16384:8:1$<salt>$<result>          Werkzeug; the salt is text
//! ```

use base64_simd::STANDARD;
use scrypt::Params;
use subtle::ConstantTimeEq;

use super::{LEAST_RESULT, NotComputed, PasswordHashError, SALT, hex, plain_salt};
use crate::password::hash::{canonical_number, decode};

/// N times r, in units of 128 bytes: 128 MiB.
const MOST_MEMORY: u64 = 1 << 20;
/// N times r times p: what OWASP asks for, and more than the defaults of passlib,
/// Django and Werkzeug. It is most of a second of one core.
const MOST_WORK: u64 = 1 << 20;
const BOUNDS: &str = "scrypt: N times r times p up to 1048576 (128 MiB), r up to 32";
/// N = 8192 with r = 8.
const LEAST_MEMORY: u64 = 1 << 16;
const FLOOR: &str = "scrypt: N times r 65536";

/// Longest result.
const MOST_RESULT: usize = 64;

/// A scrypt hash.
#[derive(Clone)]
pub(super) struct Scrypt {
    memory: u64,
    params: Params,
    salt: Vec<u8>,
    result: Vec<u8>,
}

impl Scrypt {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let fields: Vec<&str> = text.split('$').collect();
        let (cost, salt, result) = match fields[..] {
            ["", "scrypt", cost, salt, result] => {
                let result = decode(result, LEAST_RESULT..=MOST_RESULT)?;
                (phc(cost)?, decode(salt, SALT)?, result)
            }
            ["scrypt", n, salt, r, p, result] => {
                let result = STANDARD.decode_to_vec(result);
                let result = result.map_err(|_| PasswordHashError::Malformed)?;
                (logarithm([n, r, p])?, plain_salt(salt)?, result)
            }
            [cost, salt, result] => (werkzeug(cost)?, plain_salt(salt)?, hex(result)?),
            _ => return Err(PasswordHashError::Malformed),
        };
        if !(LEAST_RESULT..=MOST_RESULT).contains(&result.len()) {
            return Err(PasswordHashError::Malformed);
        }
        let (memory, params) = bounded(cost)?;
        Ok(Self {
            memory,
            params,
            salt,
            result,
        })
    }

    pub(super) fn falls_short(&self) -> Option<&'static str> {
        (self.memory < LEAST_MEMORY).then_some(FLOOR)
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, NotComputed> {
        let mut result = vec![0; self.result.len()];
        scrypt::scrypt(password, &self.salt, &self.params, &mut result).map_err(|_| NotComputed)?;
        Ok(result.ct_eq(&self.result).into())
    }
}

/// The logarithm of N, r and p.
type Cost = (u32, u32, u32);

/// `ln=14,r=8,p=1`
fn phc(text: &str) -> Result<Cost, PasswordHashError> {
    let fields: Vec<&str> = text.split(',').collect();
    let &[n, r, p] = fields.as_slice() else {
        return Err(PasswordHashError::Malformed);
    };
    let number = |field: &str, name| {
        let number = field.strip_prefix(name).and_then(canonical_number);
        number.ok_or(PasswordHashError::Malformed)
    };
    Ok((number(n, "ln=")?, number(r, "r=")?, number(p, "p=")?))
}

/// `scrypt:16384:8:1`
fn werkzeug(text: &str) -> Result<Cost, PasswordHashError> {
    match text.split(':').collect::<Vec<_>>()[..] {
        ["scrypt", n, r, p] => logarithm([n, r, p]),
        _ => Err(PasswordHashError::Malformed),
    }
}

fn logarithm(numbers: [&str; 3]) -> Result<Cost, PasswordHashError> {
    let number = |text| canonical_number(text).ok_or(PasswordHashError::Malformed);
    let [n, r, p] = numbers;
    let n = number(n)?;
    match n.is_power_of_two() {
        true => Ok((n.ilog2(), number(r)?, number(p)?)),
        false => Err(PasswordHashError::Malformed),
    }
}

fn bounded((log_n, r, p): Cost) -> Result<(u64, Params), PasswordHashError> {
    let outside = PasswordHashError::OutOfBounds(BOUNDS);
    // RFC 7914 section 2: N is more than 1; the rest is multiplied below.
    if !(1..=20).contains(&log_n) || !(1..=32).contains(&r) || !(1..=1024).contains(&p) {
        return Err(outside);
    }
    let memory = u64::from(r) << log_n;
    if memory > MOST_MEMORY || memory * u64::from(p) > MOST_WORK {
        return Err(outside);
    }
    let log_n = u8::try_from(log_n).map_err(|_| outside)?;
    let params = Params::new(log_n, r, p).map_err(|_| outside)?;
    Ok((memory, params))
}
