//! What a caller may do: `resource:action`, and the patterns that grant it.
//!
//! A permission is what a route asks for, a pattern is what a role gives.
//! They are two types, so a wildcard can never be *asked* for and a check is
//! never made by comparing two strings. Wildcards stand for whole segments
//! only: `orders:*` covers `orders:read`, never `orders-archive:read`, and
//! `orders:re*` does not exist (tests `auz_012_*`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest permission or pattern, in bytes. Names travel in tokens, which are
/// bounded as a whole.
pub const MAX_LENGTH: usize = 128;

/// Most segments of one permission.
pub const MAX_SEGMENTS: usize = 8;

/// A named right, `resource:action`, with further segments for parts of a
/// resource: `orders:read`, `orders:items:delete`.
///
/// ```
/// use doorward_policy::permission::Permission;
///
/// let read: Permission = "orders:read".parse()?;
/// assert_eq!(read.as_str(), "orders:read");
/// assert!("orders".parse::<Permission>().is_err());
/// assert!("orders:*".parse::<Permission>().is_err());
/// # Ok::<(), doorward_policy::permission::PermissionError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Permission(Arc<str>);

impl Permission {
    /// Reads `resource:action`.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        check_size(text)?;
        if text.contains('*') {
            return Err(PermissionErrorKind::Wildcard.into());
        }
        check_segments(text)?;
        if !text.contains(':') {
            return Err(PermissionErrorKind::NoAction.into());
        }
        Ok(Self(text.into()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a role grants: one permission, or all below a prefix.
///
/// ```
/// use doorward_policy::permission::{Permission, PermissionPattern};
///
/// let all_orders: PermissionPattern = "orders:*".parse()?;
/// assert!(all_orders.covers(&"orders:read".parse()?));
/// assert!(!all_orders.covers(&"orders-archive:read".parse()?));
/// assert!("orders:re*".parse::<PermissionPattern>().is_err());
/// # Ok::<(), doorward_policy::permission::PermissionError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PermissionPattern(Arc<str>);

impl PermissionPattern {
    /// Reads a permission, `prefix:*` or `*`.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        check_size(text)?;
        if text == "*" {
            return Ok(Self(text.into()));
        }
        let Some(prefix) = text.strip_suffix(":*") else {
            return match Permission::parse(text) {
                Ok(permission) => Ok(permission.into()),
                Err(error) if error.kind() == PermissionErrorKind::Wildcard => {
                    Err(PermissionErrorKind::PartialWildcard.into())
                }
                Err(error) => Err(error),
            };
        };
        if prefix.contains('*') {
            return Err(PermissionErrorKind::PartialWildcard.into());
        }
        check_segments(prefix)?;
        Ok(Self(text.into()))
    }

    /// Whether this pattern grants `permission`.
    pub fn covers(&self, permission: &Permission) -> bool {
        match self.0.strip_suffix('*') {
            // The prefix keeps its colon, so only whole segments match; for
            // a bare `*` it is empty and everything does.
            Some(prefix) => permission.0.starts_with(prefix),
            None => self.0 == permission.0,
        }
    }

    /// Whether this pattern grants everything that `other` grants.
    pub fn includes(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => other.0.starts_with(prefix),
            None => self.0 == other.0,
        }
    }

    /// Whether it ends in a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.ends_with('*')
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_size(text: &str) -> Result<(), PermissionError> {
    match text.len() {
        0 => Err(PermissionErrorKind::Empty.into()),
        length if length > MAX_LENGTH => Err(PermissionErrorKind::TooLong.into()),
        _ => Ok(()),
    }
}

fn check_segments(text: &str) -> Result<(), PermissionError> {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    for (position, segment) in text.split(':').enumerate() {
        if position == MAX_SEGMENTS {
            return Err(PermissionErrorKind::TooManySegments.into());
        }
        if segment.is_empty() {
            return Err(PermissionErrorKind::EmptySegment.into());
        }
        if let Some(wrong) = segment.chars().find(|c| !allowed(*c)) {
            return Err(PermissionErrorKind::Character(wrong).into());
        }
    }
    Ok(())
}

/// The text is not a permission or a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PermissionError {
    kind: PermissionErrorKind,
}

impl PermissionError {
    /// Which rule was broken.
    pub const fn kind(self) -> PermissionErrorKind {
        self.kind
    }
}

impl From<PermissionErrorKind> for PermissionError {
    fn from(kind: PermissionErrorKind) -> Self {
        Self { kind }
    }
}

/// The rule that a permission or pattern breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionErrorKind {
    /// Nothing there.
    #[error("a permission is empty; write `resource:action`")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("a permission is at most {MAX_LENGTH} bytes long")]
    TooLong,
    /// No colon.
    #[error("a permission names a resource and an action, like `orders:read`")]
    NoAction,
    /// Two colons in a row, or one at an end.
    #[error("a permission has no empty segment; write `resource:action`")]
    EmptySegment,
    /// More than [`MAX_SEGMENTS`].
    #[error("a permission has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// A character that names may not have.
    #[error("a permission holds only a-z, 0-9, `_`, `.`, `-` and `:`, not {0:?}")]
    Character(char),
    /// A wildcard where one exact permission is wanted.
    #[error("a wildcard can be granted by a role, but not asked for; name one permission")]
    Wildcard,
    /// A wildcard that is not the whole last segment.
    #[error("a wildcard stands for whole last segments only, like `orders:*` or `*`")]
    PartialWildcard,
}

