//! What only the operator's side knows about a decision: the user's name
//! behind the `sub`, and the command that would turn a denial around.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use doorward_issuer::Issuer;
use doorward_policy::{decision::Decision, permission::Permission, role::Roles};

use crate::{
    admin_listener::{Annotated, Explained},
    decision_view,
};

/// Names held; forgotten all at once when there are more.
const NAMES: usize = 10_000;

/// Looks names up once and keeps them: an account's name never changes.
pub(super) struct Annotator {
    /// Who knows the names, if it is here.
    issuer: Option<Issuer>,
    roles: Arc<ArcSwap<Roles>>,
    names: Mutex<HashMap<String, String>>,
}

impl Annotator {
    pub(super) fn new(issuer: Option<Issuer>, roles: Arc<ArcSwap<Roles>>) -> Self {
        Self {
            issuer,
            roles,
            names: Mutex::default(),
        }
    }

    pub(super) async fn annotate(&self, mut decision: Decision) -> Explained {
        let caller_name = self.caller_name(&decision).await;
        if decision.fix.is_none() {
            let granting = self.granting(&decision);
            decision.fix = decision_view::fix(&decision, &granting, caller_name.as_deref());
        }
        Explained {
            decision,
            caller_name,
        }
    }

    /// The same as a value for the admin listener.
    pub(super) fn boxed(self: &Arc<Self>) -> Box<dyn Fn(Decision) -> Annotated + Send + Sync> {
        let annotator = Arc::clone(self);
        Box::new(move |decision| {
            let annotator = Arc::clone(&annotator);
            Box::pin(async move { annotator.annotate(decision).await })
        })
    }

    /// `reader@acme`.
    async fn caller_name(&self, decision: &Decision) -> Option<String> {
        // Another issuer's subject is no account of ours.
        let caller = decision.caller.as_ref()?;
        if caller.issuer.is_some() {
            return None;
        }
        let username = self.username(&caller.subject).await?;
        Some(match &caller.tenant {
            Some(tenant) => format!("{username}@{tenant}"),
            None => username,
        })
    }

    async fn username(&self, subject: &str) -> Option<String> {
        if let Some(name) = self.held().get(subject) {
            return Some(name.clone());
        }
        // Without the database the line goes out with the id alone.
        let issuer = self.issuer.as_ref()?;
        let name = match issuer.account_by_id(subject).await.ok()? {
            Some(account) => account.username.to_string(),
            None => issuer.client_name(subject).await.ok()??.to_string(),
        };
        let mut held = self.held();
        if held.len() >= NAMES {
            held.clear();
        }
        held.insert(subject.to_owned(), name.clone());
        Some(name)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        // Each change is one insert: a panic elsewhere leaves the map whole.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Roles that would give the missing permission.
    fn granting(&self, decision: &Decision) -> Vec<String> {
        let wanted = decision_view::wanted_permission(decision);
        let Some(permission) = wanted.and_then(|wanted| Permission::parse(wanted).ok()) else {
            return Vec::new();
        };
        let roles = self.roles.load();
        roles
            .granting(&permission)
            .into_iter()
            .map(ToString::to_string)
            .collect()
    }
}
