//! Attributes of users: what routes and policies may ask about besides roles,
//! such as a department, an office or a level.
//!
//! They are there to be put into access tokens ([`TokenClaims`]), which others
//! read, log and keep. So what must not be in a token cannot be an attribute
//! either: [`linter`] refuses known kinds of personal data and of secrets, by
//! the name when it is configured or set, and by the look of the value when it
//! is set.
//!
//! Not here: where they are stored (`store`), and who changes them (`admin`).

mod claims;
pub mod linter;

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use claims::{ClaimName, ClaimNameError, TokenClaims};
use linter::{Finding, Look};

/// Most attributes of one user.
pub const MAX_ATTRIBUTES: usize = 32;

/// Longest name of an attribute, in characters.
pub const MAX_NAME: usize = 32;

/// Longest text, in bytes.
pub const MAX_TEXT: usize = 256;

/// Largest number: what every JSON parser reads exactly (RFC 8259 section 6).
pub const MAX_NUMBER: i64 = (1 << 53) - 1;

/// The name of an attribute: 1 to 32 of `a-z 0-9 _`, a letter first, and of no
/// known kind of personal data or secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AttributeName(String);

/// Not the name of an attribute. What was given is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeNameError {
    /// Its characters.
    #[error("an attribute is named with 1 to {MAX_NAME} of a-z, 0-9 and _, a letter first")]
    Characters,
    /// What it says that it holds.
    #[error("an attribute must not hold {0}: attributes are for tokens, which others read")]
    Kind(Finding),
}

impl AttributeName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`AttributeNameError`].
    pub fn parse(text: &str) -> Result<Self, AttributeNameError> {
        // First, because `userEmail` and `user-email` deserve the better answer.
        match linter::name(text) {
            Some(finding) => Err(AttributeNameError::Kind(finding)),
            None => Self::to_be_removed(text),
        }
    }

    /// Also one of a kind that was not known when it was set.
    fn to_be_removed(text: &str) -> Result<Self, AttributeNameError> {
        match is_plain(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(AttributeNameError::Characters),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AttributeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The characters of names of attributes and of claims.
fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_NAME).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(allowed)
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// 1 to 256 bytes without control characters and what else is not seen.
    Text(String),
    /// Between plus and minus [`MAX_NUMBER`].
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
}

/// Not the value of an attribute. What was given is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeValueError {
    /// An object, a list, null or a fraction.
    #[error("the value of an attribute is a text, a whole number, true or false")]
    Kind,
    /// An empty or long text, or one with characters that are not seen.
    #[error(
        "the text of an attribute has 1 to {MAX_TEXT} bytes, without control characters and what \
             else is not seen"
    )]
    Text,
    /// A number that not everybody reads.
    #[error("the number of an attribute is at most {MAX_NUMBER}, which every JSON parser reads")]
    Number,
    /// What must not be in a token.
    #[error("the value looks like {0}, which no token may hold")]
    Look(Look),
}

impl AttributeValue {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`AttributeValueError`].
    pub fn read(value: &Value) -> Result<Self, AttributeValueError> {
        match value {
            Value::Bool(flag) => Ok(Self::Flag(*flag)),
            Value::Number(number) => {
                let number = number.as_i64().ok_or(AttributeValueError::Kind)?;
                if !(-MAX_NUMBER..=MAX_NUMBER).contains(&number) {
                    return Err(AttributeValueError::Number);
                }
                unsuspicious(&number.to_string())?;
                Ok(Self::Number(number))
            }
            Value::String(text) => {
                let fits = (1..=MAX_TEXT).contains(&text.len());
                if !fits || text.contains(linter::is_unseen) {
                    return Err(AttributeValueError::Text);
                }
                unsuspicious(text)?;
                Ok(Self::Text(text.clone()))
            }
            Value::Null | Value::Array(_) | Value::Object(_) => Err(AttributeValueError::Kind),
        }
    }

    /// As it stands in a token.
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
        }
    }
}

impl std::fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

fn unsuspicious(text: &str) -> Result<(), AttributeValueError> {
    linter::value(text).map_or(Ok(()), |look| Err(AttributeValueError::Look(look)))
}

/// What is wrong with attributes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// A name.
    #[error(transparent)]
    Name(#[from] AttributeNameError),
    /// A value.
    #[error("attribute {name}: {error}")]
    Value {
        /// Whose value.
        name: AttributeName,
        /// What is wrong with it.
        error: AttributeValueError,
    },
    /// Too many.
    #[error("a user has at most {MAX_ATTRIBUTES} attributes")]
    TooMany,
    /// Two changes of one attribute.
    #[error("attribute {0} is given twice")]
    Twice(AttributeName),
}

/// The attributes of a user, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<AttributeName, AttributeValue>);

impl Attributes {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &AttributeValue)> {
        self.0.iter()
    }

    /// The value of one.
    pub fn get(&self, name: &AttributeName) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// Reads back what [`to_text`](Self::to_text) wrote. What the linter has
    /// learned since does not make a row unreadable: names are looked at once
    /// more where a token is to hold them.
    pub(crate) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        let stored: BTreeMap<String, AttributeValue> = serde_json::from_str(text)?;
        let named = stored.into_iter();
        let named = named.map(|(name, value)| (AttributeName(name), value));
        Ok(Self(named.collect()))
    }

    /// As JSON values by name.
    pub(crate) fn to_json(&self) -> BTreeMap<String, Value> {
        let all = self.0.iter();
        let all = all.map(|(name, value)| (name.to_string(), value.to_json()));
        all.collect()
    }

    /// As JSON, for the store.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("INVARIANT: texts, numbers and flags by names")
    }

    /// These with `changes` made.
    ///
    /// # Errors
    ///
    /// [`AttributeError::TooMany`].
    pub fn with(&self, changes: &AttributeChanges) -> Result<Self, AttributeError> {
        let mut changed = self.0.clone();
        for (name, value) in &changes.0 {
            match value {
                Some(value) => changed.insert(name.clone(), value.clone()),
                None => changed.remove(name),
            };
        }
        match changed.len() <= MAX_ATTRIBUTES {
            true => Ok(Self(changed)),
            false => Err(AttributeError::TooMany),
        }
    }
}

/// Attributes to be set, and to be taken away: RFC 7396, one level deep. Others
/// stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AttributeChanges(BTreeMap<AttributeName, Option<AttributeValue>>);

impl AttributeChanges {
    /// One change of an attribute that has none yet; `null` takes it away.
    ///
    /// # Errors
    ///
    /// [`AttributeError`].
    pub fn add(&mut self, name: &str, value: &Value) -> Result<(), AttributeError> {
        let (name, value) = if value.is_null() {
            (AttributeName::to_be_removed(name)?, None)
        } else {
            let name = AttributeName::parse(name)?;
            match AttributeValue::read(value) {
                Ok(value) => (name, Some(value)),
                Err(error) => return Err(AttributeError::Value { name, error }),
            }
        };
        match self.0.entry(name) {
            Entry::Occupied(given) => Err(AttributeError::Twice(given.key().clone())),
            Entry::Vacant(free) => {
                free.insert(value);
                Ok(())
            }
        }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
