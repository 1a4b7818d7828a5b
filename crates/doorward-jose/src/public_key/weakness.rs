//! Keys that parse but must not be trusted.

use crate::error::{KeyError, KeyErrorKind};

/// Sizes of RSA moduli in bits: below is weak, above costs too much to check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The cryptographic library verifies with no larger exponent.
const MAX_EXPONENT_BITS: usize = 33;

/// Refuses moduli outside 2048 to 8192 bits, even numbers, exponents below
/// 65537, and the moduli of CVE-2017-15361.
pub(super) fn refuse_weak_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let exponent_bits = bits(exponent);
    let good = RSA_BITS.contains(&bits(modulus))
        && odd(modulus)
        && odd(exponent)
        // Odd and at least 17 bits long is 65537 or more.
        && (17..=MAX_EXPONENT_BITS).contains(&exponent_bits)
        && !has_roca_fingerprint(modulus);
    if good {
        Ok(())
    } else {
        Err(KeyErrorKind::Weak.into())
    }
}

/// Length of a big-endian number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// The primes with which the fingerprint of ROCA is taken.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether the modulus has the structure of CVE-2017-15361 ("ROCA", Nemec et
/// al. 2017): modulo each small prime it is a power of 65537. An honest key
/// looks like that once in about a hundred million.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    ROCA_PRIMES.into_iter().all(|prime| {
        let residue = modulus
            .iter()
            .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        loop {
            if power == residue {
                return true;
            }
            power = power * 65_537 % prime;
            if power == 1 || power == 0 {
                return false;
            }
        }
    })
}

/// Refuses points of small order, for which one signature fits many messages,
/// and coordinates that are not reduced (RFC 8032 section 5.1.3).
pub(super) fn refuse_weak_ed25519(point: &[u8; 32]) -> Result<(), KeyError> {
    let mut y = *point;
    y[31] &= 0x7f; // the sign of x
    if SMALL_ORDER.contains(&y) || !is_reduced(&y) {
        return Err(KeyErrorKind::Weak.into());
    }
    Ok(())
}

/// Whether the little-endian number is below p = 2^255 - 19.
fn is_reduced(y: &[u8; 32]) -> bool {
    y[31] != 0x7f || y[1..31].iter().any(|byte| *byte != 0xff) || y[0] < 0xed
}

/// The reduced y coordinates of the eight points of small order.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    little_endian(1, 0, 0),
    little_endian(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

#[cfg(test)]
mod tests {
    use super::{has_roca_fingerprint, little_endian, refuse_weak_ed25519, refuse_weak_rsa};

    /// An odd number of so many bits that is no ROCA modulus.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xa5; bits.div_ceil(8)];
        bytes[0] = 1 << ((bits - 1) % 8);
        bytes
    }

    #[test]
    fn key_003_weak_rsa_numbers_are_refused() {
        let e = [1, 0, 1];
        for bits in [2048, 2049, 3072, 4096, 8192] {
            assert!(refuse_weak_rsa(&modulus(bits), &e).is_ok(), "{bits} bits");
        }
        for bits in [8, 512, 1024, 2047, 8193, 16_384] {
            assert!(refuse_weak_rsa(&modulus(bits), &e).is_err(), "{bits} bits");
        }
        let exponents: [&[u8]; 8] = [
            &[1],
            &[3],
            &[17],
            &[0xff, 0xff],
            &[1, 0, 0],
            &[2, 0, 0, 0, 1],
            &[0xff; 8],
            &[1, 0, 1, 0, 0, 0, 0, 1],
        ];
        for exponent in exponents {
            assert!(
                refuse_weak_rsa(&modulus(2048), exponent).is_err(),
                "{exponent:?}"
            );
        }
        let mut even = modulus(2048);
        even[255] = 2;
        assert!(refuse_weak_rsa(&even, &e).is_err());
    }

    #[test]
    fn key_003_powers_of_65537_have_the_roca_fingerprint() {
        // 65537^3 and 1 are powers modulo every prime; 65537^3 + 2 is not.
        let cube = 65_537_u64.pow(3);
        assert!(has_roca_fingerprint(&cube.to_be_bytes()));
        assert!(has_roca_fingerprint(&[1]));
        assert!(!has_roca_fingerprint(&(cube + 2).to_be_bytes()));
        assert!(!has_roca_fingerprint(&modulus(2048)));
        // It is the whole number that counts: these end as powers do.
        for other in [257, cube + 256, cube - 256] {
            assert!(!has_roca_fingerprint(&other.to_be_bytes()), "{other}");
        }
        // A power of it that is large enough to be a modulus, and odd.
        let mut power = vec![1_u8];
        for _ in 0..128 {
            // Big-endian: power * 65536 + power.
            let shifted = [power.as_slice(), &[0, 0]].concat();
            let padded = [&[0, 0], power.as_slice()].concat();
            let mut carry = 0;
            let sum = shifted.iter().zip(&padded).rev().map(|(one, other)| {
                let sum = u16::from(*one) + u16::from(*other) + carry;
                carry = sum >> 8;
                (sum & 0xff) as u8
            });
            let mut sum: Vec<u8> = sum.collect();
            sum.reverse();
            power = sum;
        }
        assert!(has_roca_fingerprint(&power));
        assert!(refuse_weak_rsa(&power, &[1, 0, 1]).is_err());
    }

    #[test]
    fn sig_018_small_order_and_unreduced_points_are_refused() {
        let p = |low| little_endian(low, 0xff, 0x7f);
        for mut point in [
            [0; 32],
            little_endian(1, 0, 0),
            p(0xec),
            p(0xed),
            p(0xee),
            p(0xff),
            super::SMALL_ORDER[3],
            super::SMALL_ORDER[4],
        ] {
            assert!(refuse_weak_ed25519(&point).is_err(), "{point:?}");
            point[31] |= 0x80;
            assert!(refuse_weak_ed25519(&point).is_err(), "{point:?}");
        }
        assert!(refuse_weak_ed25519(&p(0xeb)).is_ok());
        // Below p by a byte in the middle, whatever the first one is.
        for at in [1, 30] {
            let mut point = p(0xff);
            point[at] = 0xfe;
            assert!(refuse_weak_ed25519(&point).is_ok(), "{at}");
        }
        assert!(refuse_weak_ed25519(&little_endian(0xff, 0xff, 0x7e)).is_ok());
        assert!(refuse_weak_ed25519(&[9; 32]).is_ok());
    }
}
