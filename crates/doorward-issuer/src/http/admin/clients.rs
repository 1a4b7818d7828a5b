//! Service clients.

use doorward_policy::permission::PermissionPattern;

use super::{
    call::{Call, Said, missing},
    shape::{Kind, Shape, answer, optional, required},
};
use crate::{
    admin::{Admin, NewClient, NewSecret},
    client,
    http::error::Refusal,
    tenant::TenantName,
};

/// How long the secret before counts if nothing is said, seconds.
pub(super) const DEFAULT_OVERLAP: u64 = 24 * 3600;

answer! {
    /// A service client.
    Client {
        /// `client_id`
        id: String,
        /// What operators call it
        name: String,
        /// Where it belongs
        tenant: String,
        /// Its roles there
        roles: Vec<String>,
        /// Permissions that it has besides
        permissions: Vec<String>,
        /// The last four characters of its secret
        last_four: String,
        /// Until when the secret before still counts, milliseconds since 1970
        old_secret_until_ms: Option<u64>,
        /// Whether it gets no tokens
        disabled: bool,
        /// Milliseconds since 1970
        created_at_ms: u64,
    }
}

answer! {
    /// A page of clients.
    Clients {
        /// In the order of their names
        items: Vec<Client>,
        /// The cursor of the next page, if there is one
        next: Option<String>,
    }
}

answer! {
    /// A client whose secret is shown this once.
    ClientWithSecret {
        /// `client_id`
        id: String,
        /// What operators call it
        name: String,
        /// Where it belongs
        tenant: String,
        /// To be kept by the client; nobody can see it again
        secret: String,
    }
}

pub(super) const NEW_CLIENT: Shape = Shape {
    name: "NewClient",
    members: &[
        required("name", Kind::Text, "What operators call it"),
        optional("tenant", Kind::Text, "The caller's tenant if absent"),
        optional("roles", Kind::Texts, "Its roles there"),
        optional(
            "permissions",
            Kind::Texts,
            "Permissions that it has besides",
        ),
    ],
};

pub(super) const CLIENT_CHANGE: Shape = Shape {
    name: "ClientChange",
    members: &[required(
        "disabled",
        Kind::Flag,
        "Whether it gets no tokens",
    )],
};

pub(super) const ROTATION: Shape = Shape {
    name: "ClientSecretRotation",
    members: &[optional(
        "overlap_seconds",
        Kind::Number,
        "How long the present secret still counts; a day if absent, at once if 0",
    )],
};

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let mut clients = call.admin().clients().await?;
    clients.retain(|client| call.administrator.reaches(&client.tenant).is_ok());
    let (clients, next) = call.cut(clients, |client| client.name.to_string())?;
    Said::ok(&Clients {
        items: clients.into_iter().map(shown).collect(),
        next,
    })
}

pub(super) async fn create(mut call: Call) -> Result<Said, Refusal> {
    let own = call.administrator.only_tenant().map(ToString::to_string);
    let tenant = call.body.optional_text("tenant")?.or(own);
    let new = NewClient {
        name: call.body.text("name")?,
        tenant: tenant.ok_or_else(|| missing("tenant"))?,
        roles: call.body.optional_texts("roles")?.unwrap_or_default(),
        permissions: call.body.optional_texts("permissions")?.unwrap_or_default(),
    };
    new.check()?;
    if let Ok(tenant) = TenantName::parse(&new.tenant) {
        call.administrator.reaches(&tenant)?;
    }
    may_have(&call, &new.roles, &new.permissions)?;
    with_secret(&call.admin().add_client(new).await?)
}

pub(super) async fn one(call: Call) -> Result<Said, Refusal> {
    let client = found(&call).await?;
    let tag = client.tag();
    Ok(Said::ok(&shown(client))?.tagged(tag))
}

pub(super) async fn update(mut call: Call) -> Result<Said, Refusal> {
    let client = found(&call).await?;
    let admin = changing(&call);
    match call.body.flag("disabled")? {
        true => admin.disable_client(client.name.as_str()).await?,
        false => {
            may_have(&call, &client.roles, &client.permissions)?;
            admin.enable_client(client.name.as_str()).await?
        }
    };
    one(call).await
}

pub(super) async fn rotate(mut call: Call) -> Result<Said, Refusal> {
    let client = found(&call).await?;
    may_have(&call, &client.roles, &client.permissions)?;
    let overlap = call.body.optional_number("overlap_seconds")?;
    let overlap = overlap.unwrap_or(DEFAULT_OVERLAP);
    let name = client.name.as_str();
    with_secret(&changing(&call).rotate_client_secret(name, overlap).await?)
}

pub(super) async fn delete(call: Call) -> Result<Said, Refusal> {
    let client = found(&call).await?;
    let name = client.name.as_str();
    changing(&call).remove_client(name).await?;
    Ok(Said::nothing())
}

/// For the change of a client: of the one that the caller has read, if they say
/// which that is.
fn changing(call: &Call) -> Admin {
    call.admin().only_client(call.if_match())
}

async fn found(call: &Call) -> Result<client::Client, Refusal> {
    let client = call.admin().client(call.path("name")).await;
    let client = client.map_err(super::nothing_at_a_bad_name)?;
    call.administrator.reaches(&client.tenant)?;
    Ok(client)
}

/// Whether the caller holds what such a client may do: its secret is seen by
/// whoever makes it.
pub(super) fn may_have(
    call: &Call,
    roles: &[String],
    permissions: &[String],
) -> Result<(), Refusal> {
    call.administrator
        .may_give(&call.issuer.roles().effective(roles))?;
    let own: Vec<PermissionPattern> = permissions
        .iter()
        .filter_map(|it| it.parse().ok())
        .collect();
    call.administrator.may_give(&own)
}

fn with_secret(made: &NewSecret) -> Result<Said, Refusal> {
    Said::made(&ClientWithSecret {
        id: made.client.id.to_string(),
        name: made.client.name.to_string(),
        tenant: made.client.tenant.to_string(),
        secret: made.secret.reveal().to_owned(),
    })
}

fn shown(client: client::Client) -> Client {
    Client {
        id: client.id.to_string(),
        name: client.name.to_string(),
        tenant: client.tenant.to_string(),
        roles: client.roles,
        permissions: client.permissions,
        last_four: client.last_four,
        old_secret_until_ms: client.old_secret_until_ms,
        disabled: client.disabled_at_ms.is_some(),
        created_at_ms: client.created_at_ms,
    }
}
