//! Changes of the signing keys: each one transaction, with its audit entry.

use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey, time::UnixTime};
use doorward_verify::{clock::Timestamp, revocation::Revocation};
use serde_json::json;

use super::{KeyRingError, KeyState, Schedule, place};
use crate::{
    audit::{Action, Actor, AuditEntry, Object, Stamp},
    config::CLOCK_LEEWAY,
    error::{AdminError, StoreError},
    master_key::seal::Sealer,
    revocation::revoke,
    store::{KeyRow, Tx},
};

/// Makes a pending key. Not in a transaction: RSA takes a while.
pub(crate) fn generate(
    algorithm: Algorithm,
    sealer: &Sealer,
    now: UnixTime,
) -> Result<KeyRow, KeyRingError> {
    let failed = |error: doorward_jose::error::KeyError| KeyRingError::Generate(error.to_string());
    let key = SigningKey::generate(algorithm).map_err(failed)?;
    let jwk = key.verifying_key().to_jwk();
    let jwk =
        jwk.ok_or_else(|| KeyRingError::Generate(format!("{algorithm} has no public key")))?;
    let pkcs8 = key.to_pkcs8().map_err(failed)?;
    Ok(KeyRow {
        kid: key.key_id().to_owned(),
        algorithm: algorithm.to_string(),
        public_jwk: serde_json::Value::Object(jwk.to_object()).to_string(),
        sealed_private: Some(sealer.seal(place(key.key_id()), &pkcs8)),
        state: KeyState::Pending { since: now },
    })
}

/// The first key of an installation signs at once, because nobody has cached a
/// JWKS; so does one in the place of withdrawn ones, whose tokens are refused.
pub(crate) async fn sign_at_once(
    tx: &mut Tx,
    key: KeyRow,
    stamp: Stamp<'_>,
) -> Result<(), AdminError> {
    let key = KeyRow {
        state: key.state.sign_at_once(stamp.at.unix())?,
        ..key
    };
    insert(tx, &key, Action::KeyActivate, stamp).await
}

/// Publishes a key; it signs when it has been published for long enough. If
/// one is published already, that one stays and its kid is returned.
pub(crate) async fn publish(
    tx: &mut Tx,
    key: KeyRow,
    stamp: Stamp<'_>,
) -> Result<String, AdminError> {
    let waiting = tx.keys().await?.into_iter().find(is_published);
    if let Some(waiting) = waiting {
        return Ok(waiting.kid);
    }
    let key = KeyRow {
        state: key.state.publish(stamp.at.unix())?,
        ..key
    };
    insert(tx, &key, Action::KeyPublish, stamp).await?;
    Ok(key.kid)
}

