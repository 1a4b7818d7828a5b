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

use std::sync::Arc;

use arc_swap::ArcSwap;
use doorward_jose::{
    algorithm::Algorithm, jwk::Jwk, jwk_set::KeySet, signing_key::SigningKey, time::UnixTime,
    verifying_key::VerifyingKey,
};
use doorward_verify::key_source::KeySource;
use tokio::sync::Mutex;

use crate::{
    config::{CLOCK_LEEWAY, Config},
    error::StoreError,
    master_key::seal::{Place, Sealer},
    store::{KeyRow, Store},
};

pub(crate) use change::{advance, first_key, generate, publish, withdraw};

/// Where a key is in its life. Each transition consumes the state, and is
/// refused from any other.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Made, and known to nobody.
    Pending {
        /// Since when.
        since: UnixTime,
    },
    /// In the JWKS, and not signing yet.
    Published {
        /// Since when.
        since: UnixTime,
    },
    /// Signs.
    Signing {
        /// Since when.
        since: UnixTime,
    },
    /// Its tokens are still good; its private half is gone.
    Verifying {
        /// Until its last token has expired.
        until: UnixTime,
    },
    /// Gone.
    Destroyed {
        /// When.
        at: UnixTime,
    },
}

/// A change that the ring does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No such key, or it is destroyed already.
    #[error("there is no live signing key {0}")]
    NoSuchKey(String),
    /// Clients may not have seen the key yet.
    #[error("the key was not published for long enough; it may sign in {seconds} s")]
    TooYoung {
        /// How long to wait.
        seconds: u64,
    },
    /// There is no such transition.
    #[error("a key that is {from} cannot become {to}")]
    Transition {
        /// What it is.
        from: &'static str,
        /// What it should become.
        to: &'static str,
    },
    /// The crypto library made none.
    #[error("a signing key cannot be made: {0}")]
    Generate(String),
}

impl KeyState {
    /// Pending to published: into the JWKS.
    pub fn publish(self, now: UnixTime) -> Result<Self, KeyRingError> {
        match self {
            Self::Pending { .. } => Ok(Self::Published { since: now }),
            other => Err(other.cannot("published")),
        }
    }

    /// Published to signing.
    ///
    /// # Errors
    ///
    /// When it was published for less than `wait` seconds.
    pub fn sign(self, now: UnixTime, wait: u64) -> Result<Self, KeyRingError> {
        match self {
            Self::Published { since } => {
                let age = now.as_secs().saturating_sub(since.as_secs());
                match wait.saturating_sub(age) {
                    0 => Ok(Self::Signing { since: now }),
                    seconds => Err(KeyRingError::TooYoung { seconds }),
                }
            }
            other => Err(other.cannot("signing")),
        }
    }

    /// Pending or published to signing at once: for the first key of all,
    /// before anybody cached a JWKS, and in place of a withdrawn one.
    pub fn sign_at_once(self, now: UnixTime) -> Result<Self, KeyRingError> {
        match self {
            Self::Pending { .. } | Self::Published { .. } => Ok(Self::Signing { since: now }),
            other => Err(other.cannot("signing")),
        }
    }

    /// Signing to verifying, until its last token has expired.
    pub fn retire(self, until: UnixTime) -> Result<Self, KeyRingError> {
        match self {
            Self::Signing { .. } => Ok(Self::Verifying { until }),
            other => Err(other.cannot("verifying")),
        }
    }

    /// Verifying to destroyed, once its last token has expired.
    pub fn expire(self, now: UnixTime) -> Result<Self, KeyRingError> {
        match self {
            Self::Verifying { until } if until <= now => Ok(Self::Destroyed { at: now }),
            other => Err(other.cannot("destroyed")),
        }
    }

    /// Any living state to destroyed: its tokens are refused from now on.
    pub fn withdraw(self, now: UnixTime) -> Result<Self, KeyRingError> {
        match self {
            Self::Destroyed { .. } => Err(self.cannot("destroyed")),
            _ => Ok(Self::Destroyed { at: now }),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Published { .. } => "published",
            Self::Signing { .. } => "signing",
            Self::Verifying { .. } => "verifying",
            Self::Destroyed { .. } => "destroyed",
        }
    }

