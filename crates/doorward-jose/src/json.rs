//! Strict JSON (RFC 8259, with the restrictions of RFC 7493).
//!
//! A document has one reading or none: duplicate members are refused at any
//! depth and compared after unescaping, depth and size are bounded, the text is
//! valid UTF-8 without a byte order mark, nothing follows the value, and a
//! number that a double cannot hold exactly is refused rather than rounded.

pub(crate) mod scan;

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
pub use serde_json::Value;

/// The members of a JSON object, by name.
pub type Object = serde_json::Map<String, Value>;

/// Bounds on a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub max_bytes: usize,
    /// Objects and arrays inside one another; the outermost counts one.
    pub max_depth: usize,
}

impl Limits {
    /// A JOSE header: 2 KiB, 16 deep.
    pub const HEADER: Self = Self {
        max_bytes: 2 * 1024,
        max_depth: 16,
    };
    /// The claims of a token: 8 KiB, 64 deep.
    pub const CLAIMS: Self = Self {
        max_bytes: 8 * 1024,
        max_depth: 64,
    };
    /// A key set: 256 KiB, 16 deep.
    pub const KEY_SET: Self = Self {
        max_bytes: 256 * 1024,
        max_depth: 16,
    };
}

/// Why a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// More bytes than the limit.
    #[error("the JSON text is longer than the limit")]
    TooLarge,
    /// Not strict JSON: syntax, encoding, duplicate members, depth, or a
    /// number without an exact value.
    #[error("the text is not strict JSON")]
    Malformed,
    /// Strict JSON, but not an object.
    #[error("the JSON text is not an object")]
    NotAnObject,
}

/// Parses one JSON object.
///
/// ```
/// use doorward_jose::json::{Limits, parse_object};
///
/// let object = parse_object(br#"{"a":1}"#, Limits::HEADER)?;
/// assert_eq!(object["a"], 1);
/// assert!(parse_object(br#"{"a":1,"\u0061":2}"#, Limits::HEADER).is_err());
/// # Ok::<(), doorward_jose::json::JsonError>(())
/// ```
///
/// # Errors
///
/// [`JsonError`] when the text is longer or deeper than `limits`, is not
/// strict JSON, or is another value than an object.
pub fn parse_object(bytes: &[u8], limits: Limits) -> Result<Object, JsonError> {
    match strict_value(bytes, limits)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Parses one JSON value.
pub(crate) fn strict_value(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLarge);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = StrictValue {
        depth_left: limits.max_depth,
    }
    .deserialize(&mut deserializer)
    .map_err(|_| JsonError::Malformed)?;
    deserializer.end().map_err(|_| JsonError::Malformed)?;
    Ok(value)
}

/// Any value, strictly. Recursion is bounded by `depth_left`, and by
/// `serde_json`'s own limit of 128 should a caller ask for more.
#[derive(Clone, Copy)]
pub(crate) struct StrictValue {
    pub(crate) depth_left: usize,
}

impl StrictValue {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // From 2^53 on a double may stand for several integers: an integer
        // beyond 64 bits would arrive here rounded.
        if value.abs() >= 9_007_199_254_740_992.0 {
            return Err(E::custom("a number without an exact value"));
        }
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom("duplicate member"));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{JsonError, Limits, parse_object};

    fn refused(text: &str) -> JsonError {
        parse_object(text.as_bytes(), Limits::CLAIMS).expect_err(text)
    }

    #[test]
    fn par_001_duplicate_members_are_refused_at_any_depth_and_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"y":[{"a":1,"\u0061":2}]}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(refused(text), JsonError::Malformed, "{text}");
        }
    }

    #[test]
    fn par_008_depth_is_bounded_without_overflow() {
        let nested = |depth: usize| {
            format!(
                "{}{}{}",
                "{\"a\":".repeat(depth - 1),
                "{}",
                "}".repeat(depth - 1)
            )
        };
        assert!(parse_object(nested(64).as_bytes(), Limits::CLAIMS).is_ok());
        assert!(parse_object(nested(65).as_bytes(), Limits::CLAIMS).is_err());
        let deep = "[".repeat(100_000);
        for limits in [
            Limits {
                max_bytes: usize::MAX,
                max_depth: 64,
            },
            Limits {
                max_bytes: usize::MAX,
                max_depth: usize::MAX,
            },
        ] {
            assert!(parse_object(deep.as_bytes(), limits).is_err());
            assert!(parse_object(nested(10_000).as_bytes(), limits).is_err());
        }
    }

    #[test]
    fn par_009_par_011_only_one_utf8_json_value_is_read() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "{}\0",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":NaN}",
            "{\"a\":/**/1}",
            "{a:1}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1e400}",
            "{\"a\":\"\\x\"}",
        ] {
            assert_eq!(refused(text), JsonError::Malformed, "{text:?}");
        }
        let not_utf8: [&[u8]; 4] = [
            b"{\"a\":\"\xff\"}",
            b"{\"\xc0\xaf\":1}",
            b"{\0}\0",
            b"\xff\xfe{\0}\0",
        ];
        for bytes in not_utf8 {
            assert!(parse_object(bytes, Limits::CLAIMS).is_err());
        }
    }

    #[test]
    fn par_010_numbers_are_exact_or_refused() {
        let object = parse_object(b"{\"a\":9007199254740993,\"b\":1.5}", Limits::CLAIMS);
        let object = object.expect("exact numbers");
        assert_eq!(object["a"].as_u64(), Some(9_007_199_254_740_993));
        for number in [
            "18446744073709551616",
            "-9223372036854775809",
            "1e300",
            "9007199254740993.0",
        ] {
            assert_eq!(
                refused(&format!("{{\"a\":{number}}}")),
                JsonError::Malformed
            );
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_is() {
        let wanted = serde_json::json!({
            "yes": true,
            "no": false,
            "nothing": null,
            "below": -3,
            "least": i64::MIN,
            "half": -0.5,
            "escaped": "a\n\u{e9}\u{1f600}",
            "list": [true, null, -1, "", {}],
        });
        let read = parse_object(wanted.to_string().as_bytes(), Limits::CLAIMS);
        assert_eq!(read.map(serde_json::Value::Object), Ok(wanted));
        let escaped = br#"{"a":"\u00e9\ud83d\ude00\/"}"#;
        let read = parse_object(escaped, Limits::CLAIMS).expect("an object");
        assert_eq!(read["a"], "\u{e9}\u{1f600}/");
    }

    #[test]
    fn a_text_of_the_longest_length_is_read() {
        let longest = Limits {
            max_bytes: 7,
            max_depth: 1,
        };
        assert!(parse_object(b"{\"a\":1}", longest).is_ok());
        assert_eq!(
            parse_object(b"{\"a\":1} ", longest),
            Err(JsonError::TooLarge)
        );
    }

    #[test]
    fn other_values_than_objects_are_told_apart() {
        for text in ["[]", "\"a\"", "1", "null", "true"] {
            assert_eq!(refused(text), JsonError::NotAnObject, "{text}");
        }
        let long = Limits {
            max_bytes: 1,
            max_depth: 1,
        };
        assert_eq!(parse_object(b"{}", long), Err(JsonError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
            let _ = parse_object(&bytes, Limits::CLAIMS);
        }

        #[test]
        fn what_is_parsed_is_what_serde_json_reads(text in any::<String>()) {
            let text = serde_json::json!({ "t": text }).to_string();
            let object = parse_object(text.as_bytes(), Limits::CLAIMS).expect("an object");
            assert_eq!(serde_json::Value::Object(object).to_string(), text);
        }
    }
}
