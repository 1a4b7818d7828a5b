//! Administration.

use crate::{
    access_token::MintedToken,
    audit::Actor,
    error::AdminError,
    issuer::Issuer,
    password::Password,
    role_grant::RoleGrant,
    tenant::Tenant,
    user::User,
};

/// Changes to tenants, users and roles. Each is one transaction with its
/// audit entry, and works with or without a running server.
#[derive(Clone)]
pub struct Admin {
    issuer: Issuer,
    actor: Actor,
}

/// A user to be made.
pub struct NewUser {
    /// What the user types.
    pub username: String,
    /// Where the user belongs.
    pub tenant: String,
    /// What the user signs in with.
    pub password: Password,
}

/// A part of a long list, in order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Begin after this one.
    pub after: Option<String>,
    /// At most this many; capped at 1000.
    pub limit: Option<u32>,
}

impl Issuer {
    /// Administration as the operator of this machine.
    pub fn admin(&self) -> Admin {
        todo!()
    }
}

impl Admin {
    /// The same, in the name of `actor`.
    #[must_use]
    pub fn acting_as(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// Every tenant, by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, AdminError> {
        todo!()
    }

    /// Makes a tenant.
    pub async fn add_tenant(&self, name: &str) -> Result<Tenant, AdminError> {
        let _ = name;
        todo!()
    }

    /// Users by name.
    pub async fn users(&self, page: Page) -> Result<Vec<User>, AdminError> {
        let _ = page;
        todo!()
    }

    /// One user.
    pub async fn user(&self, username: &str) -> Result<User, AdminError> {
        let _ = username;
        todo!()
    }

    /// Makes a user.
    pub async fn add_user(&self, new: NewUser) -> Result<User, AdminError> {
        let _ = new;
        todo!()
    }

    /// Disables a user: refused in every flow, sessions ended, access tokens
    /// refused. `false` if it was so already.
    pub async fn disable_user(&self, username: &str) -> Result<bool, AdminError> {
        let _ = username;
        todo!()
    }

    /// Lets a disabled user sign in again. `false` if it was so already.
    pub async fn enable_user(&self, username: &str) -> Result<bool, AdminError> {
        let _ = username;
        todo!()
    }

    /// Sets a password and ends the user's sessions.
    pub async fn set_password(&self, username: &str, password: Password) -> Result<(), AdminError> {
        let _ = (username, password);
        todo!()
    }

    /// Gives a role. Takes effect on the next refresh, which is forced.
    /// `false` if it was so already.
    pub async fn grant_role(
        &self,
        username: &str,
        tenant: &str,
        role: &str,
    ) -> Result<bool, AdminError> {
        let _ = (username, tenant, role);
        todo!()
    }

    /// Takes a role away: old access tokens are refused at once. `false` if
    /// it was so already.
    pub async fn revoke_role(
        &self,
        username: &str,
        tenant: &str,
        role: &str,
    ) -> Result<bool, AdminError> {
        let _ = (username, tenant, role);
        todo!()
    }

    /// The roles of a user, by tenant and name.
    pub async fn role_grants(&self, username: &str) -> Result<Vec<RoleGrant>, AdminError> {
        let _ = username;
        todo!()
    }

    /// Ends every session of a user and every access token ("log out
    /// everywhere"). Returns how many sessions were alive.
    pub async fn end_sessions(&self, username: &str) -> Result<u64, AdminError> {
        let _ = username;
        todo!()
    }

    /// Makes an access token for a user without a session. `tenant` is the
    /// home tenant if absent.
    pub async fn mint_access_token(
        &self,
        username: &str,
        tenant: Option<&str>,
    ) -> Result<MintedToken, AdminError> {
        let _ = (username, tenant);
        todo!()
    }
}
