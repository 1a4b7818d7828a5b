//! Signing keys: the operator's.

use super::{
    call::{Call, Said},
    shape::answer,
};
use crate::http::error::Refusal;

answer! {
    /// A signing key.
    Key {
        /// The RFC 7638 thumbprint of its public half
        kid: String,
        /// What it signs with
        algorithm: String,
        /// `pending`, `published`, `signing` or `verifying`
        state: String,
        /// Since when, and for `verifying` until when; seconds since 1970
        moment: u64,
    }
}

answer! {
    /// The signing keys.
    Keys {
        /// The oldest first
        items: Vec<Key>,
    }
}

answer! {
    /// A key that takes over once every client has seen it.
    NewKey {
        /// The RFC 7638 thumbprint of its public half
        kid: String,
    }
}

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let keys = call.admin().signing_keys().into_iter().map(|key| Key {
        kid: key.kid,
        algorithm: key.algorithm,
        state: key.state.to_owned(),
        moment: key.moment.as_secs(),
    });
    Said::ok(&Keys {
        items: keys.collect(),
    })
}

pub(super) async fn rotate(call: Call) -> Result<Said, Refusal> {
    let kid = call.admin().rotate_key().await?;
    Said::made(&NewKey { kid })
}

pub(super) async fn withdraw(call: Call) -> Result<Said, Refusal> {
    call.admin().withdraw_key(call.path("kid")).await?;
    Ok(Said::nothing())
}