    /// The moment that belongs to it.
    pub const fn moment(&self) -> UnixTime {
        match self {
            Self::Pending { since } | Self::Published { since } | Self::Signing { since } => *since,
            Self::Verifying { until } => *until,
            Self::Destroyed { at } => *at,
        }
    }

    pub(crate) const fn has_private_half(&self) -> bool {
        matches!(
            self,
            Self::Pending { .. } | Self::Published { .. } | Self::Signing { .. }
        )
    }

    pub(crate) fn from_stored(name: &str, at: UnixTime) -> Option<Self> {
        Some(match name {
            "pending" => Self::Pending { since: at },
            "published" => Self::Published { since: at },
            "signing" => Self::Signing { since: at },
            "verifying" => Self::Verifying { until: at },
            "destroyed" => Self::Destroyed { at },
            _ => return None,
        })
    }

    const fn cannot(&self, to: &'static str) -> KeyRingError {
        KeyRingError::Transition {
            from: self.name(),
            to,
        }
    }
}

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
    let keys = KeySet::from_iter(shown);
    let successor_waits = rows
        .iter()
        .any(|row| matches!(row.state, KeyState::Published { .. }));
    let picture = Picture {
        signing,
        jwks: keys.to_jwks_json().into(),
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
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_jose::time::UnixTime;

    use super::{KeyRingError, KeyState, Schedule};

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_key_lives_through_every_state_once() {
        let state = KeyState::Pending { since: at(0) };
        let state = state.publish(at(10)).unwrap();
        let state = state.sign(at(340), 330).unwrap();
        assert!(state.has_private_half());
        let state = state.retire(at(700)).unwrap();
        assert!(!state.has_private_half());
        let state = state.expire(at(700)).unwrap();
        assert_eq!(state, KeyState::Destroyed { at: at(700) });
    }

    #[test]
    fn key_014_a_key_that_clients_may_not_have_seen_does_not_sign() {
        let published = || KeyState::Published { since: at(100) };
        assert_eq!(
            published().sign(at(429), 330),
            Err(KeyRingError::TooYoung { seconds: 1 })
        );
        assert!(published().sign(at(430), 330).is_ok());
        // A clock that went back does not make it older.
        assert_eq!(
            published().sign(at(50), 330),
            Err(KeyRingError::TooYoung { seconds: 330 })
        );
    }

    #[test]
    fn every_other_transition_is_refused() {
        let states = || {
            [
                KeyState::Pending { since: at(0) },
                KeyState::Published { since: at(0) },
                KeyState::Signing { since: at(0) },
                KeyState::Verifying { until: at(500) },
                KeyState::Destroyed { at: at(0) },
            ]
        };
        let allowed = |transition: fn(KeyState) -> Result<KeyState, KeyRingError>| {
            let names = states().map(|state| {
                let name = state.name();
                transition(state).is_ok().then_some(name)
            });
            names.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(allowed(|state| state.publish(at(999))), ["pending"]);
        assert_eq!(allowed(|state| state.sign(at(999), 330)), ["published"]);
        assert_eq!(
            allowed(|state| state.sign_at_once(at(999))),
            ["pending", "published"]
        );
        assert_eq!(allowed(|state| state.retire(at(999))), ["signing"]);
        assert_eq!(allowed(|state| state.expire(at(499))), [""; 0]);
        assert_eq!(allowed(|state| state.expire(at(500))), ["verifying"]);
        assert_eq!(
            allowed(|state| state.withdraw(at(999))),
            ["pending", "published", "signing", "verifying"]
        );
    }

    #[test]
    fn states_survive_the_store() {
        for name in ["pending", "published", "signing", "verifying", "destroyed"] {
            let state = KeyState::from_stored(name, at(5)).unwrap();
            assert_eq!((state.name(), state.moment()), (name, at(5)));
        }
        assert!(KeyState::from_stored("signed", at(5)).is_none());
    }

    #[test]
    fn a_successor_is_published_in_time_and_only_one() {
        let schedule = Schedule {
            wait: 330,
            signing_life: 1000,
        };
        let signing = KeyState::Signing { since: at(0) };
        assert_eq!(schedule.due(&signing, false), Some(at(670)));
        assert_eq!(schedule.due(&signing, true), None);
    }
}
