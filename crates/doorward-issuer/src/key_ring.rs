//! Signing keys and their life: pending, published, signing, verifying,
//! destroyed.
//!
//! Clients and gateways cache the JWKS for up to
//! [`Config::jwks_max_age`](crate::Config::jwks_max_age). So that none of them
//! ever meets a token whose key it has not seen, a key is published for that
//! long and the clock leeway before it signs ([`KeyState::sign`] refuses
//! earlier), and stays published until the last token that it signed has
//! expired. The private half is gone from memory and database as soon as the
//! key no longer signs: who steals it must steal it while it is in use.
//!
//! Withdrawal is for a key that leaked, and breaks the first half of the rule
//! on purpose: the replacement signs at once.
//!
//! The ring in memory is a picture of the table; every change is written
//! first, in one transaction with its audit entry (`change`), and the picture
//! is drawn again.

mod change;
mod state;

use std::sync::Arc;

use arc_swap::ArcSwap;
use doorward_jose::{
    algorithm::Algorithm, jwk::Jwk, jwk_set::KeySet, signing_key::SigningKey, time::UnixTime,
    verifying_key::VerifyingKey,
};
use doorward_verify::{
    key_source::KeySource,
    permission_numbers::{self, PermissionNumbers},
};
use tokio::sync::Mutex;

use crate::{
    config::{CLOCK_LEEWAY, Config},
    error::StoreError,
    master_key::seal::{Place, Sealer},
    store::{KeyRow, Store},
};

pub use state::{KeyRingError, KeyState};

pub(crate) use change::{advance, generate, publish, replace_all, sign_at_once, withdraw};

/// A key as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// `kid`: the RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// Name of its state.
    pub state: &'static str,
    /// The moment that belongs to the state: since when, and for a verifying
    /// key until when.
    pub moment: UnixTime,
}

/// When keys change by themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// How long a key must be published before it signs, seconds.
    pub(crate) wait: u64,
    /// How long a key signs, seconds.
    pub(crate) signing_life: u64,
}

impl Schedule {
    pub(crate) fn new(config: &Config) -> Self {
        let wait = config.jwks_max_age + CLOCK_LEEWAY;
        Self {
            wait,
            signing_life: config.signing_key_lifetime,
        }
    }

    /// When a key in this state moves on by itself.
    fn due(self, state: &KeyState, successor_waits: bool) -> Option<UnixTime> {
        match state {
            KeyState::Published { since } => Some(since.saturating_add(self.wait)),
            // Its successor is published early enough to take over in time.
            KeyState::Signing { since } if !successor_waits => {
                Some(since.saturating_add(self.signing_life.saturating_sub(self.wait)))
            }
            KeyState::Verifying { until } => Some(*until),
            _ => None,
        }
    }
}

/// The keys of this process: what signs, and what verifiers are shown.
pub(crate) struct KeyRing {
    picture: ArcSwap<Picture>,
    source: KeySource,
    /// Held while the picture is drawn, so that an older one never replaces
    /// a newer one.
    drawing: Mutex<()>,
}

/// The keys as they were at one moment.
pub(crate) struct Picture {
    pub(crate) signing: Option<SigningKey>,
    pub(crate) jwks: Arc<str>,
    /// What numbers in tokens mean, published with the keys.
    pub(crate) numbers: PermissionNumbers,
    pub(crate) keys: Vec<KeyInfo>,
    /// When the next key moves on by itself.
    pub(crate) due: Option<UnixTime>,
    /// Head of the changes that it shows.
    pub(crate) head: i64,
}

/// A key of the table does not open or is not what it says.
#[derive(Debug)]
pub(crate) enum LoadError {
    Damaged { kid: String },
    Store(StoreError),
}

impl KeyRing {
    pub(crate) async fn load(
        store: &Store,
        sealer: &Sealer,
        schedule: Schedule,
    ) -> Result<Self, LoadError> {
        let (picture, keys) = draw(store, sealer, schedule).await?;
        if let (None, Some(kid)) = (&picture.signing, store.row_macs().refused_of("signing_key")) {
            return Err(LoadError::Damaged { kid });
        }
        Ok(Self {
            picture: ArcSwap::from_pointee(picture),
            source: KeySource::fixed(keys),
            drawing: Mutex::new(()),
        })
    }

