//! Attributes of users. A permission of their own: routes and policies ask about
//! them, so who may make users may not for that say what they are.

use aws_lc_rs::digest::{SHA256, digest};
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
    hexadecimal::hex,
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
        "Those to be set; null takes one away, and others stay (RFC 7396). A user has at \
         most 32",
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
    let (admin, username) = (call.admin(), user.username.as_str());
    let present = admin.attributes(username).await?;
    // The version is compared in the transaction of the change as well.
    let expected = match call.if_match() {
        Some(wanted) if wanted == tag(&present) => Some(present.version),
        Some(_) => return Err(Refusal::new(Reason::PreconditionFailed)),
        None => None,
    };
    call.administrator.may_act_as(&call.issuer, &user).await?;
    shown(
        admin
            .change_attributes(username, &changes, expected)
            .await?,
    )
}

fn shown(found: UserAttributes) -> Result<Said, Refusal> {
    let tag = tag(&found);
    let UserAttributes { attributes, .. } = found;
    Ok(Said::ok(&UserAttributesShown { attributes })?.tagged(tag))
}

/// The version rises with every change, and begins anew where the row was lost or
/// refused: so the tag is of what there is as well.
fn tag(found: &UserAttributes) -> String {
    let text = digest(&SHA256, found.attributes.to_text().as_bytes());
    let text = hex(&text.as_ref()[..8]);
    format!("\"a{}-{text}\"", found.version)
}
