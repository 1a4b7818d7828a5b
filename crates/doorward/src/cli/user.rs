//! `doorward user`: accounts.

mod attributes;

use clap::{Args, Subcommand};
use doorward_issuer::{
    AdminError, Issuer,
    admin::{NewUser, Page},
    password::{NewPassword, Password},
    tenant::TenantName,
    user::{User as Account, Username},
};
use serde_json::json;

use super::{
    Place, Workplace,
    secret::PasswordSource,
    table,
    workplace::{CommandError, shown, weak_password},
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
    Set(attributes::Set),
    /// List users
    List,
    /// Refuse a user everywhere, and end every session
    Disable {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
    },
    /// Set a user's password, and end every session
    Password {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Print a token with which a user sets a new password, once and within 15 minutes
    Reset {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
    },
    /// Take away a user's second factor, and end every session
    ResetSecondFactor {
        /// User name
        #[arg(value_name = "USER")]
        username: String,
    },
}

/// How long a reset token is good, seconds.
const RESET_LIFETIME: u64 = 15 * 60;

/// Add a user
#[derive(Debug, Args)]
pub(super) struct Add {
    /// User name: letters, digits and . _ @ + -
    #[arg(value_name = "USER")]
    username: String,
    /// Home tenant, which is made if it is not there
    #[arg(long, value_name = "TENANT", default_value = "default")]
    tenant: String,
    /// Role to grant in that tenant; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    given: attributes::Given,
    #[command(flatten)]
    password: PasswordSource,
}

impl User {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Add(add) => add.run(place, &workplace),
            Self::Set(set) => {
                workplace.with_issuer(async |issuer| set.run_on(place, &issuer).await)
            }
            Self::List => workplace.with_issuer(async |issuer| list(place, &issuer).await),
            Self::Disable { username } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().disable_user(&username).await?;
                let done = format!("disabled {username}, and ended every session");
                let otherwise = format!("nothing changed: {username} is disabled");
                Ok(told(
                    place,
                    &username,
                    changed,
                    if changed { done } else { otherwise },
                ))
            }),
            Self::Enable { username } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().enable_user(&username).await?;
                let done = format!("enabled {username}");
                let otherwise = format!("nothing changed: {username} is active");
                Ok(told(
                    place,
                    &username,
                    changed,
                    if changed { done } else { otherwise },
                ))
            }),
            Self::Password { username, password } => workplace.with_issuer(async |issuer| {
                let admin = issuer.admin();
                // Nobody types a password twice to hear that there is no such user.
                let user = admin.user(&username).await?;
                let password = chosen(&password, &user.username)?;
                admin.set_password(&username, password).await?;
                let done = format!("set the password of {username}, and ended every session");
                Ok(told(place, &username, true, done))
            }),
            Self::Reset { username } => {
                let gateway = workplace.last_up.gateway.clone();
                workplace
                    .with_issuer(async |issuer| reset(place, &issuer, &username, &gateway).await)
            }
            Self::ResetSecondFactor { username } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().remove_second_factor(&username).await?;
                let done =
                    format!("took away the second factor of {username}, and ended every session");
                let otherwise = format!("nothing changed: {username} has no second factor");
                Ok(told(
                    place,
                    &username,
                    changed,
                    if changed { done } else { otherwise },
                ))
            }),
        }
    }
}

/// Prints the token, and on the other stream what to do with it.
async fn reset(
    place: &Place,
    issuer: &Issuer,
    username: &str,
    gateway: &str,
) -> Result<Answer, CommandError> {
    let admin = issuer.admin();
    let token = admin.issue_password_reset(username, RESET_LIFETIME).await?;
    let url = format!("{gateway}/auth/password/reset");
    if place.json {
        output::json(&json!({
            "username": username, "reset_token": token.as_str(), "url": url,
            "expires_in": RESET_LIFETIME,
        }));
        return Ok(Answer::Yes);
    }
    output::data(token.as_str());
    output::note(shown(format!(
        "hand it to {username}: it sets a new password once, within {} minutes",
        RESET_LIFETIME / 60
    )));
    output::note(shown(format!(
        "POST {url} with {{\"reset_token\": …, \"new_password\": …}} ends every session"
    )));
    Ok(Answer::Yes)
}

impl Add {
    fn run(self, place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
        let roles = workplace.roles()?;
        for role in &self.roles {
            super::role::known(&roles, role)?;
        }
        let attributes = self.given.changes()?;
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            // Everything that can be refused is refused before the tenant is
            // made, so that a refusal leaves nothing behind.
            let tenant = TenantName::parse(&self.tenant).map_err(AdminError::from)?;
            match admin.user(&self.username).await {
                Err(AdminError::NoSuchUser(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(user) => return Err(AdminError::UserExists(user.username).into()),
            }
            let username = Username::parse(&self.username).map_err(AdminError::from)?;
            let password = chosen(&self.password, &username)?;
            let tenants = admin.tenants().await?;
            let is_new = !tenants.iter().any(|known| known.name == tenant);
            if is_new {
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
            if !attributes.is_empty() {
                let name = user.username.as_str();
                admin.change_attributes(name, &attributes, None).await?;
            }
            if place.json {
                output::json(&json!({ "user": as_json(&user), "roles": self.roles }));
            } else {
                let new = if is_new { "new " } else { "" };
                let roles = match self.roles.as_slice() {
                    [] => format!(
                        "; `doorward role grant {} ROLE` gives a role",
                        user.username
                    ),
                    roles => format!(" as {}", roles.join(", ")),
                };
                let (name, tenant) = (&user.username, &user.home_tenant);
                output::note(format!("added {name} in {new}tenant {tenant}{roles}"));
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

fn told(place: &Place, username: &str, changed: bool, words: String) -> Answer {
    if place.json {
        output::json(&json!({ "changed": changed, "username": username }));
    } else {
        output::note(shown(words));
    }
    Answer::Yes
}

/// A password that `username` may have.
fn chosen(source: &PasswordSource, username: &Username) -> Result<Password, Failure> {
    let text = source.read(true)?;
    let password = |text| Password::new(text).map_err(|error| Failure::usage(error.to_string()));
    NewPassword::choose(password(text.clone())?, username.as_str())
        .map_err(|weak| weak_password(&weak))?;
    password(text)
}
