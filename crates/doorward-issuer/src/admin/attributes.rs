//! Attributes of users in the administrator's hands.

use serde_json::json;

use super::{Admin, UserChange};
use crate::{
    attribute::{AttributeChanges, Attributes},
    audit::{Action, Object},
    error::AdminError,
    revocation::revoke_user_tokens,
    store::{StoredAttributes, contention::again},
};

/// The attributes of a user, and how often they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAttributes {
    /// What there is.
    pub attributes: Attributes,
    /// Rises with every change.
    pub version: i64,
}

impl Admin {
    /// The attributes of a user.
    pub async fn attributes(&self, username: &str) -> Result<UserAttributes, AdminError> {
        let user = self.user(username).await?;
        Ok(self.issuer.store().attributes(&user.id).await?.into())
    }

    /// Sets attributes of a user and takes others away; what the user has then.
    /// Old access tokens are refused at once, as where a role is taken away.
    /// `expected` is the version that the change is meant for, if it is meant
    /// for one.
    ///
    /// # Errors
    ///
    /// [`AdminError::Changed`], [`AdminError::Attribute`].
    pub async fn change_attributes(
        &self,
        username: &str,
        changes: &AttributeChanges,
        expected: Option<i64>,
    ) -> Result<UserAttributes, AdminError> {
        again(|| self.try_change_attributes(username, changes, expected)).await
    }

    async fn try_change_attributes(
        &self,
        username: &str,
        changes: &AttributeChanges,
        expected: Option<i64>,
    ) -> Result<UserAttributes, AdminError> {
        let mut change = self.begin_for(username).await?;
        let before = change.tx.attributes(&change.user).await?;
        if expected.is_some_and(|expected| expected != before.version) {
            return Err(AdminError::Changed);
        }
        let Some(after) = self.set_attributes(&mut change, &before, changes).await? else {
            return Ok(before.into());
        };
        change.tx.commit().await?;
        Ok(after.into())
    }

    /// What the user has then; `None` if it is so already.
    pub(super) async fn set_attributes(
        &self,
        change: &mut UserChange,
        before: &StoredAttributes,
        changes: &AttributeChanges,
    ) -> Result<Option<StoredAttributes>, AdminError> {
        let attributes = before.attributes.with(changes)?;
        if attributes == before.attributes {
            return Ok(None);
        }
        let version = before.version.saturating_add(1);
        let after = StoredAttributes {
            attributes,
            version,
        };
        let UserChange { tx, user, now } = change;
        tx.set_attributes(user, &after).await?;
        let action = Action::UserAttributes;
        revoke_user_tokens(tx, user, action.name(), *now).await?;
        let entry = self.entry(*now, action, Object::User(user));
        tx.record(entry.detail(json!({ "set": changes }))).await?;
        Ok(Some(after))
    }
}

impl From<StoredAttributes> for UserAttributes {
    fn from(stored: StoredAttributes) -> Self {
        let StoredAttributes {
            attributes,
            version,
        } = stored;
        Self {
            attributes,
            version,
        }
    }
}
