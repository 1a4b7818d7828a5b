//! Service clients.

use doorward_jose::time::UnixTime;
use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, moment, one_row, parsed, seconds,
    statement::{Statement, Value, sql},
    unix,
};
use crate::{
    client::{ClientId, ClientName},
    credential::{LiveSecrets, StoredMac},
    error::StoreError,
    tenant::TenantName,
};

/// A stored client.
#[derive(Clone)]
pub(crate) struct ClientRow {
    pub(crate) id: ClientId,
    pub(crate) name: ClientName,
    pub(crate) tenant: TenantName,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Vec<String>,
    pub(crate) secrets: LiveSecrets,
    pub(crate) last_four: String,
    /// Access tokens issued before are refused.
    pub(crate) tokens_from: UnixTime,
    pub(crate) disabled_at: Option<Timestamp>,
    pub(crate) removed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

/// How far the clients have come, and the watermark over all tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientHeads {
    pub(crate) epoch: String,
    pub(crate) change: i64,
    pub(crate) all_tokens_from: UnixTime,
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    Vec<u8>,
    String,
    Option<Vec<u8>>,
    Option<i64>,
    i64,
    Option<i64>,
    Option<i64>,
    i64,
    Option<Vec<u8>>,
);

/// The columns of [`Row`].
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, name, tenant, roles, permissions, secret_mac, last_four, old_secret_mac,
                    old_secret_until, tokens_from, disabled_at, removed_at, created_at, row_mac
             FROM client ",
            $which
        )
    };
}

impl Store {
    /// One cheap read that tells whether anything is new.
    pub(crate) async fn client_heads(&self) -> Result<ClientHeads, StoreError> {
        self.check()?;
        let (epoch, change, all): (String, i64, i64) = sql(
            "SELECT i.epoch, h.value, i.tokens_from FROM installation i, head h
             WHERE i.id = 1 AND h.name = 'clients'",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(ClientHeads {
            epoch,
            change,
            all_tokens_from: unix(all, "installation.tokens_from")?,
        })
    }

    /// Clients that changed after number `change`, removed ones among them.
    pub(crate) async fn clients_after(&self, change: i64) -> Result<Vec<ClientRow>, StoreError> {
        let rows: Vec<Row> = sql(select!("WHERE change > $1 ORDER BY change"))
            .bind(change)
            .fetch_all(self.readers())
            .await?;
        genuine(self.row_macs(), rows)
    }

    /// Clients that are not removed, by name.
    pub(crate) async fn clients(&self) -> Result<Vec<ClientRow>, StoreError> {
        let rows: Vec<Row> = sql(select!("WHERE removed_at IS NULL ORDER BY name"))
            .fetch_all(self.readers())
            .await?;
        genuine(self.row_macs(), rows)
    }
}

impl Tx {
    /// The client of this name that is not removed. Nobody else changes it until
    /// this transaction ends.
    pub(crate) async fn client(
        &mut self,
        name: &ClientName,
    ) -> Result<Option<ClientRow>, StoreError> {
        let row: Option<Row> = Statement::differing(
            select!("WHERE name = $1 AND removed_at IS NULL"),
            select!("WHERE name = $1 AND removed_at IS NULL FOR NO KEY UPDATE"),
        )
        .bind(name.as_str())
        .fetch_optional(self.connection())
        .await?;
        Ok(genuine(self.row_macs(), row.into_iter().collect())?.pop())
    }

    /// The client of this id, removed or not. Nobody else changes it until this
    /// transaction ends.
    pub(crate) async fn client_by_id(
        &mut self,
        id: &ClientId,
    ) -> Result<Option<ClientRow>, StoreError> {
        let row: Option<Row> = Statement::differing(
            select!("WHERE id = $1"),
            select!("WHERE id = $1 FOR NO KEY UPDATE"),
        )
        .bind(id.as_str())
        .fetch_optional(self.connection())
        .await?;
        Ok(genuine(self.row_macs(), row.into_iter().collect())?.pop())
    }

