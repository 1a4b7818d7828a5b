//! The issuer whose tokens the gateway takes first: in this process, or
//! elsewhere.

use std::sync::Arc;

use doorward_gateway::{LocalService, api_key::KeyExchange};
use doorward_issuer::Issuer;
use doorward_verify::{revocation::RevocationSet, verifier::TrustedIssuer};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{elsewhere::Elsewhere, follow, wiring};
use crate::admin_listener::Readiness;

/// Where the issuer is.
pub(super) enum Home {
    /// In this process, with its database.
    Here(Issuer),
    /// In another one: no secret of it is in this process.
    Elsewhere(Box<Elsewhere>),
}

impl Home {
    /// The issuer, if it is here.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        match self {
            Self::Here(issuer) => Some(issuer),
            Self::Elsewhere(_) => None,
        }
    }

    /// Whom the verifier trusts.
    pub(super) fn trusted(&self) -> TrustedIssuer {
        match self {
            Self::Here(issuer) => issuer.trusted(),
            Self::Elsewhere(elsewhere) => elsewhere.trusted(),
        }
    }

    /// What is revoked, where the issuer has no feed of its own.
    pub(super) fn revocations(&self) -> Arc<RevocationSet> {
        match self {
            Self::Here(issuer) => issuer.revocations(),
            Self::Elsewhere(_) => RevocationSet::new(),
        }
    }

    /// What Doorward answers itself: the issuer's endpoints, or nothing.
    pub(super) fn local_service(&self) -> LocalService {
        match self {
            Self::Here(issuer) => wiring::local_service(issuer, Handle::current()),
            Self::Elsewhere(_) => wiring::nothing_here(),
        }
    }

    /// Where API keys become tokens: at the issuer, so elsewhere none is taken.
    pub(super) fn key_exchange(&self) -> Option<KeyExchange> {
        let issuer = self.issuer()?;
        Some(wiring::key_exchange(issuer, Handle::current()))
    }

    /// What `/readyz` says.
    pub(super) fn readiness(&self) -> Box<dyn Fn() -> Readiness + Send + Sync> {
        match self {
            Self::Here(_) => Box::new(Readiness::always),
            Self::Elsewhere(elsewhere) => elsewhere.readiness(),
        }
    }

    /// Follows whatever changes behind the gateway's back.
    pub(super) fn follow(self) -> Vec<JoinHandle<()>> {
        match self {
            Self::Here(issuer) => vec![follow::issuer(issuer.clone()), follow::feed(issuer)],
            Self::Elsewhere(elsewhere) => elsewhere.follow(),
        }
    }
}
