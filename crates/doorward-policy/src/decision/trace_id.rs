//! The id that names one request everywhere (W3C Trace Context `trace-id`).

use serde::{Deserialize, Serialize};

/// 16 bytes, written as 32 lower-case hexadecimal digits, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// From random bytes. All zero is not a valid id and becomes one.
    pub const fn from_bytes(mut bytes: [u8; 16]) -> Self {
        if u128::from_be_bytes(bytes) == 0 {
            bytes[15] = 1;
        }
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The digits, without the formatter: every request is named three times.
    pub fn digits(&self) -> [u8; 32] {
        let mut digits = [0; 32];
        let (pairs, _) = digits.as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = PAIRS[usize::from(byte)];
        }
        digits
    }
}

/// The two digits of each byte.
static PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The text is not 32 lower-case hexadecimal digits, or is all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 32 lower-case hexadecimal digits and not all zero")]
pub struct ParseTraceIdError;

impl std::str::FromStr for TraceId {
    type Err = ParseTraceIdError;

    fn from_str(text: &str) -> Result<Self, ParseTraceIdError> {
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(ParseTraceIdError);
        }
        match u128::from_str_radix(text, 16) {
            Ok(value) if value != 0 => Ok(Self(value.to_be_bytes())),
            _ => Err(ParseTraceIdError),
        }
    }
}

impl From<TraceId> for String {
    fn from(id: TraceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TraceId {
    type Error = ParseTraceIdError;

    fn try_from(text: String) -> Result<Self, ParseTraceIdError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::TraceId;

    #[test]
    fn round_trips_and_refuses_anything_else() {
        let id = TraceId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().as_bytes(), id.digits());
        for bad in ["", "0", &"0".repeat(32), &"g".repeat(32), &"A".repeat(32)] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad} was accepted");
        }
        assert_ne!(TraceId::from_bytes([0; 16]).as_bytes(), &[0; 16]);
    }

    /// W3C Trace Context, 3.2.2.3: 32 lower-case digits, never all zero.
    #[test]
    fn bytes_and_text_name_the_same_request() {
        let bytes = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
        let id = TraceId::from_bytes(bytes);
        assert_eq!(id.as_bytes(), &bytes);
        let text = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(
            (id.to_string(), format!("{id:?}")),
            (text.into(), text.into())
        );
        assert_eq!(String::from(id), text);
        assert_eq!(TraceId::try_from(text.to_owned()), Ok(id));
        assert!(TraceId::try_from("0".repeat(32)).is_err());
        assert!(format!("{text}0").parse::<TraceId>().is_err());
        assert!(text[1..].parse::<TraceId>().is_err());
    }
}
