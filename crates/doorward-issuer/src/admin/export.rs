//! Every user as a record that an import reads.
//!
//! Never in it: tokens, sessions, API keys, second factors and recovery codes.
//! Password hashes are in it if they are asked for, and the log says so.

use serde_json::json;

use super::Admin;
use crate::{
    audit::{Action, Object},
    error::AdminError,
    store::{ExportedRow, contention::again},
    user_record::{HashText, RolesElsewhere, UserRecord},
};

/// Users of one page.
pub const EXPORT_PAGE: u32 = 1000;

/// A part of an export.
#[derive(Clone, Debug)]
pub struct ExportPage {
    /// In the order of their names.
    pub users: Vec<UserRecord>,
    /// The name after which the next page begins.
    pub last: String,
}

impl Admin {
    /// Records that every user is about to be read out.
    pub async fn begin_export(&self, with_hashes: bool) -> Result<(), AdminError> {
        let detail = json!({ "password_hashes": with_hashes });
        let record = async || {
            let mut tx = self.issuer.store().begin().await?;
            let entry = self.entry(self.now(), Action::Export, Object::Installation);
            tx.record(entry.detail(detail.clone())).await?;
            Ok(tx.commit().await?)
        };
        again(record).await
    }

    /// The users whose names follow `after`; `None` when there are no more. A
    /// user whom Doorward did not write down is left out.
    pub async fn export_page(
        &self,
        after: &str,
        with_hashes: bool,
    ) -> Result<Option<ExportPage>, AdminError> {
        let page = self.issuer.store().export(after, EXPORT_PAGE).await?;
        Ok(page.map(|(last, rows)| ExportPage {
            users: rows
                .into_iter()
                .map(|row| record(row, with_hashes))
                .collect(),
            last,
        }))
    }
}

fn record(row: ExportedRow, with_hashes: bool) -> UserRecord {
    let ExportedRow {
        user,
        password_hash,
        attributes,
        grants,
    } = row;
    let mut roles = Vec::new();
    let mut roles_elsewhere: Vec<RolesElsewhere> = Vec::new();
    for (tenant, role) in grants {
        if tenant == user.home_tenant {
            roles.push(role);
            continue;
        }
        match roles_elsewhere.last_mut() {
            Some(last) if last.tenant == tenant.as_str() => last.roles.push(role),
            _ => roles_elsewhere.push(RolesElsewhere {
                tenant: tenant.to_string(),
                roles: vec![role],
            }),
        }
    }
    UserRecord {
        username: user.username.to_string(),
        id: Some(user.id.to_string()),
        tenant: Some(user.home_tenant.to_string()),
        roles,
        roles_elsewhere,
        attributes: attributes.to_json(),
        disabled: user.disabled_at_ms.is_some().then_some(true),
        created_at_ms: Some(user.created_at_ms),
        password_hash: password_hash.filter(|_| with_hashes).map(HashText::new),
    }
}
