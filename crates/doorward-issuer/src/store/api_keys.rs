//! API keys.

use doorward_jose::time::UnixTime;
use doorward_policy::network::Network;
use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, moment, one_row, parsed, seconds,
    statement::{Statement, Value, sql},
    unix,
};
use crate::{
    api_key::Owner, client::ClientId, credential::LiveSecrets, error::StoreError,
    tenant::TenantName, user::UserId,
};

/// A stored key.
#[derive(Clone)]
pub(crate) struct ApiKeyRow {
    pub(crate) id: String,
    pub(crate) owner: Owner,
    pub(crate) tenant: TenantName,
    pub(crate) purpose: String,
    pub(crate) permissions: Option<Vec<String>>,
    pub(crate) networks: Vec<Network>,
    pub(crate) secrets: LiveSecrets,
    pub(crate) last_four: String,
    /// Tokens that it got before are refused.
    pub(crate) tokens_from: UnixTime,
    pub(crate) valid_from: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// As long as a tuple gets that a row can be read as: the owner's kind and id
/// are one text.
type Row = (
    String,
    Option<String>,
    String,
    String,
    Option<String>,
    String,
    Vec<u8>,
    String,
    Option<Vec<u8>>,
    Option<i64>,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
);

/// The columns of [`Row`].
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, COALESCE('u' || account_id, 'c' || client_id), tenant, purpose, permissions,
                    networks,
                    secret_mac, last_four, old_secret_mac, old_secret_until, tokens_from,
                    valid_from, expires_at, last_used_at, revoked_at, row_mac
             FROM api_key ",
            $which
        )
    };
}

