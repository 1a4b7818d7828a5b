//! Tokens signed with the real key of a staging system: the third tier.
//!
//! A verifier that checks the signature well may still believe what it should
//! not; only somebody who can sign finds that out.

use std::{fmt, sync::Arc};

use doorward_jose::{
    algorithm::Algorithm,
    base64url, dangerous,
    json::{Object, Value},
    signing_key::SigningKey,
    token::Inspected,
};
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

/// The staging key, and a valid token as the model of what it signs.
#[derive(Clone)]
pub struct Mint {
    secret: Arc<Secret>,
    algorithm: Algorithm,
    /// Header of the valid token.
    pub(crate) header: Object,
    /// Claims of the valid token.
    pub(crate) claims: Object,
}

enum Secret {
    Private { pkcs8: Vec<u8>, key: SigningKey },
    Shared(Vec<u8>),
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Why nothing can be minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The valid token is no model.
    #[error("the valid token is not a compact JWS with a known algorithm")]
    Token,
    /// Not a key for the token's algorithm.
    #[error(
        "the file holds no key for the token's algorithm; give PKCS #8 PEM, or the secret of an HMAC"
    )]
    Key,
}

impl Mint {
    /// The key of a file: PKCS #8 as PEM, or the secret of an HMAC as it is,
    /// but for line ends.
    ///
    /// # Errors
    ///
    /// [`MintError`] if it cannot sign what the valid token is.
    pub fn new(token: &str, file: &[u8]) -> Result<Self, MintError> {
        let Inspected { header, payload } =
            Inspected::parse(token).map_err(|_| MintError::Token)?;
        let name = header.get("alg").and_then(Value::as_str);
        let algorithm = name
            .and_then(Algorithm::from_name)
            .ok_or(MintError::Token)?;
        let secret = match algorithm.is_symmetric() {
            true => Secret::Shared(file.trim_ascii().to_vec()),
            false => {
                let der = PrivatePkcs8KeyDer::from_pem_slice(file).map_err(|_| MintError::Key)?;
                let pkcs8 = der.secret_pkcs8_der().to_vec();
                let key = SigningKey::from_pkcs8(algorithm, &pkcs8).map_err(|_| MintError::Key)?;
                Secret::Private { pkcs8, key }
            }
        };
        Ok(Self {
            secret: Arc::new(secret),
            algorithm,
            header,
            claims: payload,
        })
    }

    /// The algorithm of the valid token.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A token of these very bytes.
    pub(crate) fn sign(&self, header: &str, payload: impl AsRef<[u8]>) -> Option<String> {
        let input = format!(
            "{}.{}",
            base64url::encode(header),
            base64url::encode(payload)
        );
        let signature = self.signature(input.as_bytes())?;
        Some(format!("{input}.{}", base64url::encode(signature)))
    }

    /// The valid token's claims anew, living five minutes from `now`: what the
    /// target must let in before anything else that is minted proves anything.
    pub(crate) fn genuine(&self, now: u64) -> Option<String> {
        let mut claims = self.claims.clone();
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), (now + 300).into());
        let header = Value::Object(self.header.clone()).to_string();
        self.sign(&header, Value::Object(claims).to_string())
    }

    /// The signature over any bytes.
    pub(crate) fn signature(&self, input: &[u8]) -> Option<Vec<u8>> {
        match self.secret.as_ref() {
            Secret::Private { key, .. } => dangerous::sign(key, input).ok(),
            Secret::Shared(secret) => dangerous::hmac(self.algorithm, secret, input),
        }
    }

    /// The valid token's claims, signed by the same key with another algorithm
    /// of its family.
    pub(crate) fn swapped(&self, algorithm: Algorithm, claims: &str) -> Option<String> {
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), algorithm.name().into());
        let header = Value::Object(header).to_string();
        let input = format!(
            "{}.{}",
            base64url::encode(header),
            base64url::encode(claims)
        );
        let signature = match self.secret.as_ref() {
            Secret::Private { pkcs8, .. } => {
                let key = SigningKey::from_pkcs8(algorithm, pkcs8).ok()?;
                dangerous::sign(&key, input.as_bytes()).ok()?
            }
            Secret::Shared(secret) => dangerous::hmac(algorithm, secret, input.as_bytes())?,
        };
        Some(format!("{input}.{}", base64url::encode(signature)))
    }
}
