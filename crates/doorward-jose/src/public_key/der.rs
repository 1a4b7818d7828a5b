//! Just enough DER to take an `RSAPublicKey` apart (RFC 8017 appendix A.1.1).
//!
//! Only ever fed with what the cryptographic library wrote; the library itself
//! parses what comes from outside.

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// Modulus and public exponent, without leading zeros.
pub(super) fn rsa_public_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, nothing) = element(SEQUENCE, bytes)?;
    let (modulus, rest) = element(INTEGER, sequence)?;
    let (exponent, end) = element(INTEGER, rest)?;
    if !nothing.is_empty() || !end.is_empty() {
        return None;
    }
    Some((unsigned(modulus), unsigned(exponent)))
}

/// The content of the first element, which must have `tag`, and what follows.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk::<1>()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// DER puts a zero before a positive number whose first bit is set.
fn unsigned(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] => rest,
        _ => integer,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::rsa_public_key;

    #[test]
    fn reads_both_numbers_and_nothing_else() {
        let key = [0x30, 9, 2, 2, 0, 0x81, 2, 3, 1, 0, 1];
        assert_eq!(
            rsa_public_key(&key),
            Some(([0x81].as_slice(), [1, 0, 1].as_slice()))
        );
        for end in 0..key.len() {
            assert_eq!(rsa_public_key(&key[..end]), None);
        }
        assert_eq!(rsa_public_key(&[key.as_slice(), &[0]].concat()), None);
        let third = [0x30, 11, 2, 2, 0, 0x81, 2, 3, 1, 0, 1, 5, 0];
        assert_eq!(rsa_public_key(&third), None);
        for wrong in [0, 2, 6] {
            let mut other = key;
            other[wrong] = 4;
            assert_eq!(rsa_public_key(&other), None, "{wrong}");
        }
    }

    /// X.690, 8.1.3: a length up to 127 is one byte, a longer one says how many.
    #[test]
    fn reads_lengths_of_one_two_and_three_bytes() {
        let number = |length: u8| [vec![2, length], vec![7; usize::from(length)]].concat();
        let exponent = [2, 1, 3];
        let short = [number(100).as_slice(), &exponent].concat();
        let longer = [&[2, 0x81, 200], vec![7; 200].as_slice(), &exponent].concat();
        let longest = [&[2, 0x82, 1, 44], vec![7; 300].as_slice(), &exponent].concat();
        for (head, content, length) in [
            (vec![0x30, 105], short, 100),
            (vec![0x30, 0x81, 206], longer, 200),
            (vec![0x30, 0x82, 1, 51], longest, 300),
        ] {
            let key = [head, content].concat();
            let wanted = (vec![7; length], [3].as_slice());
            assert_eq!(rsa_public_key(&key), Some((wanted.0.as_slice(), wanted.1)));
        }
        assert_eq!(rsa_public_key(&[0x30, 0x83, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = rsa_public_key(&bytes);
        }
    }
}
