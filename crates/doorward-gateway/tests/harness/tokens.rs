//! Tokens by a key of our own, at a time that stands still.

use doorward_verify::{
    claim_mapping::ClaimMapping,
    jose::{
        algorithm::Algorithm, jwk_set::KeySet, signing_key::SigningKey, validation::Validation,
    },
    key_source::KeySource,
    verifier::TrustedIssuer,
};
use serde_json::{Value, json};

/// The present, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

const ISSUER: &str = "http://127.0.0.1:4180";

/// `iss` of [`Tokens::foreign`].
pub(crate) const FOREIGN_ISSUER: &str = "https://id.test";

const AUDIENCE: &str = "orders";

pub(crate) struct Tokens {
    key: SigningKey,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self {
            key: SigningKey::generate(Algorithm::Es256).unwrap(),
        }
    }

    pub(crate) fn trusted(&self) -> TrustedIssuer {
        trust([self.key.verifying_key()].into_iter().collect())
    }

    /// Another issuer, whose `permissions` are believed.
    pub(crate) fn foreign(&self) -> TrustedIssuer {
        let keys = [self.key.verifying_key()].into_iter().collect();
        trust_in(FOREIGN_ISSUER, keys).mapped(ClaimMapping::nothing().permissions_in("permissions"))
    }

    pub(crate) fn without_keys(&self) -> TrustedIssuer {
        trust(KeySet::default())
    }

    /// Claims of somebody with these permissions.
    pub(crate) fn claims(subject: &str, permissions: &[&str]) -> Value {
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "client_id": "test",
            "iat": NOW - 10, "exp": NOW + 290, "jti": format!("jti-{subject}"), "sid": "s-1",
            "tenant": "north", "roles": ["reader", "clerk"], "permissions": permissions,
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.key.sign("at+jwt", claims).unwrap()
    }

    /// May read orders.
    pub(crate) fn reader(&self) -> String {
        self.sign(&Self::claims("ann", &["orders:read"]))
    }

    /// May do everything with orders.
    pub(crate) fn editor(&self) -> String {
        self.sign(&Self::claims("eve", &["orders:*"]))
    }
}

fn trust(keys: KeySet) -> TrustedIssuer {
    trust_in(ISSUER, keys)
}

fn trust_in(issuer: &str, keys: KeySet) -> TrustedIssuer {
    let validation = Validation::issuer(issuer)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Es256]);
    TrustedIssuer::new(validation, KeySource::fixed(keys))
}
