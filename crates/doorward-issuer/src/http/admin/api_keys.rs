//! API keys.

use super::{
    call::{Call, Said},
    clients::DEFAULT_OVERLAP,
    shape::{Kind, Shape, answer, optional, required},
};
use crate::{
    admin::{NewApiKey, NewKeyText, NewOwner},
    api_key::{self, Owner},
    http::{error::Refusal, extract::bad_body},
    tenant::TenantName,
    user::Username,
};
use doorward_policy::decision::Reason;

answer! {
    /// An API key.
    ApiKey {
        /// Its id; no secret
        id: String,
        /// `user` or `client`
        owner_kind: String,
        /// `sub` of its tokens
        owner: String,
        /// In which tenant it acts
        tenant: String,
        /// What it is for
        purpose: String,
        /// Its limit; null if it may do all that its owner may
        permissions: Option<Vec<String>>,
        /// From where it may be used; anywhere if there are none
        networks: Vec<String>,
        /// The last four characters of its text
        last_four: String,
        /// Milliseconds since 1970
        valid_from_ms: u64,
        /// Milliseconds since 1970
        expires_at_ms: u64,
        /// When it was last used, to about a minute, milliseconds since 1970
        last_used_at_ms: Option<u64>,
        /// Since when it is revoked, milliseconds since 1970
        revoked_at_ms: Option<u64>,
    }
}

answer! {
    /// A page of API keys.
    ApiKeys {
        /// In the order of their ids
        items: Vec<ApiKey>,
        /// The cursor of the next page, if there is one
        next: Option<String>,
    }
}

answer! {
    /// A key whose text is shown this once.
    ApiKeyWithText {
        /// Its id
        id: String,
        /// In which tenant it acts
        tenant: String,
        /// To be kept by whoever uses it; nobody can see it again
        text: String,
        /// Milliseconds since 1970
        expires_at_ms: u64,
    }
}

pub(super) const NEW_API_KEY: Shape = Shape {
    name: "NewApiKey",
    members: &[
        optional(
            "user",
            Kind::Text,
            "The user whom it acts for; or else `client`",
        ),
        optional(
            "client",
            Kind::Text,
            "The client that it acts for; or else `user`",
        ),
        optional(
            "tenant",
            Kind::Text,
            "A tenant of the user; the home tenant if absent",
        ),
        required("purpose", Kind::Text, "What it is for"),
        optional(
            "permissions",
            Kind::Texts,
            "Its limit; all that its owner may if absent",
        ),
        optional(
            "networks",
            Kind::Texts,
            "From where it may be used; anywhere if absent",
        ),
        required("lifetime_seconds", Kind::Number, "At most 366 days"),
    ],
};

pub(super) const ROTATION: Shape = Shape {
    name: "ApiKeyRotation",
    members: &[optional(
        "overlap_seconds",
        Kind::Number,
        "How long the present text still counts; a day if absent, at once if 0",
    )],
};

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let mut keys = call.admin().api_keys().await?;
    keys.retain(|key| call.administrator.reaches(&key.tenant).is_ok());
    let (keys, next) = call.cut(keys, |key| key.id.clone())?;
    Said::ok(&ApiKeys {
        items: keys.into_iter().map(shown).collect(),
        next,
    })
}

pub(super) async fn create(mut call: Call) -> Result<Said, Refusal> {
    let (user, client) = (
        call.body.optional_text("user")?,
        call.body.optional_text("client")?,
    );
    let tenant = call.body.optional_text("tenant")?;
    let owner = match (user, client) {
        (Some(user), None) => owned_by_user(&call, user, tenant).await?,
        (None, Some(client)) if tenant.is_none() => owned_by_client(&call, client).await?,
        _ => {
            return Err(bad_body(
                "send one of `user` and `client`, and `tenant` with `user` only",
            ));
        }
    };
    let new = NewApiKey {
        owner,
        purpose: call.body.text("purpose")?,
        permissions: call.body.optional_texts("permissions")?,
        networks: call.body.optional_texts("networks")?.unwrap_or_default(),
        delay: 0,
        lifetime: call.body.number("lifetime_seconds")?,
    };
    with_text(&call.admin().add_api_key(new).await?)
}