impl Store {
    /// Every key, the oldest first.
    pub(crate) async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows: Vec<Row> = sql(select!("ORDER BY created_at, id"))
            .fetch_all(self.readers())
            .await?;
        genuine(self.row_macs(), rows)
    }

    /// One key, as it is outside of any transaction.
    pub(crate) async fn api_key(&self, id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        let row: Option<Row> = sql(select!("WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        Ok(genuine(self.row_macs(), row.into_iter().collect())?.pop())
    }
}

impl Tx {
    /// Nobody else changes the key until this transaction ends.
    pub(crate) async fn api_key(&mut self, id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        let row: Option<Row> = Statement::differing(
            select!("WHERE id = $1"),
            select!("WHERE id = $1 FOR NO KEY UPDATE"),
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        Ok(genuine(self.row_macs(), row.into_iter().collect())?.pop())
    }

    pub(crate) async fn insert_api_key(
        &mut self,
        new: &ApiKeyRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (user, client) = new.owners();
        sql("INSERT INTO api_key (id, account_id, client_id, tenant, purpose, permissions, networks,
                                  secret_mac, last_four, tokens_from, valid_from, expires_at,
                                  created_at, row_mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
        .bind(new.id.as_str())
        .bind(user)
        .bind(client)
        .bind(new.tenant.as_str())
        .bind(new.purpose.as_str())
        .bind(new.permissions.as_ref().map(|limit| limit.join(" ")))
        .bind(new.networks_text())
        .bind(&new.secrets.current.0[..])
        .bind(&new.last_four)
        .bind(seconds(new.tokens_from))
        .bind(millis(new.valid_from))
        .bind(millis(new.expires_at))
        .bind(millis(now))
        .bind(&new.mac(self.row_macs()))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Stores what can change of a key.
    pub(crate) async fn update_api_key(&mut self, row: &ApiKeyRow) -> Result<(), StoreError> {
        let old = row.secrets.old.as_ref();
        let changed = sql("UPDATE api_key SET secret_mac = $2, last_four = $3,
                 old_secret_mac = $4, old_secret_until = $5, tokens_from = $6, revoked_at = $7,
                 row_mac = $8
             WHERE id = $1 AND revoked_at IS NULL AND tokens_from <= $6")
        .bind(row.id.as_str())
        .bind(&row.secrets.current.0[..])
        .bind(&row.last_four)
        .bind(old.map(|(mac, _)| &mac.0[..]))
        .bind(old.map(|(_, until)| millis(*until)))
        .bind(seconds(row.tokens_from))
        .bind(row.revoked_at.map(millis))
        .bind(&row.mac(self.row_macs()))
        .execute(self.connection())
        .await?;
        one_row(changed, "update_api_key")
    }

    pub(super) async fn bind_api_keys(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> = sql(select!("ORDER BY id"))
            .fetch_all(self.connection())
            .await?;
        for row in rows {
            let row = api_key(row)?;
            sql("UPDATE api_key SET row_mac = $2 WHERE id = $1")
                .bind(row.id.as_str())
                .bind(&row.mac(self.row_macs()))
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Notes a use, unless a later one is noted.
    pub(crate) async fn note_api_key_use(
        &mut self,
        id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        sql("UPDATE api_key SET last_used_at = $2
             WHERE id = $1 AND COALESCE(last_used_at, 0) < $2")
        .bind(id)
        .bind(millis(at))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl ApiKeyRow {
    /// The id of the user, and that of the client: one of them.
    fn owners(&self) -> (Option<&str>, Option<&str>) {
        match &self.owner {
            Owner::User(id) => (Some(id.as_str()), None),
            Owner::Client(id) => (None, Some(id.as_str())),
        }
    }

    fn networks_text(&self) -> String {
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        networks.join(" ")
    }

    /// What the MAC covers: everything that decides.
    fn columns(&self) -> Vec<Value<'_>> {
        let (user, client) = self.owners();
        let old = self.secrets.old.as_ref();
        vec![
            self.id.as_str().into(),
            user.into(),
            client.into(),
            self.tenant.as_str().into(),
            self.permissions
                .as_ref()
                .map(|limit| limit.join(" "))
                .into(),
            self.networks_text().into(),
            (&self.secrets.current.0[..]).into(),
            old.map(|(mac, _)| &mac.0[..]).into(),
            old.map(|(_, until)| millis(*until)).into(),
            seconds(self.tokens_from).into(),
            millis(self.valid_from).into(),
            millis(self.expires_at).into(),
            self.revoked_at.map(millis).into(),
        ]
    }

    fn mac(&self, macs: &RowMacs) -> Vec<u8> {
        macs.of("api_key", &self.columns())
    }
}

/// Those that Doorward wrote.
fn genuine(macs: &RowMacs, rows: Vec<Row>) -> Result<Vec<ApiKeyRow>, StoreError> {
    let mut keys = Vec::with_capacity(rows.len());
    for mut row in rows {
        let mac = row.15.take();
        let key = api_key(row)?;
        let columns = key.columns();
        if macs.hold(("api_key", &key.id), &columns, mac.as_deref()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn api_key(row: Row) -> Result<ApiKeyRow, StoreError> {
    let (
        id,
        owner,
        tenant,
        purpose,
        limit,
        networks,
        mac,
        last_four,
        old,
        until,
        tokens_from,
        valid_from,
        expires_at,
        last_used_at,
        revoked_at,
        _,
    ) = row;
    let owner = owner.unwrap_or_default();
    let owner = match owner.split_at_checked(1) {
        Some(("u", user)) => Owner::User(UserId::from_text(user.to_owned())),
        Some(("c", client)) => Owner::Client(ClientId::from_text(client.to_owned())),
        _ => {
            return Err(StoreError::Corrupt(format!(
                "API key {id} has no one owner"
            )));
        }
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let networks = networks.split_whitespace().map(Network::parse).collect();
    let at_ms = |at: Option<i64>, column| at.map(|at| moment(at, column)).transpose();
    Ok(ApiKeyRow {
        id,
        owner,
        tenant: parsed(TenantName::parse(&tenant), "api_key.tenant")?,
        purpose,
        permissions: limit.as_deref().map(words),
        networks: parsed(networks, "api_key.networks")?,
        secrets: LiveSecrets::stored(mac, old.zip(until))?,
        last_four,
        tokens_from: unix(tokens_from, "api_key.tokens_from")?,
        valid_from: moment(valid_from, "api_key.valid_from")?,
        expires_at: moment(expires_at, "api_key.expires_at")?,
        last_used_at: at_ms(last_used_at, "api_key.last_used_at")?,
        revoked_at: at_ms(revoked_at, "api_key.revoked_at")?,
    })
}
