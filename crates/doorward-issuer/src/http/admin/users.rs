//! Users.

use super::{
    call::{Call, Said},
    shape::{Kind, Shape, answer, optional, required},
};
use crate::{
    admin::NewUser,
    http::{error::Refusal, extract::bad_body},
    password::Password,
    user::{self, Account, Username},
};
use doorward_policy::decision::Reason;

/// How long a reset token is good, seconds.
const RESET_LIFETIME: u64 = 15 * 60;

answer! {
    /// A user.
    User {
        /// `sub` of the user's tokens
        id: String,
        /// What the user types
        username: String,
        /// The tenant that the user belongs to
        tenant: String,
        /// Whether the user is refused everywhere
        disabled: bool,
        /// Milliseconds since 1970
        created_at_ms: u64,
    }
}

answer! {
    /// A page of users.
    Users {
        /// In the order of their names
        items: Vec<User>,
        /// The cursor of the next page, if there is one
        next: Option<String>,
    }
}

answer! {
    /// A token with which a user sets a password.
    PasswordReset {
        /// For `POST /auth/password/reset`; to be handed to the user
        reset_token: String,
        /// Seconds
        expires_in: u64,
    }
}

pub(super) const NEW_USER: Shape = Shape {
    name: "NewUser",
    members: &[
        required("username", Kind::Text, "1 to 128 of a-z 0-9 . _ @ + -"),
        required("password", Kind::Text, "15 characters or more"),
        optional("tenant", Kind::Text, "The caller's tenant if absent"),
    ],
};

pub(super) const USER_CHANGE: Shape = Shape {
    name: "UserChange",
    members: &[required(
        "disabled",
        Kind::Flag,
        "Whether the user is refused everywhere",
    )],
};

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let (limit, after) = call.page()?;
    let tenant = call.administrator.only_tenant();
    let rows = u32::try_from(limit).unwrap_or(u32::MAX);
    let users = call.issuer.store().users_of(tenant, &after, rows).await?;
    let last = users.last().map(|user| user.username.as_str());
    Said::ok(&Users {
        next: call.next(last, users.len() == limit),
        items: users.iter().map(shown).collect(),
    })
}

pub(super) async fn create(mut call: Call) -> Result<Said, Refusal> {
    let own = call.administrator.only_tenant().map(ToString::to_string);
    let tenant = call.body.optional_text("tenant")?.or(own);
    let tenant = tenant.ok_or_else(|| super::call::missing("tenant"))?;
    let password = Password::new(call.body.text("password")?);
    let new = NewUser {
        username: call.body.text("username")?,
        password: password.map_err(|error| bad_body(error.to_string()))?,
        tenant,
    };
    if let Ok(tenant) = crate::tenant::TenantName::parse(&new.tenant) {
        call.administrator.reaches(&tenant)?;
    }
    Said::made(&shown(&call.admin().add_user(new).await?))
}

pub(super) async fn one(call: Call) -> Result<Said, Refusal> {
    let (user, account) = found(&call).await?;
    Ok(Said::ok(&shown(&user))?.tagged(tag(account.version)))
}

pub(super) async fn update(mut call: Call) -> Result<Said, Refusal> {
    let (user, account) = found(&call).await?;
    let disabled = call.body.flag("disabled")?;
    // The version is compared in the transaction of the change as well.
    let expected = match call.if_match() {
        Some(wanted) if wanted == tag(account.version) => Some(account.version),
        Some(_) => return Err(Refusal::new(Reason::PreconditionFailed)),
        None => None,
    };
    call.administrator.holds_all_of(&call.issuer, &user).await?;
    call.admin()
        .set_disabled(user.username.as_str(), disabled, expected)
        .await?;
    one(call).await
}

pub(super) async fn reset(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    call.administrator.may_act_as(&call.issuer, &user).await?;
    let token = call
        .admin()
        .issue_password_reset(user.username.as_str(), RESET_LIFETIME)
        .await?;
    Said::made(&PasswordReset {
        reset_token: token.to_string(),
        expires_in: RESET_LIFETIME,
    })
}

pub(super) async fn remove_second_factor(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    call.administrator.may_act_as(&call.issuer, &user).await?;
    call.admin()
        .remove_second_factor(user.username.as_str())
        .await?;
    Ok(Said::nothing())
}

/// The user of the path, if the caller reaches them.
pub(super) async fn found(call: &Call) -> Result<(user::User, Account), Refusal> {
    let nobody = || Refusal::new(Reason::NotFound);
    let username = Username::parse(call.path("username")).map_err(|_| nobody())?;
    let store = call.issuer.store();
    // The version first: what changes in between is shown under an older tag,
    // and an older tag changes nothing.
    let account = store.account_by_name(&username).await?;
    let user = store.user(&username).await?.ok_or_else(nobody)?;
    call.administrator.reaches(&user.home_tenant)?;
    Ok((user, account.ok_or_else(nobody)?))
}

fn shown(user: &user::User) -> User {
    User {
        id: user.id.to_string(),
        username: user.username.to_string(),
        tenant: user.home_tenant.to_string(),
        disabled: user.disabled_at_ms.is_some(),
        created_at_ms: user.created_at_ms,
    }
}

/// The version rises with everything that the answer shows and can change.
fn tag(version: i64) -> String {
    format!("\"v{version}\"")
}
