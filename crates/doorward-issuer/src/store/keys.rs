//! Signing keys: public halves in the clear, private halves sealed.

use doorward_verify::clock::Timestamp;

use super::{Store, Tx, millis, one_row, parsed, seconds, statement::sql, unix};
use crate::{error::StoreError, key_ring::KeyState};

/// A stored signing key.
#[derive(Debug)]
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    pub(crate) algorithm: String,
    pub(crate) public_jwk: String,
    pub(crate) sealed_private: Option<Vec<u8>>,
    pub(crate) state: KeyState,
}

type Row = (String, String, String, Option<Vec<u8>>, String, i64);

const SELECT: &str = "SELECT kid, algorithm, public_jwk, sealed_private, state, state_at
     FROM signing_key WHERE state <> 'destroyed' ORDER BY created_at, kid";

impl Store {
    /// Every key that is not destroyed, oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.readers()).await?;
        rows.into_iter().map(key).collect()
    }
}

impl Tx {
    /// Every key that is not destroyed, oldest first. Nobody else changes them
    /// until this transaction ends.
    pub(crate) async fn keys(&mut self) -> Result<Vec<KeyRow>, StoreError> {
        self.lock_keys().await?;
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.connection()).await?;
        rows.into_iter().map(key).collect()
    }

    pub(crate) async fn insert_key(
        &mut self,
        key: &KeyRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, at) = (key.state.name(), key.state.moment());
        sql("INSERT INTO signing_key
                 (kid, algorithm, public_jwk, sealed_private, state, state_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&key.kid)
        .bind(&key.algorithm)
        .bind(&key.public_jwk)
        .bind(key.sealed_private.as_deref())
        .bind(state)
        .bind(seconds(at))
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Moves a key to its next state. The sealed private half is overwritten
    /// with nothing as soon as the key no longer signs.
    pub(crate) async fn set_key_state(
        &mut self,
        kid: &str,
        next: &KeyState,
    ) -> Result<(), StoreError> {
        let (state, at) = (next.name(), next.moment());
        let changed = sql("UPDATE signing_key SET state = $2, state_at = $3,
                 sealed_private = CASE WHEN $4 = 1 THEN sealed_private ELSE NULL END
             WHERE kid = $1 AND state <> 'destroyed'")
        .bind(kid)
        .bind(state)
        .bind(seconds(at))
        .bind(i64::from(next.has_private_half()))
        .execute(self.connection())
        .await?;
        one_row(changed, "set_key_state")
    }
}

fn key((kid, algorithm, public_jwk, sealed_private, state, at): Row) -> Result<KeyRow, StoreError> {
    let state = KeyState::from_stored(&state, unix(at, "signing_key.state_at")?);
    Ok(KeyRow {
        kid,
        algorithm,
        public_jwk,
        sealed_private,
        state: parsed(state.ok_or("not a state"), "signing_key.state")?,
    })
}
