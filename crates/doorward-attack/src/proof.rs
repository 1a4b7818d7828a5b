//! Proofs of possession for a token that is bound to a key (DPoP, RFC 9449):
//! right ones with every request, and wrong ones on purpose.

use std::{fmt, sync::Arc};

use doorward_jose::{
    algorithm::Algorithm,
    base64url, dangerous, dpop,
    json::{Object, Value},
    signing_key::SigningKey,
};
use serde_json::json;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

/// Signs proofs with the key that the token is bound to.
#[derive(Clone)]
pub struct Prover {
    key: Arc<SigningKey>,
    jwk: Object,
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

/// The file holds no key that could sign a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file holds no private key for a proof; give PKCS #8 PEM of ES256, EdDSA or RS256")]
pub struct ProverError;

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'f> {
    pub(crate) method: &'f str,
    /// The address without query.
    pub(crate) uri: &'f str,
    pub(crate) token: &'f str,
    pub(crate) now: u64,
    /// Not used before.
    pub(crate) id: &'f str,
    /// What the target last asked to be repeated.
    pub(crate) nonce: Option<&'f str>,
}

/// What is wrong with the proof of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing; for requests that are wrong elsewhere.
    Sound,
    Absent,
    Twice,
    NoProof,
    Replayed,
    OtherMethod,
    OtherPath,
    OtherHost,
    OtherScheme,
    NoMethod,
    NoAddress,
    NoHash,
    OtherHash,
    OtherKey,
    OtherKeyUnderOurName,
    Old,
    Ahead,
    NoTime,
    OtherNonce,
    NoNonce,
    AlgNone,
    SharedSecret,
    PrivateKey,
    NoType,
    OtherType,
    NoId,
}

impl Flaw {
    /// What it is, for people.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Sound => "a right proof",
            Self::Absent => "no proof",
            Self::Twice => "two proofs",
            Self::NoProof => "text that is no proof",
            Self::Replayed => "the same proof a second time",
            Self::OtherMethod => "a proof for another method",
            Self::OtherPath => "a proof for another path",
            Self::OtherHost => "a proof for another host",
            Self::OtherScheme => "a proof for another scheme",
            Self::NoMethod => "a proof without htm",
            Self::NoAddress => "a proof without htu",
            Self::NoHash => "a proof without ath",
            Self::OtherHash => "a proof with the ath of another token",
            Self::OtherKey => "a proof by another key",
            Self::OtherKeyUnderOurName => "a proof by another key that carries ours",
            Self::Old => "a proof of an hour ago",
            Self::Ahead => "a proof of an hour ahead",
            Self::NoTime => "a proof without iat",
            Self::OtherNonce => "a proof with a nonce of our own",
            Self::NoNonce => "a proof without the nonce that is asked for",
            Self::AlgNone => "a proof with alg none",
            Self::SharedSecret => "a proof signed with HS256",
            Self::PrivateKey => "a proof that shows a private key",
            Self::NoType => "a proof without typ",
            Self::OtherType => "a proof of the type JWT",
            Self::NoId => "a proof without jti",
        }
    }
}

/// An hour, longer than any window for proofs.
const HOUR: u64 = 3_600;

impl Prover {
    /// The key of a file: PKCS #8 as PEM.
    ///
    /// # Errors
    ///
    /// [`ProverError`] if it holds no such key.
    pub fn new(file: &[u8]) -> Result<Self, ProverError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(file).map_err(|_| ProverError)?;
        let pkcs8 = der.secret_pkcs8_der();
        let signs = |algorithm: &Algorithm| SigningKey::from_pkcs8(*algorithm, pkcs8).ok();
        let mut algorithms = Algorithm::ALL.iter().filter(|one| !one.is_symmetric());
        let key = algorithms.find_map(signs).ok_or(ProverError)?;
        let jwk = public(&key).ok_or(ProverError)?;
        Ok(Self {
            key: Arc::new(key),
            jwk,
        })
    }

    /// The values of the `DPoP` fields to send.
    pub(crate) fn fields(&self, flaw: Flaw, facts: &Facts<'_>) -> Vec<String> {
        match flaw {
            Flaw::Absent => Vec::new(),
            Flaw::NoProof => vec!["doorward-attack".to_owned()],
            Flaw::Twice => {
                let id = format!("{}-2", facts.id);
                let other = Facts { id: &id, ..*facts };
                [facts, &other]
                    .map(|facts| self.proof(Flaw::Sound, facts).unwrap_or_default())
                    .into()
            }
            flaw => self.proof(flaw, facts).into_iter().collect(),
        }
    }

    fn proof(&self, flaw: Flaw, facts: &Facts<'_>) -> Option<String> {
        let other = SigningKey::generate(self.key.algorithm()).ok()?;
        let mut header = Object::new();
        header.insert("typ".to_owned(), "dpop+jwt".into());
        header.insert("alg".to_owned(), self.key.algorithm().name().into());
        header.insert("jwk".to_owned(), Value::Object(self.jwk.clone()));
        match flaw {
            Flaw::OtherKey => {
                header.insert("jwk".to_owned(), Value::Object(public(&other)?));
            }
            Flaw::AlgNone => {
                header.insert("alg".to_owned(), "none".into());
            }
            Flaw::SharedSecret => {
                header.insert("alg".to_owned(), "HS256".into());
            }
            // Any `d` makes it a private key for whoever reads it.
            Flaw::PrivateKey => {
                let mut jwk = self.jwk.clone();
                jwk.insert("d".to_owned(), base64url::encode([7_u8; 32]).into());
                header.insert("jwk".to_owned(), Value::Object(jwk));
            }
            Flaw::NoType => {
                header.remove("typ");
            }
            Flaw::OtherType => {
                header.insert("typ".to_owned(), "JWT".into());
            }
            _ => {}
        }
        let input = format!(
            "{}.{}",
            base64url::encode(Value::Object(header).to_string()),
            base64url::encode(Value::Object(claims(flaw, facts)).to_string())
        );
        let signature = match flaw {
            Flaw::AlgNone => Vec::new(),
            Flaw::OtherKey | Flaw::OtherKeyUnderOurName => {
                dangerous::sign(&other, input.as_bytes()).ok()?
            }
            Flaw::SharedSecret => {
                let secret = Value::Object(self.jwk.clone()).to_string();
                dangerous::hmac(Algorithm::Hs256, secret.as_bytes(), input.as_bytes())?
            }
            _ => dangerous::sign(&self.key, input.as_bytes()).ok()?,
        };
        Some(format!("{input}.{}", base64url::encode(signature)))
    }
}