    /// `false` if the name is taken.
    pub(crate) async fn insert_client(&mut self, new: &ClientRow) -> Result<bool, StoreError> {
        let change = self.numbers("clients", 1).await?;
        let inserted = sql(
            "INSERT INTO client (id, name, tenant, roles, permissions, secret_mac, last_four,
                                 tokens_from, change, created_at, row_mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(new.id.as_str())
        .bind(new.name.as_str())
        .bind(new.tenant.as_str())
        .bind(new.roles.join(" "))
        .bind(new.permissions.join(" "))
        .bind(&new.secrets.current.0[..])
        .bind(&new.last_four)
        .bind(seconds(new.tokens_from))
        .bind(change)
        .bind(millis(new.created_at))
        .bind(&new.mac(self.row_macs()))
        .execute(self.connection())
        .await?;
        Ok(inserted == 1)
    }

    /// Stores what can change of a client.
    pub(crate) async fn update_client(&mut self, row: &ClientRow) -> Result<(), StoreError> {
        let change = self.numbers("clients", 1).await?;
        let old = row.secrets.old.as_ref();
        let changed = sql(
            "UPDATE client SET secret_mac = $2, last_four = $3, old_secret_mac = $4,
                 old_secret_until = $5, tokens_from = $6, change = $7, disabled_at = $8,
                 removed_at = $9, row_mac = $10
             WHERE id = $1 AND removed_at IS NULL AND tokens_from <= $6",
        )
        .bind(row.id.as_str())
        .bind(&row.secrets.current.0[..])
        .bind(&row.last_four)
        .bind(old.map(|(mac, _)| &mac.0[..]))
        .bind(old.map(|(_, until)| millis(*until)))
        .bind(seconds(row.tokens_from))
        .bind(change)
        .bind(row.disabled_at.map(millis))
        .bind(row.removed_at.map(millis))
        .bind(&row.mac(self.row_macs()))
        .execute(self.connection())
        .await?;
        one_row(changed, "update_client")
    }

    pub(super) async fn bind_clients(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> = sql(select!("ORDER BY id"))
            .fetch_all(self.connection())
            .await?;
        for row in rows {
            let row = client(row)?;
            sql("UPDATE client SET row_mac = $2 WHERE id = $1")
                .bind(row.id.as_str())
                .bind(&row.mac(self.row_macs()))
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }
}

impl ClientRow {
    /// What the MAC covers: everything that decides.
    fn columns(&self) -> Vec<Value<'_>> {
        let old = self.secrets.old.as_ref();
        vec![
            self.id.as_str().into(),
            self.name.as_str().into(),
            self.tenant.as_str().into(),
            self.roles.join(" ").into(),
            self.permissions.join(" ").into(),
            (&self.secrets.current.0[..]).into(),
            old.map(|(mac, _)| &mac.0[..]).into(),
            old.map(|(_, until)| millis(*until)).into(),
            seconds(self.tokens_from).into(),
            self.disabled_at.map(millis).into(),
            self.removed_at.map(millis).into(),
        ]
    }

    fn mac(&self, macs: &RowMacs) -> Vec<u8> {
        macs.of("client", &self.columns())
    }
}

/// Those that Doorward wrote.
fn genuine(macs: &RowMacs, rows: Vec<Row>) -> Result<Vec<ClientRow>, StoreError> {
    let mut clients = Vec::with_capacity(rows.len());
    for mut row in rows {
        let mac = row.13.take();
        let client = client(row)?;
        let (id, columns) = (client.id.as_str(), client.columns());
        if macs.hold(("client", id), &columns, mac.as_deref()) {
            clients.push(client);
        }
    }
    Ok(clients)
}

fn client(row: Row) -> Result<ClientRow, StoreError> {
    let (
        id,
        name,
        tenant,
        roles,
        permissions,
        mac,
        last_four,
        old,
        until,
        from,
        off,
        removed,
        at,
        _,
    ) = row;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let at_ms = |at: Option<i64>, column| at.map(|at| moment(at, column)).transpose();
    Ok(ClientRow {
        id: ClientId::from_text(id),
        name: parsed(ClientName::parse(&name), "client.name")?,
        tenant: parsed(TenantName::parse(&tenant), "client.tenant")?,
        roles: words(&roles),
        permissions: words(&permissions),
        secrets: LiveSecrets::stored(mac, old.zip(until))?,
        last_four,
        tokens_from: unix(from, "client.tokens_from")?,
        disabled_at: at_ms(off, "client.disabled_at")?,
        removed_at: at_ms(removed, "client.removed_at")?,
        created_at: moment(at, "client.created_at")?,
    })
}

impl LiveSecrets {
    /// As a row has them.
    pub(super) fn stored(mac: Vec<u8>, old: Option<(Vec<u8>, i64)>) -> Result<Self, StoreError> {
        let read = |bytes: Vec<u8>| {
            let bytes = bytes.try_into().map_err(|_| "it has not 32 bytes");
            parsed(bytes, "secret_mac").map(StoredMac)
        };
        let old = match old {
            Some((mac, until)) => Some((read(mac)?, moment(until, "old_secret_until")?)),
            None => None,
        };
        Ok(Self {
            current: read(mac)?,
            old,
        })
    }
}
