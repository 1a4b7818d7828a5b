//! Rows that give rights prove that Doorward wrote them.
//!
//! Whoever can write to the database, but does not have the master key, must
//! not be able to give himself a right: a role, another password hash for
//! somebody's account, a signing key of his own, more permissions for a client.
//! So each such row carries an HMAC-SHA-256 of its table, its id and of every
//! column that decides, under a key derived from the root key. It is checked
//! wherever the row is read for a decision. A row whose MAC does not hold is
//! as good as absent: the role is not held, the account does not exist, the key
//! is not shown to anybody. Each one is noted once and audited with the next
//! poll (`row.refused`).
//!
//! Sessions need no such column: their key is sealed for the row's columns
//! that never change (`session::place`), and it is opened at every refresh.
//!
//! What this does not do: a row that Doorward wrote can be deleted, and one
//! that it wrote earlier can be put back. The first takes rights away; against
//! the second stands the audit log.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};

use super::{
    Store, Tx,
    statement::{Value, sql},
};
use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    error::StoreError,
};

/// Most rows that are remembered as refused: whoever writes a million of them
/// fills the audit log with no more than this.
const MOST_NOTED: usize = 1000;

/// Makes and checks the MACs of rows. Clones are the same one.
#[derive(Clone)]
pub(crate) struct RowMacs(Arc<Inner>);

struct Inner {
    /// None before the root key is open, when no row is read or written that
    /// has a MAC.
    key: Option<hmac::Key>,
    refused: Mutex<Refused>,
}

/// Rows that were not written by Doorward.
#[derive(Default)]
struct Refused {
    noted: BTreeSet<Row>,
    /// Those that are not audited yet.
    news: Vec<Row>,
}

