//! Key sets (RFC 7517 section 5).
//!
//! Keys that this crate does not understand are left out one by one, as the RFC
//! asks, and reported. What makes a set ambiguous or a leak refuses the whole:
//! two keys of one id, private members, a shared secret among public keys.

use std::collections::HashSet;

use crate::{
    algorithm::Algorithm,
    error::{KeyError, KeyErrorKind},
    json::{self, JsonError, Object, Value, parse_object},
    jwk::Jwk,
    verifying_key::{VerifyingKey, only_fitting},
};

/// How many keys are tried for one token.
pub const MAX_CANDIDATES: usize = 3;

/// Bounds on a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes; 256 KiB by default.
    pub max_bytes: usize,
    /// Number of keys; 32 by default.
    pub max_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: json::Limits::KEY_SET.max_bytes,
            max_keys: 32,
        }
    }
}

/// The name of RFC 7517 for a [`KeySet`] in JSON.
pub type JwkSet = KeySet;

/// Keys to verify with, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
    /// What stands beside `keys`.
    members: Object,
}

/// A key of a set that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its `kid`, if it has a readable one.
    pub key_id: Option<String>,
    /// Why it was left out.
    pub reason: KeyError,
}

impl KeySet {
    /// Reads a key set. A key that does not say its algorithm is left out
    /// where several would fit (RSA, Ed25519); see [`Self::parse_for`].
    ///
    /// ```
    /// use doorward_jose::{
    ///     algorithm::Algorithm,
    ///     jwk_set::{KeySet, Limits},
    ///     signing_key::SigningKey,
    /// };
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// let published = KeySet::from_iter([key.verifying_key()]).to_jwks_json();
    /// let keys = KeySet::parse(published.as_bytes(), Limits::default())?;
    /// assert_eq!(keys.candidates(Algorithm::Es256, Some(key.key_id())).count(), 1);
    /// # Ok::<(), doorward_jose::error::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the text is not a strict key set within `limits`, if the
    /// set is ambiguous or leaks a secret, or if no key of it can be used.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Self, KeyError> {
        Self::parse_for(bytes, limits, Algorithm::ALL)
    }

    /// Reads a key set for exactly these algorithms: a key without `alg` gets
    /// the only one that fits it, and a key of another algorithm is left out.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_for(
        bytes: &[u8],
        limits: Limits,
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyError> {
        let (keys, members) = key_objects(bytes, limits)?;
        refuse_duplicate_ids(&keys)?;
        let mut set = Self {
            members,
            ..Self::default()
        };
        for key in &keys {
            match usable_key(key, algorithms) {
                Ok(usable) if set.names_another(&usable) => {
                    return Err(KeyErrorKind::DuplicateKeyId.into());
                }
                Ok(usable) => set.keys.push(usable),
                Err(error) if concerns_the_set(error) => return Err(error),
                Err(reason) => {
                    let key_id = key.get("kid").and_then(Value::as_str).map(str::to_owned);
                    set.skipped.push(SkippedKey { key_id, reason });
                }
            }
        }
        match set.keys.is_empty() {
            true => Err(KeyErrorKind::NoUsableKey.into()),
            false => Ok(set),
        }
    }

    /// Whether the id of `key` is that of a different key of this set. Ids that
    /// are written are told apart before; a key without one is known by its
    /// thumbprint, which another may claim as its id.
    fn names_another(&self, key: &VerifyingKey) -> bool {
        let thumbprint = |key: &VerifyingKey| key.to_jwk().map(|jwk| jwk.thumbprint());
        self.iter()
            .filter(|other| other.key_id() == key.key_id())
            .any(|other| thumbprint(other) != thumbprint(key))
    }

    /// The keys to try for a token: of its algorithm, of its key id if it
    /// names one, and at most [`MAX_CANDIDATES`].
    pub fn candidates(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> impl Iterator<Item = &VerifyingKey> {
        let named = move |key: &&VerifyingKey| key_id.is_none() || key.key_id() == key_id;
        self.iter()
            .filter(move |key| key.algorithm() == algorithm)
            .filter(named)
            .take(MAX_CANDIDATES)
    }

    /// Every usable key.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// The keys that were left out when the set was read.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// What the document says beside `keys` under `name` (RFC 7517 section 5
    /// lets there be other members, of the issuer's own).
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// This set, with no other member beside `keys` than `name`.
    #[must_use]
    pub fn with_only_member(mut self, name: &str) -> Self {
        self.members.retain(|member, _| member == name);
        self
    }

    /// This set, with another member beside `keys`.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>, value: Value) -> Self {
        self.members.insert(name.into(), value);
        self
    }

    /// Number of usable keys.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The public keys as a JWK set document, with the other members; shared
    /// secrets are left out.
    pub fn to_jwks_json(&self) -> String {
        let keys: Vec<Value> = self
            .iter()
            .filter_map(VerifyingKey::to_jwk)
            .map(|jwk| Value::Object(jwk.to_object()))
            .collect();
        let mut set = self.members.clone();
        set.insert("keys".to_owned(), keys.into());
        Value::Object(set).to_string()
    }
}

/// A later key under the id of an earlier one is left out: an id names one key.
impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            let known = |other: &VerifyingKey| other.key_id() == key.key_id();
            if key.key_id().is_none() || !set.iter().any(known) {
                set.keys.push(key);
            }
        }
        set
    }
}

/// The keys of a document, and what stands beside them.
fn key_objects(bytes: &[u8], limits: Limits) -> Result<(Vec<Object>, Object), KeyError> {
    let bounds = json::Limits {
        max_bytes: limits.max_bytes,
        ..json::Limits::KEY_SET
    };
    let mut set = parse_object(bytes, bounds).map_err(|error| match error {
        JsonError::TooLarge => KeyErrorKind::TooLarge,
        _ => KeyErrorKind::Malformed,
    })?;
    let Some(Value::Array(keys)) = set.remove("keys") else {
        return Err(KeyErrorKind::Malformed.into());
    };
    if keys.len() > limits.max_keys {
        return Err(KeyErrorKind::TooManyKeys.into());
    }
    let keys = keys.into_iter().map(|key| match key {
        Value::Object(key) => Ok(key),
        _ => Err(KeyErrorKind::Malformed.into()),
    });
    Ok((keys.collect::<Result<_, KeyError>>()?, set))
}

fn refuse_duplicate_ids(keys: &[Object]) -> Result<(), KeyError> {
    let mut seen = HashSet::new();
    let mut ids = keys
        .iter()
        .filter_map(|key| key.get("kid"))
        .filter_map(Value::as_str);
    match ids.all(|id| seen.insert(id)) {
        true => Ok(()),
        false => Err(KeyErrorKind::DuplicateKeyId.into()),
    }
}

fn usable_key(key: &Object, algorithms: &[Algorithm]) -> Result<VerifyingKey, KeyError> {
    let jwk = Jwk::from_object(key)?;
    let algorithm = match jwk.algorithm() {
        Some(declared) if algorithms.contains(&declared) => declared,
        Some(_) => return Err(KeyErrorKind::AlgorithmMismatch.into()),
        None => only_fitting(&jwk.key, algorithms)?,
    };
    VerifyingKey::from_jwk(&jwk, Some(algorithm))
}

/// A secret in a public document is a leak, whichever key we wanted.
const fn concerns_the_set(error: KeyError) -> bool {
    matches!(
        error.kind(),
        KeyErrorKind::PrivateMember | KeyErrorKind::SecretAndPublicMixed
    )
}

#[cfg(test)]
mod tests;
