//! `doorward role`: who holds which role in which tenant. What a role may do
//! is configuration.

use clap::{Args, Subcommand};
use doorward_issuer::{AdminError, admin::Admin};
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
    Grant(Assignment),
    /// Take a role from a user
    Revoke(Assignment),
    /// List the roles of the configuration, or those of a user
    List {
        /// User name
        #[arg(value_name = "USER")]
        username: Option<String>,
    },
}

/// Who has which role where.
#[derive(Debug, Args)]
pub(super) struct Assignment {
    /// User name
    #[arg(value_name = "USER")]
    username: String,
    /// Role, as the configuration names it
    role: String,
    /// Tenant in which it counts [default: the user's home tenant]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

impl Role {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Grant(assignment) => assignment.grant(place, &workplace),
            Self::Revoke(assignment) => assignment.revoke(place, &workplace),
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

impl Assignment {
    fn grant(self, place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
        known(&workplace.roles()?, &self.role)?;
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            let tenant = self.tenant(&admin).await?;
            let changed = admin
                .grant_role(&self.username, &tenant, &self.role)
                .await?;
            Ok(self.told(place, &tenant, changed, ["granted", "holds"]))
        })
    }

    fn revoke(self, place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            let tenant = self.tenant(&admin).await?;
            let changed = admin
                .revoke_role(&self.username, &tenant, &self.role)
                .await?;
            if !changed {
                // A role that is gone from the configuration can be taken
                // away; one that was never there is a slip of the pen.
                known(&workplace.roles()?, &self.role)?;
            }
            Ok(self.told(place, &tenant, changed, ["revoked", "does not hold"]))
        })
    }

    /// The tenant that is meant.
    async fn tenant(&self, admin: &Admin) -> Result<String, AdminError> {
        match &self.tenant {
            Some(tenant) => Ok(tenant.clone()),
            None => Ok(admin.user(&self.username).await?.home_tenant.to_string()),
        }
    }

    fn told(&self, place: &Place, tenant: &str, changed: bool, words: [&str; 2]) -> Answer {
        let Self { username, role, .. } = self;
        let [done, otherwise] = words;
        if place.json {
            output::json(&json!({
                "changed": changed, "username": username, "tenant": tenant, "role": role,
            }));
        } else if changed {
            output::note(shown(format!(
                "{done} {role}: {username} in tenant {tenant}"
            )));
        } else {
            output::note(shown(format!(
                "nothing changed: {username} {otherwise} {role} in tenant {tenant}"
            )));
        }
        Answer::Yes
    }
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
