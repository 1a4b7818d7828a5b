//! `doorward client`: programs that sign in with a secret of their own.

use std::time::Duration;

use clap::{Args, Subcommand};
use doorward_issuer::{
    AdminError, Issuer,
    admin::{NewClient, NewSecret},
    client::Client as Service,
    tenant::TenantName,
};
use serde_json::{Value, json};

use super::{
    Place, Workplace, table,
    workplace::{CommandError, shown},
};
use crate::{
    config,
    exit::{Answer, Failure},
    output,
};

/// Manage programs that sign in with a secret of their own
#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Add a client and print its secret, which is shown only now
    Add(Add),
    /// List clients
    List,
    /// Show a client
    Show {
        /// Name of the client
        #[arg(value_name = "CLIENT")]
        name: String,
    },
    /// Give a client no more tokens, and refuse those that are out
    Disable {
        /// Name of the client
        #[arg(value_name = "CLIENT")]
        name: String,
    },
    /// Let a disabled client sign in again
    Enable {
        /// Name of the client
        #[arg(value_name = "CLIENT")]
        name: String,
    },
    /// Give a client another secret
    #[command(subcommand)]
    Secret(Secret),
    /// Remove a client for good
    Remove {
        /// Name of the client
        #[arg(value_name = "CLIENT")]
        name: String,
    },
}

/// Add a client
#[derive(Debug, Args)]
pub(super) struct Add {
    /// What you call it: lower-case letters, digits and . _ -
    #[arg(value_name = "CLIENT")]
    name: String,
    /// Tenant that it belongs to, which is made if it is not there
    #[arg(long, value_name = "TENANT", default_value = "default")]
    tenant: String,
    /// Role that it has; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Permission that it has besides, which is also a scope; may be repeated
    #[arg(
        long = "permission",
        visible_alias = "scope",
        value_name = "PERMISSION"
    )]
    permissions: Vec<String>,
}

/// Give a client another secret
#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Make and print a new secret; the present one goes on for a while
    Rotate {
        /// Name of the client
        #[arg(value_name = "CLIENT")]
        name: String,
        #[command(flatten)]
        overlap: Overlap,
    },
}

/// How long the secret before still counts.
#[derive(Debug, Args)]
pub(super) struct Overlap {
    /// How long the present secret still counts, like 30m, 12h or 7d
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        default_value = "24h",
        conflicts_with = "now"
    )]
    overlap: Duration,
    /// End every older secret at once, and the tokens that are out
    #[arg(long)]
    now: bool,
}

impl Overlap {
    /// Seconds.
    pub(super) fn seconds(&self) -> u64 {
        match self.now {
            true => 0,
            false => self.overlap.as_secs(),
        }
    }
}

/// Longest time that can be typed: longer ones are typing errors.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Reads `12h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    match config::duration(text) {
        Some(time) if time <= LONGEST => Ok(time),
        Some(_) => Err("that is more than ten years".to_owned()),
        None => Err("write a number and a unit, like 30m, 12h or 7d".to_owned()),
    }
}

impl Client {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Add(add) => add.run(place, &workplace),
            Self::List => workplace.with_issuer(async |issuer| list(place, &issuer).await),
            Self::Show { name } => workplace.with_issuer(async |issuer| {
                show(place, &issuer.admin().client(&name).await?);
                Ok(Answer::Yes)
            }),
            Self::Disable { name } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().disable_client(&name).await?;
                let done = format!("disabled {name}, and refused its tokens");
                Ok(told(place, &name, changed, done, "disabled"))
            }),
            Self::Enable { name } => workplace.with_issuer(async |issuer| {
                let changed = issuer.admin().enable_client(&name).await?;
                Ok(told(
                    place,
                    &name,
                    changed,
                    format!("enabled {name}"),
                    "active",
                ))
            }),
            Self::Secret(Secret::Rotate { name, overlap }) => {
                workplace.with_issuer(async |issuer| {
                    let overlap = overlap.seconds();
                    let rotated = issuer.admin().rotate_client_secret(&name, overlap).await?;
                    let until = match overlap {
                        0 => "the older ones have ended, and their tokens".to_owned(),
                        seconds => format!("the one before counts for another {seconds} s"),
                    };
                    let words = format!("a new secret for {name}; {until}");
                    Ok(handed_over(place, &rotated, words))
                })
            }
            Self::Remove { name } => workplace.with_issuer(async |issuer| {
                issuer.admin().remove_client(&name).await?;
                let done = format!("removed {name}, and refused its tokens");
                Ok(told(place, &name, true, done, ""))
            }),
        }
    }
}