impl From<Permission> for PermissionPattern {
    fn from(permission: Permission) -> Self {
        Self(permission.0)
    }
}

macro_rules! textual {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = PermissionError;

            fn from_str(text: &str) -> Result<Self, PermissionError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PermissionError;

            fn try_from(text: String) -> Result<Self, PermissionError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

textual!(Permission);
textual!(PermissionPattern);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{Permission, PermissionErrorKind, PermissionPattern};

    fn covers(pattern: &str, permission: &str) -> bool {
        let pattern: PermissionPattern = pattern.parse().unwrap();
        pattern.covers(&permission.parse().unwrap())
    }

    #[test]
    fn auz_012_wildcards_cover_whole_segments_only() {
        assert!(covers("orders:*", "orders:read"));
        assert!(covers("orders:*", "orders:items:read"));
        assert!(covers("orders:items:*", "orders:items:read"));
        assert!(covers("*", "orders:read"));
        assert!(covers("read:*", "read:admin"), "an action of `read`");

        assert!(!covers("read:*", "reader:all"));
        assert!(!covers("read:*", "read-all:x"));
        assert!(!covers("orders:*", "orders-archive:read"));
        assert!(!covers("orders:items:*", "orders:read"));
        assert!(!covers("orders:items:*", "orders:items"));
    }

    #[test]
    fn auz_012_exact_names_cover_only_themselves() {
        assert!(covers("orders:read", "orders:read"));
        assert!(!covers("orders:read", "orders:read-all"));
        assert!(!covers("orders:read", "orders:read:all"));
        assert!(!covers("orders:read:all", "orders:read"));
    }

    #[test]
    fn auz_012_partial_wildcards_are_refused() {
        for partial in [
            "orders:re*",
            "ord*:read",
            "*:read",
            "orders:*:read",
            "**",
            "orders:**",
            "*:*",
        ] {
            assert_eq!(
                partial.parse::<PermissionPattern>().unwrap_err().kind(),
                PermissionErrorKind::PartialWildcard,
                "{partial}"
            );
        }
    }

    #[test]
    fn a_wildcard_cannot_be_asked_for() {
        for wildcard in ["*", "orders:*"] {
            assert_eq!(
                wildcard.parse::<Permission>().unwrap_err().kind(),
                PermissionErrorKind::Wildcard
            );
        }
    }

    #[test]
    fn names_are_refused_with_the_rule_they_break() {
        use PermissionErrorKind::{
            Character, Empty, EmptySegment, NoAction, TooLong, TooManySegments,
        };
        for (text, kind) in [
            ("", Empty),
            ("orders", NoAction),
            (":", EmptySegment),
            ("orders:", EmptySegment),
            (":read", EmptySegment),
            ("a::b", EmptySegment),
            ("Orders:read", Character('O')),
            ("orders:read ", Character(' ')),
            ("orders:r\u{435}ad", Character('\u{435}')),
            ("a:b:c:d:e:f:g:h:i", TooManySegments),
            (&format!("a:{}", "b".repeat(127)), TooLong),
        ] {
            assert_eq!(
                text.parse::<Permission>().unwrap_err().kind(),
                kind,
                "{text}"
            );
            assert_eq!(
                text.parse::<PermissionPattern>().unwrap_err().kind(),
                kind,
                "{text}"
            );
        }
    }

    #[test]
    fn the_longest_and_deepest_names_are_read() {
        let longest = format!("a:{}", "b".repeat(126));
        assert_eq!(longest.parse::<Permission>().unwrap().as_str(), longest);
        let deepest = "a:b:c:d:e:f:g:h";
        assert_eq!(deepest.parse::<Permission>().unwrap().as_str(), deepest);
    }

    #[test]
    fn a_pattern_knows_whether_it_is_one_permission() {
        let pattern = |text: &str| text.parse::<PermissionPattern>().unwrap();
        assert!(pattern("*").is_wildcard());
        assert!(pattern("orders:*").is_wildcard());
        assert!(!pattern("orders:read").is_wildcard());
        let read: Permission = "orders:read".parse().unwrap();
        assert_eq!(PermissionPattern::from(read), pattern("orders:read"));
    }

    #[test]
    fn survives_json_and_is_checked_when_read() {
        let read: Permission = "orders:read".parse().unwrap();
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(json, r#""orders:read""#);
        assert_eq!(serde_json::from_str::<Permission>(&json).unwrap(), read);
        assert!(serde_json::from_str::<Permission>(r#""orders:*""#).is_err());
    }

    proptest! {
        #[test]
        fn covering_is_segment_by_segment(
            pattern in "[a-c]{1,2}(:[a-c]{1,2}){1,2}(:\\*)?|[a-c]{1,2}:\\*|\\*",
            permission in "[a-c]{1,2}(:[a-c]{1,2}){1,3}",
        ) {
            let mut wanted = permission.split(':');
            let mut given = pattern.split(':');
            let expected = loop {
                match (given.next(), wanted.next()) {
                    (Some("*"), Some(_)) | (None, None) => break true,
                    (Some(one), Some(other)) if one == other => {}
                    _ => break false,
                }
            };
            prop_assert_eq!(covers(&pattern, &permission), expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}|[a-b:*]{0,8}") {
            if let Ok(pattern) = text.parse::<PermissionPattern>() {
                prop_assert_eq!(pattern.as_str(), text.as_str());
            }
            prop_assert!(text.parse::<Permission>().is_err() || text.parse::<PermissionPattern>().is_ok());
        }
    }
}