/// Moves every key that is due along its schedule. `fresh` is published if a
/// successor is due. `true` if anything changed.
pub(crate) async fn advance(
    tx: &mut Tx,
    fresh: KeyRow,
    schedule: Schedule,
    now: Timestamp,
) -> Result<bool, AdminError> {
    let system = Actor::system();
    let stamp = system.at(now);
    let mut keys = tx.keys().await?;
    let successor = keys
        .iter()
        .position(|key| is_due(key, schedule, now) && is_published(key));
    let mut changed = false;
    if let Some(successor) = successor {
        let successor = keys.swap_remove(successor);
        if let Some(position) = keys.iter().position(is_signing) {
            retire(tx, keys.swap_remove(position), stamp).await?;
        }
        let next = successor.state.sign(now.unix(), schedule.wait)?;
        transition(tx, &successor.kid, &next, Action::KeyActivate, stamp).await?;
        changed = true;
    } else if keys
        .iter()
        .any(|key| is_signing(key) && is_due(key, schedule, now))
    {
        // `publish` leaves everything as it is if a successor waits already.
        let kid = fresh.kid.clone();
        changed = publish(tx, fresh, stamp).await? == kid;
    }
    for key in keys
        .into_iter()
        .filter(|key| matches!(key.state, KeyState::Verifying { .. }))
    {
        if let Ok(next) = key.state.expire(now.unix()) {
            transition(tx, &key.kid, &next, Action::KeyDestroy, stamp).await?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Destroys a key and refuses its tokens. If it was signing, a published key
/// or else `fresh` signs from now on, without waiting.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    kid: &str,
    fresh: KeyRow,
    stamp: Stamp<'_>,
) -> Result<(), AdminError> {
    let mut keys = tx.keys().await?;
    let position = keys.iter().position(|key| key.kid == kid);
    let position = position.ok_or_else(|| KeyRingError::NoSuchKey(kid.to_owned()))?;
    let withdrawn = keys.swap_remove(position);
    let was_signing = is_signing(&withdrawn);
    destroy(tx, withdrawn, stamp).await?;
    if !was_signing {
        return Ok(());
    }
    match keys.into_iter().find(is_published) {
        Some(successor) => {
            let next = successor.state.sign_at_once(stamp.at.unix())?;
            transition(tx, &successor.kid, &next, Action::KeyActivate, stamp).await
        }
        None => sign_at_once(tx, fresh, stamp).await,
    }
}

/// Destroys every key and lets `fresh` sign at once: for a store that may have
/// forgotten which of them was withdrawn.
pub(crate) async fn replace_all(
    tx: &mut Tx,
    fresh: KeyRow,
    stamp: Stamp<'_>,
) -> Result<(), AdminError> {
    for key in tx.keys().await? {
        destroy(tx, key, stamp).await?;
    }
    sign_at_once(tx, fresh, stamp).await
}

/// Takes a key away before its time, and refuses its tokens.
async fn destroy(tx: &mut Tx, key: KeyRow, stamp: Stamp<'_>) -> Result<(), AdminError> {
    let KeyRow { kid, state, .. } = key;
    let next = state.withdraw(stamp.at.unix())?;
    transition(tx, &kid, &next, Action::KeyWithdraw, stamp).await?;
    Ok(revoke(tx, Revocation::Key { kid }, "key_withdrawn", stamp.at).await?)
}

async fn retire(tx: &mut Tx, key: KeyRow, stamp: Stamp<'_>) -> Result<(), AdminError> {
    let installation = tx
        .installation()
        .await?
        .ok_or_else(StoreError::no_installation)?;
    let longest = installation.longest_access_token;
    // Another process may sign with it until it notices, and verifiers grant
    // a leeway; twice the leeway covers both.
    let until = stamp.at.unix().saturating_add(longest + 2 * CLOCK_LEEWAY);
    let next = key.state.retire(until)?;
    transition(tx, &key.kid, &next, Action::KeyRetire, stamp).await
}

async fn insert(
    tx: &mut Tx,
    key: &KeyRow,
    action: Action,
    stamp: Stamp<'_>,
) -> Result<(), AdminError> {
    tx.insert_key(key, stamp.at).await?;
    tx.keys_changed().await?;
    let detail = json!({ "algorithm": key.algorithm });
    let entry = AuditEntry::new(stamp, action, Object::Key(&key.kid)).detail(detail);
    Ok(tx.record(entry).await?)
}

async fn transition(
    tx: &mut Tx,
    kid: &str,
    next: &KeyState,
    action: Action,
    stamp: Stamp<'_>,
) -> Result<(), AdminError> {
    tx.set_key_state(kid, next).await?;
    tx.keys_changed().await?;
    Ok(tx
        .record(AuditEntry::new(stamp, action, Object::Key(kid)))
        .await?)
}

fn is_published(key: &KeyRow) -> bool {
    matches!(key.state, KeyState::Published { .. })
}

fn is_signing(key: &KeyRow) -> bool {
    matches!(key.state, KeyState::Signing { .. })
}

fn is_due(key: &KeyRow, schedule: Schedule, now: Timestamp) -> bool {
    schedule
        .due(&key.state, false)
        .is_some_and(|due| due <= now.unix())
}
