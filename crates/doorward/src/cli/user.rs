//! `doorward user`: accounts.

use clap::{Args, Subcommand};
use doorward_issuer::{
    Issuer,
    admin::{NewUser, Page},
    password::Password,
    user::User as Account,
};
use serde_json::json;

use super::{
    Place, Workplace,
    secret::PasswordSource,
    table,
    workplace::{CommandError, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Manage users
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; the password comes from a prompt, a file or standard input
    Add(Add),
    /// List users
    List,
    /// Refuse a user everywhere, and end every session
    Disable {
        /// User name
        username: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// User name
        username: String,
    },
    /// Set a user's password, and end every session
    Password {
        /// User name
        username: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

/// Add a user
#[derive(Debug, Args)]
pub(super) struct Add {
    /// User name: letters, digits and . _ @ + -
    username: String,
    /// Home tenant, which is made if it is not there
    #[arg(long, value_name = "TENANT", default_value = "default")]
    tenant: String,
    /// Role to grant in that tenant; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    password: PasswordSource,
}

impl User {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Add(add) => add.run(place, &workplace),
            Self::List => workplace.with_issuer(async |issuer| list(place, &issuer).await),
            Self::Disable { username } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().disable_user(&username).await?;
                Ok(told(
                    place,
                    changed,
                    &format!("disabled {username}"),
                    "was disabled already",
                ))
            }),
            Self::Enable { username } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().enable_user(&username).await?;
                Ok(told(
                    place,
                    changed,
                    &format!("enabled {username}"),
                    "was enabled already",
                ))
            }),
            Self::Password { username, password } => {
                let password = typed(&password)?;
                workplace.with_issuer(async |issuer| {
                    issuer.admin().set_password(&username, password).await?;
                    let done = format!("set the password of {username}, and ended every session");
                    Ok(told(place, true, &done, ""))
                })
            }
        }
    }
}

impl Add {
    fn run(self, place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
        let roles = workplace.roles()?;
        for role in &self.roles {
            super::role::known(&roles, role)?;
        }
        let password = typed(&self.password)?;
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            let tenants = admin.tenants().await?;
            if !tenants
                .iter()
                .any(|tenant| tenant.name.as_str() == self.tenant)
            {
                admin.add_tenant(&self.tenant).await?;
            }
            let user = admin
                .add_user(NewUser {
                    username: self.username,
                    tenant: self.tenant,
                    password,
                })
                .await?;
            for role in &self.roles {
                admin
                    .grant_role(user.username.as_str(), user.home_tenant.as_str(), role)
                    .await?;
            }
            if place.json {
                output::json(&json!({ "user": as_json(&user), "roles": self.roles }));
            } else {
                output::note(format!(
                    "added {} in tenant {}",
                    user.username, user.home_tenant
                ));
            }
            Ok(Answer::Yes)
        })
    }
}

async fn list(place: &Place, issuer: &Issuer) -> Result<Answer, CommandError> {
    let mut users: Vec<Account> = Vec::new();
    loop {
        let after = users.last().map(|user| user.username.to_string());
        let page = issuer.admin().users(Page { after, limit: None }).await?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    if place.json {
        output::json(&json!({ "users": users.iter().map(as_json).collect::<Vec<_>>() }));
        return Ok(Answer::Yes);
    }
    let row = |user: &Account| {
        let state = if user.disabled_at_ms.is_some() {
            "disabled"
        } else {
            "active"
        };
        [
            user.username.to_string(),
            user.home_tenant.to_string(),
            state.to_owned(),
            user.id.to_string(),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table::print(
        ["USER", "TENANT", "STATE", "ID"],
        &rows,
        "no users; add one with `doorward user add NAME`",
    );
    Ok(Answer::Yes)
}

fn as_json(user: &Account) -> serde_json::Value {
    json!({
        "id": user.id.as_str(),
        "username": user.username.as_str(),
        "tenant": user.home_tenant.as_str(),
        "disabled": user.disabled_at_ms.is_some(),
        "created_at_ms": user.created_at_ms,
    })
}

fn told(place: &Place, changed: bool, done: &str, otherwise: &str) -> Answer {
    if place.json {
        output::json(&json!({ "changed": changed }));
    } else {
        output::note(shown(if changed { done } else { otherwise }));
    }
    Answer::Yes
}

fn typed(source: &PasswordSource) -> Result<Password, Failure> {
    Password::new(source.read(true)?).map_err(|error| Failure::usage(error.to_string()))
}
