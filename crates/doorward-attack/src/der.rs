//! Just enough DER to write keys, signatures and a throw-away certificate in
//! the forms that other software reads.

pub(crate) const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// One element with its length.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match (content.len(), u8::try_from(length.len())) {
        (0, _) => der.push(0),
        (1..0x80, _) => der.extend(&length),
        (_, Ok(count)) => {
            der.push(0x80 | count);
            der.extend(&length);
        }
        // A length of more than 255 bytes does not fit a usize.
        (_, Err(_)) => {}
    }
    der.extend(content);
    der
}

/// A sequence of elements.
pub(crate) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// A positive integer from its big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if content.first().is_none_or(|byte| *byte >= 0x80) {
        content.insert(0, 0);
    }
    element(INTEGER, &content)
}

/// A bit string of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// The DER form of an ECDSA signature `r || s` (RFC 3279 section 2.2.3).
pub(crate) fn ecdsa_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    sequence(&[&integer(r), &integer(s)])
}

/// PEM with lines of 64 characters and a last newline (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = base64(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Padded base64 in the standard alphabet.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = doorward_jose::base64url::encode(bytes)
        .replace('-', "+")
        .replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, element, integer, pem, sequence};

    #[test]
    fn lengths_and_signs_are_der() {
        assert_eq!(element(4, &[]), [4, 0]);
        assert_eq!(element(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[7; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
        assert_eq!(
            sequence(&[&[2, 1, 1], &[2, 1, 2]]),
            [0x30, 6, 2, 1, 1, 2, 1, 2]
        );
    }

    #[test]
    fn text_forms_are_the_usual_ones() {
        assert_eq!(base64(b"\xfb\xff"), "+/8=");
        assert_eq!(pem("X", &[0]), "-----BEGIN X-----\nAA==\n-----END X-----\n");
        assert_eq!(pem("X", &[0; 49]).lines().count(), 4);
    }
}
