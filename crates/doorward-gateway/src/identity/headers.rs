//! Which identity headers an API gets: all of them, unless fewer are asked for.

/// A header field that says something of the proven caller.
///
/// [`ISSUER`](super::ISSUER) is not among them: without it the words of another issuer
/// would pass for ours, so it goes along whatever else is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// [`SUBJECT`](super::SUBJECT).
    Subject,
    /// [`TENANT`](super::TENANT).
    Tenant,
    /// [`ROLES`](super::ROLES).
    Roles,
    /// [`SESSION`](super::SESSION).
    Session,
}

/// Those that upstreams get. The default is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityHeaders(u8);

impl IdentityHeaders {
    /// Whether `header` is one of them.
    pub(crate) const fn contain(self, header: IdentityHeader) -> bool {
        self.0 & header.bit() != 0
    }
}

impl IdentityHeader {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        use IdentityHeader::{Roles, Session, Subject, Tenant};

        [Subject, Tenant, Roles, Session].into_iter().collect()
    }
}

impl FromIterator<IdentityHeader> for IdentityHeaders {
    fn from_iter<I: IntoIterator<Item = IdentityHeader>>(headers: I) -> Self {
        let bits = headers.into_iter().map(IdentityHeader::bit);
        Self(bits.fold(0, std::ops::BitOr::bitor))
    }
}
