//! `doorward role`: who holds which role in which tenant. What a role may do
//! is configuration.

use clap::Subcommand;
use doorward_policy::role::Roles;
use serde_json::json;

use super::{
    Place, Workplace, table,
    workplace::{role_hint, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Grant and revoke roles
#[derive(Debug, Subcommand)]
pub(super) enum Role {
    /// Give a user a role
    Grant {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
        /// Role, as the configuration names it
        role: String,
        /// Tenant in which it counts [default: the user's home tenant]
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Take a role from a user
    Revoke {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
        /// Role
        role: String,
        /// Tenant in which it counts [default: the user's home tenant]
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// List the roles of the configuration, or those of a user
    List {
        /// User name
        #[arg(value_name = "USER")]
        username: Option<String>,
    },
}

impl Role {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Grant {
                username,
                role,
                tenant,
            } => {
                known(&workplace.roles()?, &role)?;
                change(place, &workplace, &username, &role, tenant, true)
            }
            Self::Revoke {
                username,
                role,
                tenant,
            } => change(place, &workplace, &username, &role, tenant, false),
            Self::List {
                username: Some(username),
            } => list_of(place, &workplace, &username),
            Self::List { username: None } => {
                list(place, &workplace.roles()?);
                Ok(Answer::Yes)
            }
        }
    }
}

fn change(
    place: &Place,
    workplace: &Workplace,
    username: &str,
    role: &str,
    tenant: Option<String>,
    grant: bool,
) -> Result<Answer, Failure> {
    workplace.with_issuer(async |issuer| {
        let admin = issuer.admin();
        let tenant = match tenant {
            Some(tenant) => tenant,
            None => admin.user(username).await?.home_tenant.to_string(),
        };
        let (changed, verb, otherwise) = if grant {
            (
                admin.grant_role(username, &tenant, role).await?,
                "granted",
                "holds",
            )
        } else {
            (
                admin.revoke_role(username, &tenant, role).await?,
                "revoked",
                "does not hold",
            )
        };
        if !changed && !grant {
            // A role that is gone from the configuration can be taken away; one
            // that was never there is a slip of the pen.
            known(&workplace.roles()?, role)?;
        }
        if place.json {
            output::json(&json!({
                "changed": changed, "username": username, "tenant": tenant, "role": role,
            }));
        } else if changed {
            output::note(shown(format!(
                "{verb} {role}: {username} in tenant {tenant}"
            )));
        } else {
            output::note(shown(format!(
                "nothing changed: {username} {otherwise} {role} in tenant {tenant}"
            )));
        }
        Ok(Answer::Yes)
    })
}

fn list_of(place: &Place, workplace: &Workplace, username: &str) -> Result<Answer, Failure> {
    workplace.with_issuer(async |issuer| {
        let grants = issuer.admin().role_grants(username).await?;
        if place.json {
            let grant = |grant: &doorward_issuer::role_grant::RoleGrant| {
                json!({ "tenant": grant.tenant.as_str(), "role": grant.role, "known": grant.known })
            };
            output::json(&json!({ "grants": grants.iter().map(grant).collect::<Vec<_>>() }));
            return Ok(Answer::Yes);
        }
        let note = |known| if known { "" } else { "not in the configuration: gives nothing" };
        let row = |grant: &doorward_issuer::role_grant::RoleGrant| {
            [grant.tenant.to_string(), grant.role.clone(), note(grant.known).to_owned()]
        };
        let rows: Vec<_> = grants.iter().map(row).collect();
        table::print(["TENANT", "ROLE", ""], &rows, "no roles; grant one with `doorward role grant`");
        Ok(Answer::Yes)
    })
}

fn list(place: &Place, roles: &Roles) {
    let names = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
    if place.json {
        let role = |role: &doorward_policy::role::Role| {
            json!({
                "role": role.name().as_str(),
                "inherits": names(&mut role.inherits().iter().map(ToString::to_string)),
                "permissions": names(&mut role.effective().iter().map(ToString::to_string)),
            })
        };
        output::json(&json!({ "roles": roles.iter().map(role).collect::<Vec<_>>() }));
        return;
    }
    let row = |role: &doorward_policy::role::Role| {
        [
            role.name().to_string(),
            names(&mut role.inherits().iter().map(ToString::to_string)).join(", "),
            names(&mut role.effective().iter().map(ToString::to_string)).join(", "),
        ]
    };
    let rows: Vec<_> = roles.iter().map(row).collect();
    table::print(
        ["ROLE", "INHERITS", "PERMISSIONS"],
        &rows,
        "no roles; define them in the configuration, for example\n\n  [roles.reader]\n  permissions = [\"orders:read\"]",
    );
}

/// Whether the configuration has `role`; otherwise what it may have meant.
pub(super) fn known(roles: &Roles, role: &str) -> Result<(), Failure> {
    if roles.get(role).is_some() {
        return Ok(());
    }
    let names: Vec<_> = roles.names().map(ToString::to_string).collect();
    Err(
        Failure::usage(format!("the configuration has no role `{role}`"))
            .hint(role_hint(role, &names)),
    )
}
