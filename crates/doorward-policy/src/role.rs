//! Roles: named sets of permission patterns, with inheritance.
//!
//! Everything is resolved when the set is built: who inherits from whom is a
//! question of that moment, never of a request. Adding a role to a caller can
//! only add permissions; there is no way to write a role that takes one away
//! (property `adding_a_role_never_removes_a_permission`).
//!
//! Role names are compared byte for byte, so two that a person would read as
//! the same one are refused (tests `auz_017_*`).

mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::permission::{Permission, PermissionPattern};

/// Longest role name, in bytes.
pub const MAX_NAME_LENGTH: usize = 64;

/// Most roles on one line of inheritance.
pub const MAX_DEPTH: usize = 8;

/// Name of a role: ASCII letters, digits, `_`, `.` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, RoleNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() {
            return Err(RoleNameError::Empty);
        }
        if text.len() > MAX_NAME_LENGTH {
            return Err(RoleNameError::TooLong);
        }
        match text.chars().find(|c| !allowed(*c)) {
            Some(wrong) => Err(RoleNameError::Character(wrong)),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a role name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleNameError {
    /// Nothing there.
    #[error("a role name is empty")]
    Empty,
    /// Longer than [`MAX_NAME_LENGTH`].
    #[error("a role name is at most {MAX_NAME_LENGTH} bytes long")]
    TooLong,
    /// A character that names may not have. ASCII alone keeps out names that
    /// look like another one.
    #[error("a role name holds only ASCII letters, digits, `_`, `.` and `-`, not {0:?}")]
    Character(char),
}

/// A role as it was written, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSpec {
    /// Its name.
    pub name: RoleName,
    /// Roles whose permissions it has too.
    pub inherits: Vec<RoleName>,
    /// What it grants itself.
    pub permissions: Vec<PermissionPattern>,
}

/// A checked role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    name: RoleName,
    inherits: Vec<RoleName>,
    permissions: Vec<PermissionPattern>,
    effective: BTreeSet<PermissionPattern>,
}

impl Role {
    /// Its name.
    pub fn name(&self) -> &RoleName {
        &self.name
    }

    /// Its direct parents.
    pub fn inherits(&self) -> &[RoleName] {
        &self.inherits
    }

    /// What it grants itself, without its parents.
    pub fn permissions(&self) -> &[PermissionPattern] {
        &self.permissions
    }

    /// What it grants with everything inherited.
    pub fn effective(&self) -> &BTreeSet<PermissionPattern> {
        &self.effective
    }
}

/// All roles, checked: no cycle, no unknown parent, no two alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<RoleName, Role>);

impl Roles {
    /// Checks and compiles.
    ///
    /// # Errors
    ///
    /// Every problem of every role, at once, in the order of the specs.
    pub fn build(specs: Vec<RoleSpec>) -> Result<Self, Vec<RoleProblem>> {
        build::build(specs).map(Self)
    }

    /// The role of this name.
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.0.get(name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &RoleName> {
        self.0.keys()
    }

    /// Every role, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Role> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that holders of all these roles are granted. A name that is
    /// no role grants nothing.
    pub fn effective<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> BTreeSet<PermissionPattern> {
        names
            .into_iter()
            .filter_map(|name| self.get(name.as_ref()))
            .flat_map(|role| role.effective.iter().cloned())
            .collect()
    }

    /// The roles that would give `permission`, those that give least first.
    pub fn granting(&self, permission: &Permission) -> Vec<&RoleName> {
        let mut granting: Vec<&Role> = self
            .iter()
            .filter(|role| role.effective.iter().any(|p| p.covers(permission)))
            .collect();
        granting.sort_by_key(|role| {
            let wildcards = role.effective.iter().filter(|p| p.is_wildcard()).count();
            (wildcards, role.effective.len(), role.name())
        });
        granting.into_iter().map(Role::name).collect()
    }
}

/// Something wrong with one of the specs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("role {name}: {kind}")]
pub struct RoleProblem {
    /// Index of the spec.
    pub role: usize,
    /// Its name.
    pub name: RoleName,
    /// What is wrong.
    pub kind: RoleProblemKind,
}

/// What is wrong with a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleProblemKind {
    /// It inherits from a role that does not exist.
    #[error("inherits from `{name}`, which is no role")]
    UnknownParent {
        /// Index in `inherits`.
        parent: usize,
        /// The name given there.
        name: RoleName,
    },
    /// It inherits from itself.
    #[error("inherits from itself: {}", way(path))]
    Cycle {
        /// The way round, from this role back to it.
        path: Vec<RoleName>,
    },
    /// More than [`MAX_DEPTH`] roles on one line of inheritance.
    #[error("more than {MAX_DEPTH} roles inherit from each other in a line")]
    TooDeep,
    /// Its name is that of an earlier role, or reads like it.
    #[error("reads like the role `{name}`")]
    Alike {
        /// Index of the earlier one.
        earlier: usize,
        /// The name of the earlier one.
        name: RoleName,
    },
}

fn way(path: &[RoleName]) -> String {
    let names: Vec<&str> = path.iter().map(RoleName::as_str).collect();
    names.join(" -> ")
}

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, RoleNameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RoleName {
    type Error = RoleNameError;

    fn try_from(text: String) -> Result<Self, RoleNameError> {
        Self::parse(&text)
    }
}

impl From<RoleName> for String {
    fn from(name: RoleName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl AsRef<str> for RoleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for RoleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoleName({})", self.0)
    }
}

#[cfg(test)]
mod tests;
