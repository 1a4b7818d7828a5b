//! `doorward key`: the issuer's signing keys.

use clap::Subcommand;
use serde_json::json;

use super::{Place, Workplace, table};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Manage signing keys
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the keys and what each is for
    List,
    /// Publish a new key, which signs once every verifier must have seen it
    Rotate,
    /// Withdraw a key that leaked: its tokens are refused at once, everywhere
    Revoke {
        /// Its id, as in `key list`
        kid: String,
    },
}

impl Key {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            match &self {
                Self::List => list(&admin.signing_keys(), place.json),
                Self::Rotate => {
                    let kid = admin.rotate_key().await?;
                    tell(
                        place.json,
                        &kid,
                        "published",
                        "it signs once every cache has it",
                    );
                }
                Self::Revoke { kid } => {
                    admin.withdraw_key(kid).await?;
                    tell(place.json, kid, "withdrawn", "another key signs now");
                }
            }
            Ok(Answer::Yes)
        })
    }
}

fn tell(as_json: bool, kid: &str, state: &str, what: &str) {
    if as_json {
        output::json(&json!({ "kid": kid, "state": state }));
    } else {
        output::note(format!("key {kid} is {state}; {what}"));
    }
}

fn list(keys: &[doorward_issuer::key_ring::KeyInfo], as_json: bool) {
    if as_json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "kid": key.kid,
                    "algorithm": key.algorithm,
                    "state": key.state,
                    "moment": key.moment.as_secs(),
                })
            })
            .collect();
        return output::json(&json!({ "keys": keys }));
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| [key.kid.clone(), key.algorithm.clone(), key.state.to_owned()])
        .collect();
    table::print(["KEY", "ALGORITHM", "STATE"], &rows, "no keys");
}
