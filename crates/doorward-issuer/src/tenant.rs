//! Tenants: the walls between the customers of one installation.

/// Name of a tenant: 1 to 63 of `a-z 0-9 -`, so that it fits a host name and
/// a path segment unescaped. Not lower-cased: `ACME` is refused, not `acme`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(String);

/// The text is not a tenant name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tenant name has 1 to 63 characters out of a-z, 0-9 and -")]
pub struct TenantNameError;

impl TenantName {
    /// Longest tenant name.
    pub const MAX_LENGTH: usize = 63;

    /// Reads a tenant name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, TenantNameError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TenantNameError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TenantName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantName,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::TenantName;

    #[test]
    fn names_fit_a_host_name_and_a_path() {
        assert!(TenantName::parse("acme-2").is_ok());
        for text in ["", "ACME", "a/b", "a.b", "a b", "ä", &"a".repeat(64)] {
            assert!(TenantName::parse(text).is_err(), "{text:?}");
        }
    }
}
