//! Signing keys: public halves in the clear, private halves sealed.

use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, one_row, parsed, seconds,
    statement::{Value, sql},
    unix,
};
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

type Row = (
    String,
    String,
    String,
    Option<Vec<u8>>,
    String,
    i64,
    Option<Vec<u8>>,
);

const SELECT: &str = "SELECT kid, algorithm, public_jwk, sealed_private, state, state_at, row_mac
     FROM signing_key WHERE state <> 'destroyed' ORDER BY created_at, kid";

impl Store {
    /// Every key that is not destroyed, oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.readers()).await?;
        genuine(self.row_macs(), rows)
    }
}

impl Tx {
    /// Every key that is not destroyed, oldest first. Nobody else changes them
    /// until this transaction ends.
    pub(crate) async fn keys(&mut self) -> Result<Vec<KeyRow>, StoreError> {
        self.lock_keys().await?;
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.connection()).await?;
        genuine(self.row_macs(), rows)
    }

    pub(crate) async fn insert_key(
        &mut self,
        key: &KeyRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, at) = (key.state.name(), key.state.moment());
        let mac = self.row_macs().of("signing_key", &columns(key, &key.state));
        sql(
            "INSERT INTO signing_key (kid, algorithm, public_jwk, sealed_private, state, state_at,
                                      created_at, row_mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&key.kid)
        .bind(&key.algorithm)
        .bind(&key.public_jwk)
        .bind(key.sealed_private.as_deref())
        .bind(state)
        .bind(seconds(at))
        .bind(millis(now))
        .bind(&mac)
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
        let row = self.keys().await?.into_iter().find(|key| key.kid == kid);
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("signing key {kid} is gone")))?;
        let mac = self.row_macs().of("signing_key", &columns(&row, next));
        let (state, at) = (next.name(), next.moment());
        let changed = sql("UPDATE signing_key SET state = $2, state_at = $3,
                 sealed_private = CASE WHEN $4 = 1 THEN sealed_private ELSE NULL END, row_mac = $5
             WHERE kid = $1 AND state <> 'destroyed'")
        .bind(kid)
        .bind(state)
        .bind(seconds(at))
        .bind(i64::from(next.has_private_half()))
        .bind(&mac)
        .execute(self.connection())
        .await?;
        one_row(changed, "set_key_state")
    }

    pub(super) async fn bind_keys(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.connection()).await?;
        for row in rows {
            let row = key(row)?;
            let mac = self
                .row_macs()
                .of("signing_key", &columns(&row, &row.state));
            sql("UPDATE signing_key SET row_mac = $2 WHERE kid = $1")
                .bind(&row.kid)
                .bind(&mac)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }
}

/// What the MAC of a key in `state` covers. The private half is sealed for the
/// row, and is the other half of the public one.
fn columns<'a>(key: &'a KeyRow, state: &KeyState) -> [Value<'a>; 5] {
    [
        (&key.kid).into(),
        (&key.algorithm).into(),
        (&key.public_jwk).into(),
        state.name().into(),
        seconds(state.moment()).into(),
    ]
}

/// Those that Doorward wrote: a key of somebody else's is shown to nobody.
fn genuine(macs: &RowMacs, rows: Vec<Row>) -> Result<Vec<KeyRow>, StoreError> {
    let mut keys = Vec::with_capacity(rows.len());
    for mut row in rows {
        let mac = row.6.take();
        let key = key(row)?;
        let columns = columns(&key, &key.state);
        if macs.hold(("signing_key", &key.kid), &columns, mac.as_deref()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn key(
    (kid, algorithm, public_jwk, sealed_private, state, at, _): Row,
) -> Result<KeyRow, StoreError> {
    let state = KeyState::from_stored(&state, unix(at, "signing_key.state_at")?);
    Ok(KeyRow {
        kid,
        algorithm,
        public_jwk,
        sealed_private,
        state: parsed(state.ok_or("not a state"), "signing_key.state")?,
    })
}