/// A table of this program, and the id of a row in it.
pub(crate) type Row = (&'static str, String);

impl RowMacs {
    pub(crate) fn new(key: hmac::Key) -> Self {
        Self::with(Some(key))
    }

    /// Those of a database whose root key is not open: they hold for no row.
    pub(super) fn locked() -> Self {
        Self::with(None)
    }

    fn with(key: Option<hmac::Key>) -> Self {
        let refused = Mutex::default();
        Self(Arc::new(Inner { key, refused }))
    }

    /// The MAC of a row: of every column that decides, in the order of the
    /// table.
    pub(super) fn of(&self, table: &'static str, columns: &[Value<'_>]) -> Vec<u8> {
        // INVARIANT: `Locked` gives nobody a store whose rows can be read.
        let key = self.0.key.as_ref().expect("the root key is open");
        let mut context = hmac::Context::with_key(key);
        update(&mut context, b't', table.as_bytes());
        for column in columns {
            match column {
                Value::Text(Some(text)) => update(&mut context, b't', text.as_bytes()),
                Value::Integer(Some(number)) => {
                    update(&mut context, b'n', &number.to_be_bytes());
                }
                Value::Bytes(Some(bytes)) => update(&mut context, b'b', bytes),
                Value::Text(None) | Value::Integer(None) | Value::Bytes(None) => {
                    update(&mut context, b'-', b"");
                }
            }
        }
        context.sign().as_ref().to_vec()
    }

    /// Whether Doorward wrote the row `id`. One that it did not is noted.
    pub(super) fn hold(
        &self,
        (table, id): (&'static str, &str),
        columns: &[Value<'_>],
        stored: Option<&[u8]>,
    ) -> bool {
        let made = self.of(table, columns);
        let holds = stored.is_some_and(|mac| verify_slices_are_equal(&made, mac).is_ok());
        if !holds {
            self.note(table, id);
        }
        holds
    }

    /// Remembers a row that somebody else wrote, to be audited.
    pub(crate) fn note(&self, table: &'static str, id: &str) {
        let mut refused = self.refused();
        let row = (table, id.to_owned());
        if refused.noted.len() < MOST_NOTED && refused.noted.insert(row.clone()) {
            refused.news.push(row);
        }
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Refused> {
        // What is in it is whole after every statement.
        let refused = self.0.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner)
    }

    /// A row of `table` that was refused, if there was one.
    pub(crate) fn refused_of(&self, table: &'static str) -> Option<String> {
        let refused = self.refused();
        let found = refused.noted.iter().find(|(named, _)| *named == table);
        found.map(|(_, id)| id.clone())
    }

    /// Whether there is something to audit.
    pub(crate) fn has_news(&self) -> bool {
        !self.refused().news.is_empty()
    }
}

/// Kind and length first, so that no two rows read the same.
fn update(context: &mut hmac::Context, kind: u8, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    context.update(&[kind]);
    context.update(&length.to_be_bytes());
    context.update(bytes);
}

impl Store {
    /// Audits every row that was refused and is not audited yet.
    pub(crate) async fn audit_refused_rows(
        &self,
        now: doorward_verify::clock::Timestamp,
    ) -> Result<(), StoreError> {
        if !self.row_macs().has_news() {
            return Ok(());
        }
        let news = std::mem::take(&mut self.row_macs().refused().news);
        let audited = self.audit_rows(&news, now).await;
        if audited.is_err() {
            // For the next time.
            self.row_macs().refused().news.extend(news);
        }
        audited
    }

    async fn audit_rows(
        &self,
        rows: &[Row],
        now: doorward_verify::clock::Timestamp,
    ) -> Result<(), StoreError> {
        let (mut tx, system) = (self.begin().await?, Actor::system());
        for (table, id) in rows {
            let object = Object::Row(table, id);
            tx.record(AuditEntry::new(system.at(now), Action::RowRefused, object))
                .await?;
        }
        tx.commit().await
    }
}

impl Tx {
    /// Gives every row its MAC as it stands: once, when the database comes from
    /// a program that wrote none.
    pub(crate) async fn bind_rows(&mut self) -> Result<(), StoreError> {
        self.bind_accounts().await?;
        self.bind_grants().await?;
        self.bind_keys().await?;
        self.bind_clients().await?;
        self.bind_permission_numbers().await?;
        self.bind_api_keys().await
    }

    /// From now on the root key is recognised by this, and rows without a MAC
    /// are refused.
    pub(crate) async fn set_master_key_check(&mut self, check: &[u8]) -> Result<(), StoreError> {
        let changed = sql("UPDATE installation SET master_key_check = $1 WHERE id = 1")
            .bind(check)
            .execute(self.connection())
            .await?;
        super::one_row(changed, "set_master_key_check")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::{RowMacs, Value};

    fn macs(byte: u8) -> RowMacs {
        RowMacs::new(hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]))
    }

    #[test]
    fn no_two_rows_read_the_same() {
        let seven = 7_i64.to_be_bytes();
        let rows: [(&'static str, Vec<Value<'_>>); 9] = [
            ("account", vec!["ab".into(), "c".into()]),
            ("account", vec!["a".into(), "bc".into()]),
            ("account", vec!["abc".into()]),
            ("account", vec!["abc".into(), "".into()]),
            ("account", vec!["abc".into(), Option::<&str>::None.into()]),
            ("client", vec!["abc".into()]),
            ("account", vec![7.into()]),
            ("account", vec![(&seven[..]).into()]),
            ("account", vec![Option::<i64>::None.into()]),
        ];
        let macs = macs(1);
        for (n, (table, columns)) in rows.iter().enumerate() {
            for (m, (other, others)) in rows.iter().enumerate() {
                let same = macs.of(table, columns) == macs.of(other, others);
                assert_eq!(same, n == m, "{n} and {m}");
            }
        }
    }

    #[test]
    fn what_does_not_hold_is_noted_once() {
        let (ours, others) = (macs(1), macs(2));
        let mac = ours.of("account", &["a".into()]);
        assert!(ours.hold(("account", "a"), &["a".into()], Some(&mac)));
        assert!(!ours.has_news());
        for stored in [None, Some(&mac[..31]), Some(&[0; 32][..])] {
            assert!(!ours.hold(("account", "a"), &["a".into()], stored));
        }
        assert!(!ours.hold(("account", "b"), &["b".into()], Some(&mac)));
        assert!(!others.hold(("account", "a"), &["a".into()], Some(&mac)));
        assert_eq!(ours.refused().news.len(), 2);
        assert_eq!(ours.refused_of("account").as_deref(), Some("a"));
        assert_eq!(ours.refused_of("client"), None);
    }

    /// What a refresh pays: one account, and a grant for each role of the
    /// session's tenant.
    #[test]
    #[ignore = "a figure; run it alone, with --nocapture"]
    #[expect(clippy::print_stderr, reason = "a figure is for reading")]
    fn cost_of_a_refresh() {
        const ROUNDS: u32 = 1000;
        let (macs, id) = (macs(1), "01a1feff-5220-76ed-b652-10e011266902");
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$".to_owned() + &"a".repeat(66);
        let account = [
            id.into(),
            "alice".into(),
            "acme".into(),
            hash.as_str().into(),
            7.into(),
        ];
        let grant = [id.into(), "acme".into(), "editor".into(), 7.into()];
        for (table, columns) in [("account", &account[..]), ("role_grant", &grant[..])] {
            let stored = macs.of(table, columns);
            let round = |_| {
                let begun = std::time::Instant::now();
                for _ in 0..ROUNDS {
                    assert!(macs.hold((table, id), columns, Some(&stored)));
                }
                begun.elapsed() / ROUNDS
            };
            let quickest = (0..100).map(round).min();
            eprintln!("{table}: {quickest:?}");
        }
    }
}
