//! What of a foreign issuer's token counts here.
//!
//! Our own issuer's tokens say what their bearer may do in claims whose meaning
//! is ours. Another issuer may use the same names for something else, or let
//! people choose what stands in them. So nothing of a mapped issuer's token
//! grants anything but what a [`ClaimMapping`] names; the rest proves who, and
//! not what.

use std::collections::BTreeMap;

use doorward_jose::{
    claims::Claims,
    json::{Object, Value},
};
use doorward_policy::permission::{Permission, PermissionPattern};

/// Which claims grant something, and what.
///
/// A claim is named as it is written at the top of the token, or, from a slash
/// on, as a JSON pointer into it (RFC 6901): `/realm_access/roles`. Its value is
/// an array of strings, or one string of names between blanks, as `scope` is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimMapping {
    permissions: Option<String>,
    roles: Option<(String, Granted)>,
    tenant: Option<String>,
    compared: Vec<String>,
}

/// What each role grants.
pub type Granted = BTreeMap<String, Vec<PermissionPattern>>;

/// What a token grants under a mapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapped {
    pub(crate) permissions: Vec<PermissionPattern>,
    pub(crate) roles: Vec<String>,
    pub(crate) tenant: Option<String>,
}

impl ClaimMapping {
    /// The token proves who, and grants nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Names in `claim` that are whole permissions are held. A wildcard is not
    /// one: another issuer's `*` must not mean everything here.
    #[must_use]
    pub fn permissions_in(mut self, claim: impl Into<String>) -> Self {
        self.permissions = Some(claim.into());
        self
    }

    /// Names in `claim` that are roles in `granted` are held, with what they
    /// grant; other names are nothing.
    #[must_use]
    pub fn roles_in(mut self, claim: impl Into<String>, granted: Granted) -> Self {
        self.roles = Some((claim.into(), granted));
        self
    }

    /// `claim`, a string, is the caller's tenant.
    #[must_use]
    pub fn tenant_in(mut self, claim: impl Into<String>) -> Self {
        self.tenant = Some(claim.into());
        self
    }

    /// `claims`, by the names that routes use for them, may be compared with
    /// parts of a path. No other is, besides `iss` and the tenant: a path that
    /// names a user of ours is not open to another issuer's user of that name.
    #[must_use]
    pub fn compared(mut self, claims: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.compared.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Whether a route may ask for `claim`.
    pub(crate) fn compares(&self, claim: &str) -> bool {
        matches!(claim, "iss" | "tenant") || self.compared.iter().any(|one| one == claim)
    }

    pub(crate) fn read(&self, claims: &Claims) -> Mapped {
        let mut mapped = Mapped::default();
        if let Some(claim) = &self.permissions {
            let whole = |name: &String| Permission::parse(name).is_ok();
            let names = names(claims, claim).into_iter().filter(whole);
            let held = names.filter_map(|name| PermissionPattern::parse(&name).ok());
            mapped.permissions.extend(held);
        }
        if let Some((claim, granted)) = &self.roles {
            for name in names(claims, claim) {
                if let Some(permissions) = granted.get(&name) {
                    mapped.permissions.extend(permissions.iter().cloned());
                    mapped.roles.push(name);
                }
            }
        }
        mapped.tenant = self.tenant.as_deref().and_then(|claim| {
            let tenant = value(claims, claim)?;
            tenant.as_str().map(str::to_owned)
        });
        mapped
    }
}

/// The strings of a claim.
fn names(claims: &Claims, claim: &str) -> Vec<String> {
    match value(claims, claim) {
        Some(Value::String(text)) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => {
            let texts = items.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn value(claims: &Claims, claim: &str) -> Option<Value> {
    let Some(pointer) = claim.strip_prefix('/') else {
        return registered(claims, claim).or_else(|| claims.others().get(claim).cloned());
    };
    let (first, rest) = pointer
        .find('/')
        .map_or((pointer, ""), |at| pointer.split_at(at));
    let top: &Object = claims.others();
    let top = top.get(&first.replace("~1", "/").replace("~0", "~"))?;
    top.pointer(rest).cloned()
}

/// Claims that have a type of their own, and so are not among the others.
fn registered(claims: &Claims, claim: &str) -> Option<Value> {
    match claim {
        "scope" => claims.scope().map(Value::from),
        "roles" => Some(claims.roles().into()),
        "permissions" => Some(claims.permissions().into()),
        "tenant" => claims.tenant().map(Value::from),
        "client_id" => claims.client_id().map(Value::from),
        _ => None,
    }
}
