//! Roles: those of the configuration, and who holds them.

use doorward_policy::decision::Reason;

use super::{
    call::{Call, Said},
    shape::answer,
    users::found,
};
use crate::{http::error::Refusal, tenant::TenantName};

answer! {
    /// A role that a user holds.
    Grant {
        /// Where
        tenant: String,
        /// Which
        role: String,
        /// Milliseconds since 1970
        granted_at_ms: u64,
        /// Whether the configuration has the role; else it gives nothing
        known: bool,
    }
}

answer! {
    /// Roles of a user.
    Grants {
        /// In the order of tenant and role
        items: Vec<Grant>,
    }
}

answer! {
    /// A role of the configuration.
    Role {
        /// Its name
        name: String,
        /// Roles whose permissions it has too
        inherits: Vec<String>,
        /// What it grants, with what it inherits
        permissions: Vec<String>,
    }
}

answer! {
    /// The roles of the configuration.
    Roles {
        /// In the order of their names
        items: Vec<Role>,
    }
}

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    let grants = call.admin().role_grants(user.username.as_str()).await?;
    let reached = grants
        .into_iter()
        .filter(|grant| call.administrator.reaches(&grant.tenant).is_ok());
    let items = reached.map(|grant| Grant {
        tenant: grant.tenant.to_string(),
        role: grant.role,
        granted_at_ms: grant.granted_at_ms,
        known: grant.known,
    });
    Said::ok(&Grants {
        items: items.collect(),
    })
}

pub(super) async fn create(call: Call) -> Result<Said, Refusal> {
    let (username, tenant) = place(&call).await?;
    let role = call.path("role");
    let roles = call.issuer.roles();
    if let Some(role) = roles.get(role) {
        call.administrator.may_give(role.effective())?;
    }
    call.admin().grant_role(&username, &tenant, role).await?;
    Ok(Said::nothing())
}

pub(super) async fn delete(call: Call) -> Result<Said, Refusal> {
    let (username, tenant) = place(&call).await?;
    let role = call.path("role");
    // Who may not give a role does not take it from whoever holds it.
    let roles = call.issuer.roles();
    if let Some(role) = roles.get(role) {
        call.administrator.may_give(role.effective())?;
    }
    call.admin().revoke_role(&username, &tenant, role).await?;
    Ok(Said::nothing())
}

pub(super) async fn roles(call: Call) -> Result<Said, Refusal> {
    let roles = call.issuer.roles();
    let items = roles.iter().map(|role| Role {
        name: role.name().to_string(),
        inherits: role.inherits().iter().map(ToString::to_string).collect(),
        permissions: role.effective().iter().map(ToString::to_string).collect(),
    });
    Said::ok(&Roles {
        items: items.collect(),
    })
}

/// User and tenant of the path, if the caller reaches both.
async fn place(call: &Call) -> Result<(String, String), Refusal> {
    let (user, _) = found(call).await?;
    let tenant = TenantName::parse(call.path("tenant"));
    let tenant = tenant.map_err(|_| Refusal::new(Reason::NotFound))?;
    call.administrator.reaches(&tenant)?;
    Ok((user.username.to_string(), tenant.to_string()))
}
