//! Bytes as texts of digits: entity tags, digests, ids.
//!
//! Public, because the binary writes its own with it (the operator's token, the
//! digest of an imported file, ids of spans); no crate is there for such things.

/// Two lower-case digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let pair = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn both_digits_of_every_byte_are_there() {
        assert_eq!(hex(&[0, 1, 0x9a, 0xff]), "00019aff");
        assert_eq!(hex(&[]), "");
    }
}
