//! `doorward apikey`: keys that act for a user or a client.

use std::time::Duration;

use clap::{Args, Subcommand};
use doorward_issuer::{
    Issuer,
    admin::{NewApiKey, NewKeyText, NewOwner},
    api_key::{ApiKey as Key, Owner},
};
use serde_json::{Value, json};

use super::{
    Place, Workplace,
    client::{Overlap, time},
    table,
    workplace::{CommandError, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Manage keys that act for a user or a client
#[derive(Debug, Subcommand)]
pub(super) enum ApiKey {
    /// Make a key and print it; it is shown only now
    Add(Add),
    /// List keys
    List,
    /// Show a key
    Show {
        /// Id of the key: its third part
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Make and print a new text for a key; the present one goes on for a while
    Rotate {
        /// Id of the key: its third part
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        overlap: Overlap,
    },
    /// Revoke a key for good
    Revoke {
        /// Id of the key: its third part
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Make a key
#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    owner: OwnerName,
    /// Tenant of the user in which the key counts [default: the home tenant]
    #[arg(long, value_name = "TENANT", requires = "user")]
    tenant: Option<String>,
    /// What the key is for, in your words
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// What the key may do of what its owner may [default: all]; may be repeated
    #[arg(
        long = "permission",
        visible_alias = "scope",
        value_name = "PERMISSION"
    )]
    permissions: Vec<String>,
    /// Network that it may be used from, like 192.0.2.0/24 [default: any]; may be
    /// repeated
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    /// How long the key is good, at most 366d
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "90d")]
    expires: Duration,
    /// How long it is not good yet
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Duration>,
}

/// Whom the key acts for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OwnerName {
    /// User that the key acts for
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Client that the key acts for
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
}

impl ApiKey {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            match self {
                Self::Add(add) => {
                    let made = admin.add_api_key(add.into_new()).await?;
                    let words = format!("made API key {}", made.key.id);
                    Ok(handed_over(place, &made, words))
                }
                Self::List => list(place, &issuer).await,
                Self::Show { id } => {
                    show(place, &admin.api_key(&id).await?);
                    Ok(Answer::Yes)
                }
                Self::Rotate { id, overlap } => {
                    let overlap = overlap.seconds();
                    let made = admin.rotate_api_key(&id, overlap).await?;
                    let until = match overlap {
                        0 => "the older ones have ended".to_owned(),
                        seconds => format!("the one before counts for another {seconds} s"),
                    };
                    let words = format!("a new text for API key {id}; {until}");
                    Ok(handed_over(place, &made, words))
                }
                Self::Revoke { id } => {
                    let changed = admin.revoke_api_key(&id).await?;
                    if place.json {
                        output::json(&json!({ "changed": changed, "id": id }));
                    } else if changed {
                        output::note(shown(format!("revoked API key {id}")));
                    } else {
                        output::note(shown(format!("nothing changed: {id} is revoked")));
                    }
                    Ok(Answer::Yes)
                }
            }
        })
    }
}

impl Add {
    fn into_new(self) -> NewApiKey {
        let owner = match self.owner.client {
            Some(client) => NewOwner::Client(client),
            None => NewOwner::User(self.owner.user.unwrap_or_default(), self.tenant),
        };
        NewApiKey {
            owner,
            purpose: self.purpose,
            permissions: Some(self.permissions).filter(|limit| !limit.is_empty()),
            networks: self.networks,
            delay: self.from.unwrap_or_default().as_secs(),
            lifetime: self.expires.as_secs(),
        }
    }
}

/// The key on standard output, and everything else beside it.
fn handed_over(place: &Place, made: &NewKeyText, words: String) -> Answer {
    let text = made.text.reveal();
    if place.json {
        output::json(&json!({ "key": as_json(&made.key), "api_key": text }));
    } else {
        output::note(shown(words));
        output::note("the key below is shown only now:");
        output::data(text);
    }
    Answer::Yes
}

async fn list(place: &Place, issuer: &Issuer) -> Result<Answer, CommandError> {
    let keys = issuer.admin().api_keys().await?;
    if place.json {
        output::json(&json!({ "api_keys": keys.iter().map(as_json).collect::<Vec<_>>() }));
        return Ok(Answer::Yes);
    }
    let row = |key: &Key| {
        [
            key.id.clone(),
            text_of(key),
            key.owner.id().to_owned(),
            key.tenant.to_string(),
            state(key).to_owned(),
            key.purpose.clone(),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    table::print(
        ["ID", "KEY", "OWNER", "TENANT", "STATE", "PURPOSE"],
        &rows,
        "no API keys; make one with `doorward apikey add`",
    );
    Ok(Answer::Yes)
}

fn show(place: &Place, key: &Key) {
    if place.json {
        output::json(&json!({ "key": as_json(key) }));
        return;
    }
    let limit = match &key.permissions {
        Some(permissions) => permissions.join(", "),
        None => "all that its owner may".to_owned(),
    };
    let networks: Vec<String> = key.networks.iter().map(ToString::to_string).collect();
    let networks = match networks.as_slice() {
        [] => "any".to_owned(),
        networks => networks.join(", "),
    };
    let fields = [
        ("id", key.id.clone()),
        ("key", text_of(key)),
        ("owner", key.owner.id().to_owned()),
        ("tenant", key.tenant.to_string()),
        ("purpose", key.purpose.clone()),
        ("may", limit),
        ("from", networks),
        ("state", state(key).to_owned()),
    ];
    let rows = fields.map(|(name, value)| [name.to_owned(), value]);
    table::print(["API KEY", ""], &rows, "");
}

/// What a list may show of a key: enough to tell two apart.
fn text_of(key: &Key) -> String {
    let kind = match key.owner {
        Owner::User(_) => "usr",
        Owner::Client(_) => "svc",
    };
    format!("dw_{kind}_…{}", key.last_four)
}

const fn state(key: &Key) -> &'static str {
    match (key.revoked_at_ms, key.last_used_at_ms) {
        (Some(_), _) => "revoked",
        (None, Some(_)) => "in use",
        (None, None) => "never used",
    }
}

fn as_json(key: &Key) -> Value {
    let kind = match key.owner {
        Owner::User(_) => "user",
        Owner::Client(_) => "client",
    };
    json!({
        "id": key.id,
        "owner": { "kind": kind, "id": key.owner.id() },
        "tenant": key.tenant.as_str(),
        "purpose": key.purpose,
        "permissions": key.permissions,
        "networks": key.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "last_four": key.last_four,
        "old_secret_until_ms": key.old_secret_until_ms,
        "valid_from_ms": key.valid_from_ms,
        "expires_at_ms": key.expires_at_ms,
        "last_used_at_ms": key.last_used_at_ms,
        "revoked": key.revoked_at_ms.is_some(),
    })
}
