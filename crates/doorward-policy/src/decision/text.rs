//! The texts of a record.
//!
//! A record is made for each request and read for few, so its texts are kept in
//! the cheapest way: a literal as what it is, a short one within the value
//! itself, and only a long one in memory of its own.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that never changes. It reads like a `str`.
///
/// ```
/// use doorward_policy::decision::Text;
///
/// let path = Text::copied("/orders/42");
/// assert!(path.starts_with("/orders"));
/// assert_eq!(path, "/orders/42");
/// ```
#[derive(Clone)]
pub struct Text(Kept);

/// Longest text that needs no memory of its own: the value is as large as a
/// `String` then.
const SHORT: usize = 22;

#[derive(Clone)]
enum Kept {
    Literal(&'static str),
    /// INVARIANT: the first bytes, so many as the number says, were a `str`.
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

impl Text {
    /// A copy of `text`; of a literal [`Text::from`] makes none.
    pub fn copied(text: &str) -> Self {
        Self::short(text).unwrap_or_else(|| Self(Kept::Long(text.into())))
    }

    fn short(text: &str) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self(Kept::Short(length, bytes)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Literal(text) => text,
            Kept::Short(..) => {
                std::str::from_utf8(self.as_bytes()).expect("it was copied from a str")
            }
            Kept::Long(text) => text,
        }
    }

    /// Its bytes, at no cost at all.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Literal(text) => text.as_bytes(),
            Kept::Short(length, bytes) => &bytes[..usize::from(*length)],
            Kept::Long(text) => text.as_bytes(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Kept::Literal(""))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self(Kept::Literal(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::short(&text).unwrap_or_else(|| Self(Kept::Long(text.into())))
    }
}

impl From<Cow<'static, str>> for Text {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        match text.0 {
            Kept::Long(text) => text.into(),
            _ => text.as_str().to_owned(),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::borrow::Cow;

    use super::{Kept, SHORT, Text};

    #[test]
    fn a_text_reads_the_same_however_it_is_kept() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 300] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(text.len(), length);
            let literal: &'static str = text.clone().leak();
            let copied = Text::copied(&text);
            assert_eq!(matches!(copied.0, Kept::Long(_)), length > SHORT);
            for kept in [
                copied,
                Text::from(text.clone()),
                Text::from(literal),
                Text::from(Cow::Borrowed(literal)),
            ] {
                assert_eq!((kept.as_str(), &*kept.clone()), (literal, literal));
                assert_eq!(kept, text.as_str());
                assert_eq!(format!("{kept}|{kept:?}"), format!("{text}|{text:?}"));
                let json = serde_json::to_string(&kept).unwrap();
                assert_eq!(json, serde_json::to_string(&text).unwrap());
                assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), kept);
                assert_ne!(kept, Text::copied(&format!("{text}.")));
                assert_eq!(String::from(kept), text);
            }
        }
    }
}
