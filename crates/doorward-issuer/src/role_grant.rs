//! Roles of a user in a tenant.
//!
//! A grant names a role; what the role may do is configuration. A role that
//! the configuration no longer has gives nothing and is not put into tokens,
//! but the grant stays, so that a configuration mistake takes nothing away
//! for good.

use crate::tenant::TenantName;

/// One role that a user holds in one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleGrant {
    /// Where.
    pub tenant: TenantName,
    /// Which role.
    pub role: String,
    /// Since when, milliseconds since 1970 UTC.
    pub granted_at_ms: u64,
    /// Whether the configuration has the role.
    pub known: bool,
}

/// The configuration has no such role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {role:?} in the configuration")]
pub struct UnknownRole {
    /// What was asked for.
    pub role: String,
    /// Every role there is, for a suggestion.
    pub known: Vec<String>,
}