impl Add {
    fn run(self, place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
        let roles = workplace.roles()?;
        for role in &self.roles {
            super::role::known(&roles, role)?;
        }
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            // What can be refused is refused before the tenant is made.
            let tenant = TenantName::parse(&self.tenant).map_err(AdminError::from)?;
            match admin.client(&self.name).await {
                Err(AdminError::NoSuchClient(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(client) => return Err(AdminError::ClientExists(client.name).into()),
            }
            let new = NewClient {
                name: self.name,
                tenant: self.tenant,
                roles: self.roles,
                permissions: self.permissions,
            };
            new.check()?;
            let tenants = admin.tenants().await?;
            if !tenants.iter().any(|known| known.name == tenant) {
                admin.add_tenant(tenant.as_str()).await?;
            }
            let made = admin.add_client(new).await?;
            let Service {
                name, tenant, id, ..
            } = &made.client;
            let words = format!("added client {name} in tenant {tenant}, with client_id {id}");
            Ok(handed_over(place, &made, words))
        })
    }
}

/// The secret on standard output, and everything else beside it.
fn handed_over(place: &Place, made: &NewSecret, words: String) -> Answer {
    let secret = made.secret.reveal();
    if place.json {
        output::json(&json!({ "client": as_json(&made.client), "client_secret": secret }));
    } else {
        output::note(shown(words));
        output::note("the secret below is shown only now:");
        output::data(secret);
    }
    Answer::Yes
}

async fn list(place: &Place, issuer: &Issuer) -> Result<Answer, CommandError> {
    let clients = issuer.admin().clients().await?;
    if place.json {
        output::json(&json!({ "clients": clients.iter().map(as_json).collect::<Vec<_>>() }));
        return Ok(Answer::Yes);
    }
    let row = |client: &Service| {
        [
            client.name.to_string(),
            client.tenant.to_string(),
            state(client).to_owned(),
            granted(client),
            client.id.to_string(),
        ]
    };
    let rows: Vec<_> = clients.iter().map(row).collect();
    table::print(
        ["CLIENT", "TENANT", "STATE", "MAY", "CLIENT ID"],
        &rows,
        "no clients; add one with `doorward client add NAME`",
    );
    Ok(Answer::Yes)
}

fn show(place: &Place, client: &Service) {
    if place.json {
        output::json(&json!({ "client": as_json(client) }));
        return;
    }
    let secret = match client.old_secret_until_ms {
        Some(_) => format!("…{}, and the one before for a while", client.last_four),
        None => format!("…{}", client.last_four),
    };
    let fields = [
        ("name", client.name.to_string()),
        ("client_id", client.id.to_string()),
        ("tenant", client.tenant.to_string()),
        ("state", state(client).to_owned()),
        ("roles", client.roles.join(", ")),
        ("permissions", client.permissions.join(", ")),
        ("secret", secret),
    ];
    let rows = fields.map(|(name, value)| [name.to_owned(), value]);
    table::print(["CLIENT", ""], &rows, "");
}

const fn state(client: &Service) -> &'static str {
    match client.disabled_at_ms {
        Some(_) => "disabled",
        None => "active",
    }
}

fn granted(client: &Service) -> String {
    let words: Vec<&str> = client
        .roles
        .iter()
        .chain(&client.permissions)
        .map(String::as_str)
        .collect();
    words.join(", ")
}

fn as_json(client: &Service) -> Value {
    json!({
        "client_id": client.id.as_str(),
        "name": client.name.as_str(),
        "tenant": client.tenant.as_str(),
        "roles": client.roles,
        "permissions": client.permissions,
        "secret_last_four": client.last_four,
        "old_secret_until_ms": client.old_secret_until_ms,
        "disabled": client.disabled_at_ms.is_some(),
        "created_at_ms": client.created_at_ms,
    })
}

fn told(place: &Place, name: &str, changed: bool, done: String, state: &str) -> Answer {
    if place.json {
        output::json(&json!({ "changed": changed, "client": name }));
    } else if changed {
        output::note(shown(done));
    } else {
        output::note(shown(format!("nothing changed: {name} is {state}")));
    }
    Answer::Yes
}
