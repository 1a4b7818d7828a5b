//! The life of one signing key, as transitions that consume.

use doorward_jose::time::UnixTime;

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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_jose::time::UnixTime;

    use super::{KeyRingError, KeyState};

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
}
