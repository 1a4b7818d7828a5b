//! base64url without padding, strictly (RFC 7515 section 2, RFC 4648 section 5).
//!
//! One encoding per value: padding, white space, the other alphabet and stray
//! bits in the last character are refused, so that no two tokens mean the same.

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

/// The text is not strict unpadded base64url, or is longer than its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not unpadded base64url")]
pub struct DecodeError;

/// Encodes `bytes` without padding.
///
/// ```
/// assert_eq!(doorward_jose::base64url::encode(b"\xfb\xff"), "-_8");
/// ```
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends the encoding of `bytes` to `text`.
pub(crate) fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

/// Decodes the one encoding of a value.
///
/// # Errors
///
/// Any other text.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| DecodeError)
}

/// Decodes into `buffer` and returns the part that was filled.
pub(crate) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], DecodeError> {
    let length = URL_SAFE_NO_PAD
        .decoded_length(text.as_bytes())
        .map_err(|_| DecodeError)?;
    let place = buffer.get_mut(..length).ok_or(DecodeError)?;
    match URL_SAFE_NO_PAD.decode(text.as_bytes(), place.as_out()) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(DecodeError),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::{decode, decode_into, encode};

    #[test]
    fn refuses_every_other_spelling() {
        // "AA" and "AQ" are the encodings of 0 and 1; "AB" has a stray bit.
        assert_eq!(decode("AQ"), Ok(vec![1]));
        for text in [
            "A", "AAAAA", "AB", "AQ=", "AQ==", "=", "AQ\n", " AQ", "A Q", "AQ\0", "-_+", "-_/",
            "A.Q", "é", "AQA=", "AAB", "%41%51",
        ] {
            assert!(decode(text).is_err(), "{text:?} was accepted");
            assert!(
                decode_into(text, &mut [0; 16]).is_err(),
                "{text:?} was accepted"
            );
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert!(decode_into("AAAA", &mut [0; 2]).is_err());
        assert_eq!(decode_into("AAAA", &mut [1; 3]), Ok([0; 3].as_slice()));
        assert_eq!(decode_into("", &mut []), Ok([].as_slice()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn one_encoding_per_value(bytes: Vec<u8>) {
            assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn whatever_decodes_is_the_encoding_of_its_value(text in any::<String>()) {
            if let Ok(bytes) = decode(&text) {
                assert_eq!(encode(bytes), text);
            }
        }

        #[test]
        fn short_texts_of_the_alphabet_decode_to_one_value(text in "[A-Za-z0-9_-]{0,9}") {
            if let Ok(bytes) = decode(&text) {
                assert_eq!(encode(bytes), text);
            }
        }
    }
}
