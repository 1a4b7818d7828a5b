//! The token that everybody verifies and signs: an access token of RFC 9068
//! with 433 bytes of claims.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const TYPE: &str = "at+jwt";
pub const KEY_ID: &str = "key-2026-11-a";
pub const CLAIMS_BYTES: usize = 433;

/// The claims as a user of the peers writes them down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessToken {
    pub iss: String,
    pub sub: String,
    pub aud: Vec<String>,
    pub exp: u64,
    pub iat: u64,
    pub nbf: u64,
    pub jti: String,
    pub client_id: String,
    pub scope: String,
    pub roles: Vec<String>,
    pub permissions: Vec<String>,
    pub tenant: String,
}

/// What RFC 7519 does not register: jwt-simple wants it apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Private {
    pub client_id: String,
    pub scope: String,
    pub roles: Vec<String>,
    pub permissions: Vec<String>,
    pub tenant: String,
}

impl AccessToken {
    /// Good from now on for an hour: most peers read the clock themselves.
    pub fn fresh() -> Self {
        let now = now();
        Self {
            iss: ISSUER.to_owned(),
            sub: "user-01JC7ZK9G5T2M8Q4YV".to_owned(),
            aud: texts(&[AUDIENCE, "https://files.example.com"]),
            exp: now + 3600,
            iat: now,
            nbf: now,
            jti: "01JC7ZKB3Y0V6N1RX7W4E5D2C9".to_owned(),
            client_id: "web-app".to_owned(),
            scope: "openid orders:read".to_owned(),
            roles: texts(&["editor", "reader"]),
            permissions: texts(&[
                "orders:read",
                "orders:write",
                "carts:read",
                "carts:write",
                "users:read",
                "files:read",
                "files:write",
                "audit:read",
            ]),
            tenant: "acme1".to_owned(),
        }
    }

    pub fn private(&self) -> Private {
        Private {
            client_id: self.client_id.clone(),
            scope: self.scope.clone(),
            roles: self.roles.clone(),
            permissions: self.permissions.clone(),
            tenant: self.tenant.clone(),
        }
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs()
}