pub(super) async fn one(call: Call) -> Result<Said, Refusal> {
    Said::ok(&shown(found(&call).await?))
}

pub(super) async fn rotate(mut call: Call) -> Result<Said, Refusal> {
    let key = found(&call).await?;
    may_act_as_owner(&call, &key.owner).await?;
    let overlap = call.body.optional_number("overlap_seconds")?;
    let overlap = overlap.unwrap_or(DEFAULT_OVERLAP);
    with_text(&call.admin().rotate_api_key(&key.id, overlap).await?)
}

pub(super) async fn delete(call: Call) -> Result<Said, Refusal> {
    let key = found(&call).await?;
    call.admin().revoke_api_key(&key.id).await?;
    Ok(Said::nothing())
}

async fn found(call: &Call) -> Result<api_key::ApiKey, Refusal> {
    let key = call.admin().api_key(call.path("id")).await?;
    call.administrator.reaches(&key.tenant)?;
    Ok(key)
}

/// Whoever makes a key sees its text, and could act as its owner.
async fn owned_by_user(
    call: &Call,
    user: String,
    tenant: Option<String>,
) -> Result<NewOwner, Refusal> {
    let nobody = || Refusal::new(Reason::NotFound);
    let username = Username::parse(&user).map_err(|_| nobody())?;
    let found = call.issuer.store().user(&username).await?;
    let found = found.ok_or_else(nobody)?;
    call.administrator.reaches(&found.home_tenant)?;
    if let Some(tenant) = tenant.as_deref().map(TenantName::parse) {
        call.administrator.reaches(&tenant.map_err(|_| nobody())?)?;
    }
    call.administrator.may_act_as(&call.issuer, &found).await?;
    Ok(NewOwner::User(user, tenant))
}

async fn owned_by_client(call: &Call, name: String) -> Result<NewOwner, Refusal> {
    let client = call.admin().client(&name).await;
    let client = client.map_err(super::nothing_at_a_bad_name)?;
    call.administrator.reaches(&client.tenant)?;
    may_act_as_owner(call, &Owner::Client(client.id)).await?;
    Ok(NewOwner::Client(name))
}

async fn may_act_as_owner(call: &Call, owner: &Owner) -> Result<(), Refusal> {
    let nobody = || Refusal::new(Reason::NotFound);
    match owner {
        Owner::User(id) => {
            let account = call.issuer.account_by_id(id.as_str()).await?;
            let account = account.ok_or_else(nobody)?;
            let user = call.issuer.store().user(&account.username).await?;
            let user = user.ok_or_else(nobody)?;
            call.administrator.may_act_as(&call.issuer, &user).await
        }
        Owner::Client(id) => {
            let clients = call.admin().clients().await?;
            let client = clients.into_iter().find(|client| client.id == *id);
            let client = client.ok_or_else(nobody)?;
            let (roles, permissions) = (&client.roles, &client.permissions);
            super::clients::may_have(call, roles, permissions)
        }
    }
}

fn with_text(made: &NewKeyText) -> Result<Said, Refusal> {
    Said::made(&ApiKeyWithText {
        id: made.key.id.clone(),
        tenant: made.key.tenant.to_string(),
        text: made.text.reveal().to_owned(),
        expires_at_ms: made.key.expires_at_ms,
    })
}

fn shown(key: api_key::ApiKey) -> ApiKey {
    let owner_kind = match key.owner {
        Owner::User(_) => "user",
        Owner::Client(_) => "client",
    };
    ApiKey {
        id: key.id,
        owner_kind: owner_kind.to_owned(),
        owner: key.owner.id().to_owned(),
        tenant: key.tenant.to_string(),
        purpose: key.purpose,
        permissions: key.permissions,
        networks: key.networks.iter().map(ToString::to_string).collect(),
        last_four: key.last_four,
        valid_from_ms: key.valid_from_ms,
        expires_at_ms: key.expires_at_ms,
        last_used_at_ms: key.last_used_at_ms,
        revoked_at_ms: key.revoked_at_ms,
    }
}
