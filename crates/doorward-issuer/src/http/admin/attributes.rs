//! Attributes of users. A permission of their own: routes and policies ask about
//! them, so who may make users may not for that say what they are.

use doorward_policy::decision::Reason;

use super::{
    call::{Call, Said},
    shape::{Kind, Shape, answer, required},
    users::found,
};
use crate::{
    admin::UserAttributes,
    attribute::{AttributeChanges, Attributes},
    error::AdminError,
    http::error::Refusal,
};

answer! {
    /// The attributes of a user.
    UserAttributesShown {
        /// By name; the configuration says which of them are claims of tokens
        attributes: Attributes,
    }
}

pub(super) const CHANGE: Shape = Shape {
    name: "UserAttributesChange",
    members: &[required(
        "attributes",
        Kind::ValuesOrNull,
        "Those to be set; null takes one away, and others stay (RFC 7396)",
    )],
};

pub(super) async fn one(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    shown(call.admin().attributes(user.username.as_str()).await?)
}

pub(super) async fn update(mut call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    let mut changes = AttributeChanges::default();
    for (name, value) in &call.body.object("attributes")? {
        changes.add(name, value).map_err(AdminError::from)?;
    }
    let refused = || Refusal::new(Reason::PreconditionFailed);
    let expected = call.if_match().map(|tag| version(tag).ok_or_else(refused));
    let expected = expected.transpose()?;
    call.administrator.may_act_as(&call.issuer, &user).await?;
    let (admin, username) = (call.admin(), user.username.as_str());
    shown(
        admin
            .change_attributes(username, &changes, expected)
            .await?,
    )
}

fn shown(found: UserAttributes) -> Result<Said, Refusal> {
    let UserAttributes {
        attributes,
        version,
    } = found;
    Ok(Said::ok(&UserAttributesShown { attributes })?.tagged(format!("\"a{version}\"")))
}

fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix("\"a")?.strip_suffix('"')?.parse().ok()
}