    /// Draws the picture again; verifiers see the new keys when this returns.
    pub(crate) async fn reload(
        &self,
        store: &Store,
        sealer: &Sealer,
        schedule: Schedule,
    ) -> Result<(), LoadError> {
        let _drawing = self.drawing.lock().await;
        let (picture, keys) = draw(store, sealer, schedule).await?;
        self.source.replace(keys);
        self.picture.store(Arc::new(picture));
        Ok(())
    }

    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.picture.load_full()
    }

    pub(crate) fn source(&self) -> KeySource {
        self.source.clone()
    }
}

async fn draw(
    store: &Store,
    sealer: &Sealer,
    schedule: Schedule,
) -> Result<(Picture, KeySet), LoadError> {
    // The head first: if a change slips in between, the picture is newer than
    // it says and is merely drawn once more.
    let head = store.heads().await.map_err(LoadError::Store)?.keys;
    let rows = store.keys().await.map_err(LoadError::Store)?;
    let mut signing = None;
    let mut shown = Vec::new();
    for row in &rows {
        let public = public_key(row)?;
        if let KeyState::Signing { .. } = row.state {
            if signing.is_some() {
                let two = StoreError::Corrupt("two keys are signing".to_owned());
                return Err(LoadError::Store(two));
            }
            signing = Some(private_key(row, sealer)?);
        }
        if !matches!(
            row.state,
            KeyState::Pending { .. } | KeyState::Destroyed { .. }
        ) {
            shown.push(public);
        }
    }
    let numbers = store.permission_numbers().await.map_err(LoadError::Store)?;
    let numbers = PermissionNumbers::default().extended(&numbers.unwrap_or_default());
    let keys = KeySet::from_iter(shown);
    let keys = match numbers.is_empty() {
        true => keys,
        false => keys.with_member(permission_numbers::MEMBER, numbers.to_member()),
    };
    let successor_waits = rows
        .iter()
        .any(|row| matches!(row.state, KeyState::Published { .. }));
    let picture = Picture {
        signing,
        jwks: keys.to_jwks_json().into(),
        numbers,
        keys: rows.iter().map(info).collect(),
        due: rows
            .iter()
            .filter_map(|row| schedule.due(&row.state, successor_waits))
            .min(),
        head,
    };
    Ok((picture, keys))
}

/// INVARIANT: the kid is the thumbprint of the public key, so neither half of
/// a row can be exchanged without the other.
fn public_key(row: &KeyRow) -> Result<VerifyingKey, LoadError> {
    let damaged = || LoadError::Damaged {
        kid: row.kid.clone(),
    };
    let algorithm = Algorithm::from_name(&row.algorithm).ok_or_else(damaged)?;
    let jwk = Jwk::parse(row.public_jwk.as_bytes()).map_err(|_| damaged())?;
    if jwk.thumbprint() != row.kid {
        return Err(damaged());
    }
    VerifyingKey::from_jwk(&jwk, Some(algorithm)).map_err(|_| damaged())
}

fn private_key(row: &KeyRow, sealer: &Sealer) -> Result<SigningKey, LoadError> {
    let damaged = || LoadError::Damaged {
        kid: row.kid.clone(),
    };
    let algorithm = Algorithm::from_name(&row.algorithm).ok_or_else(damaged)?;
    let sealed = row.sealed_private.as_deref().ok_or_else(damaged)?;
    let pkcs8 = sealer
        .open(place(&row.kid), sealed)
        .map_err(|_| damaged())?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8).map_err(|_| damaged())?;
    if key.key_id() == row.kid {
        Ok(key)
    } else {
        Err(damaged())
    }
}

fn place(kid: &str) -> Place<'_> {
    Place {
        table: "signing_key",
        id: kid,
        beside: &[],
    }
}

fn info(row: &KeyRow) -> KeyInfo {
    KeyInfo {
        kid: row.kid.clone(),
        algorithm: row.algorithm.clone(),
        state: row.state.name(),
        moment: row.state.moment(),
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::time::UnixTime;

    use super::{KeyState, Schedule};

    #[test]
    fn a_successor_is_published_in_time_and_only_one() {
        let schedule = Schedule {
            wait: 330,
            signing_life: 1000,
        };
        let signing = KeyState::Signing {
            since: UnixTime::from_secs(0),
        };
        assert_eq!(
            schedule.due(&signing, false),
            Some(UnixTime::from_secs(670))
        );
        assert_eq!(schedule.due(&signing, true), None);
    }
}
