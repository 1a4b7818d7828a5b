//! Giving permissions numbers, for tokens that are too large with their names.
//!
//! What the roles grant is numbered when the issuer opens and when the roles
//! change, in one transaction with its audit entry, and published with the keys
//! before this returns: a token that says numbers is never made before whoever
//! asks for the key set is told what they mean. Nothing is ever taken back.
//!
//! Off unless [`PermissionForm::Numbers`] is chosen: services that read
//! `permissions` with another library than ours would find nothing there.

use std::collections::BTreeSet;

use doorward_policy::permission::PermissionPattern;
use doorward_verify::permission_numbers::PermissionNumbers;
use serde_json::json;

use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    error::StoreError,
    issuer::Issuer,
    store::contention::again,
};

/// How tokens say what their holder may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PermissionForm {
    /// By name, in `permissions`: what every library reads.
    #[default]
    Names,
    /// By name where that fits the largest token, else by number, in
    /// `permission_set`: what `doorward-verify` and the gateway read.
    Numbers,
}

impl Issuer {
    /// Gives what the roles grant at present its numbers, as far as it has none
    /// and there is room. Nothing is done where tokens say names.
    ///
    /// Returns how many have none, because the list is full: whoever holds one
    /// of them has names in their tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was numbered, and tokens say names meanwhile.
    pub async fn number_permissions(&self) -> Result<usize, StoreError> {
        if self.config().permissions == PermissionForm::Names {
            return Ok(0);
        }
        let roles = self.roles();
        let granted = roles
            .iter()
            .flat_map(|role| role.effective().iter().cloned());
        let granted: BTreeSet<PermissionPattern> = granted.collect();
        let known = self.key_ring().picture().numbers.clone();
        if known.extended(&granted).len() > known.len() {
            again(|| self.try_number(&granted)).await?;
            self.reload_keys().await?;
        }
        let ring = self.key_ring().picture();
        let numbered: BTreeSet<_> = ring.numbers.names().collect();
        let without = granted.iter().filter(|name| !numbered.contains(name));
        Ok(without.count())
    }

    async fn try_number(&self, granted: &BTreeSet<PermissionPattern>) -> Result<(), StoreError> {
        let mut tx = self.store().begin().await?;
        // A list with a row of somebody else's is not gone on with.
        let Some(names) = tx.permission_numbers().await? else {
            return Ok(());
        };
        let (actor, now) = (Actor::system(), self.clock().now());
        let known = PermissionNumbers::default().extended(&names);
        let next = known.extended(granted);
        for (number, name) in next.names().enumerate().skip(known.len()) {
            tx.insert_permission_number(number, name, now).await?;
        }
        tx.keys_changed().await?;
        let detail = json!({ "from": known.len(), "to": next.len() });
        let entry = AuditEntry::new(
            actor.at(now),
            Action::PermissionsNumber,
            Object::Installation,
        );
        tx.record(entry.detail(detail)).await?;
        tx.commit().await
    }
}