fn claims(flaw: Flaw, facts: &Facts<'_>) -> Object {
    let mut claims = Object::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("jti", facts.id.into());
    set("htm", facts.method.into());
    set("htu", facts.uri.into());
    set("iat", facts.now.into());
    set("ath", dpop::access_token_hash(facts.token).into());
    if let Some(nonce) = facts.nonce {
        set("nonce", nonce.into());
    }
    let host = facts.uri.split('/').nth(2).unwrap_or_default();
    match flaw {
        Flaw::OtherMethod => set("htm", other_method(facts.method).into()),
        Flaw::OtherPath => set("htu", format!("{}-else", facts.uri).into()),
        Flaw::OtherHost => set("htu", facts.uri.replace(host, "other.example").into()),
        Flaw::OtherScheme => set("htu", other_scheme(facts.uri).into()),
        Flaw::OtherHash => set("ath", dpop::access_token_hash("another").into()),
        Flaw::Old => set("iat", facts.now.saturating_sub(HOUR).into()),
        Flaw::Ahead => set("iat", (facts.now + HOUR).into()),
        Flaw::OtherNonce => set("nonce", json!("doorward-attack")),
        _ => None,
    };
    let without = match flaw {
        Flaw::NoMethod => "htm",
        Flaw::NoAddress => "htu",
        Flaw::NoHash => "ath",
        Flaw::NoTime => "iat",
        Flaw::NoNonce => "nonce",
        Flaw::NoId => "jti",
        _ => return claims,
    };
    claims.remove(without);
    claims
}

fn other_method(method: &str) -> &'static str {
    if method == "POST" { "GET" } else { "POST" }
}

fn other_scheme(uri: &str) -> String {
    match uri.strip_prefix("https:") {
        Some(rest) => format!("http:{rest}"),
        None => uri.replacen("http:", "https:", 1),
    }
}

/// The members that a thumbprint is made of, and no other (RFC 7638).
fn public(key: &SigningKey) -> Option<Object> {
    let mut jwk = key.verifying_key().to_jwk()?.to_object();
    jwk.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
    Some(jwk)
}

#[cfg(test)]
mod tests {
    use doorward_jose::{
        algorithm::Algorithm, base64url, dpop::UnverifiedProof, signing_key::SigningKey,
    };

    use super::{Facts, Flaw, Prover};

    fn prover() -> Prover {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let mut text = base64url::encode(&*key.to_pkcs8().expect("its bytes"))
            .replace('-', "+")
            .replace('_', "/");
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Prover::new(pem.as_bytes()).expect("a key that signs")
    }

    const FACTS: Facts<'_> = Facts {
        method: "GET",
        uri: "http://127.0.0.1/orders",
        token: "a.b.c",
        now: 1_795_305_600,
        id: "one",
        nonce: None,
    };

    #[test]
    fn a_right_proof_is_one_and_a_wrong_one_is_not() {
        let prover = prover();
        let is_good = |flaw| {
            let fields = prover.fields(flaw, &FACTS);
            let [field] = fields.as_slice() else {
                return false;
            };
            UnverifiedProof::parse(field).is_ok_and(|proof| proof.verify().is_ok())
        };
        assert!(is_good(Flaw::Sound));
        // Right in themselves: another key, or about something else.
        assert!(is_good(Flaw::OtherKey) && is_good(Flaw::Old) && is_good(Flaw::NoHash));
        for flaw in [
            Flaw::OtherKeyUnderOurName,
            Flaw::AlgNone,
            Flaw::SharedSecret,
            Flaw::PrivateKey,
            Flaw::NoType,
            Flaw::Twice,
            Flaw::Absent,
        ] {
            assert!(!is_good(flaw), "{flaw:?}");
        }
        assert_eq!(prover.fields(Flaw::Twice, &FACTS).len(), 2);
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        assert!(Prover::new(b"secret").is_err());
    }
}
