//! What a restart must not forget: counters on their way to the store and back.
//!
//! Several times a second whatever changed since is written (BRU-004). A process
//! that is killed forgets the failures of the last moments, fewer than the
//! hasher computes in that time. Keys are written as text; what does not read
//! as one is left out.

use std::net::Ipv4Addr;

use doorward_verify::clock::Timestamp;

use super::{
    Network,
    counters::{AccountKey, Counters, FAMILIAR, Failures, Leaky, WINDOW, Who},
};
use crate::{error::StoreError, issuer::Issuer, store::Store};

/// Most keys that wait to be written.
const MOST_WAITING: usize = 65_536;

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Pair(Who),
    Account(AccountKey),
    Network(Network),
    Familiar(Who),
}

/// A counter as it is to be stored; without a value it is forgotten.
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    pub(crate) who: String,
    pub(crate) value: Option<(u32, u64)>,
    key: Key,
}

/// A counter as it was stored.
pub(crate) struct Kept {
    pub(crate) who: String,
    pub(crate) count: u32,
    pub(crate) at: u64,
}

/// Every kind, and for how long it counts, milliseconds.
const KINDS: [(&str, u64); 4] = [
    ("pair", WINDOW),
    ("account", WINDOW),
    ("network", WINDOW),
    ("familiar", FAMILIAR),
];

impl Counters {
    /// `key` is to be written.
    pub(super) fn changed(&mut self, key: Key) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.insert(key);
        }
    }

    /// What changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|key| self.change(key)).collect()
    }

    fn change(&self, key: Key) -> Change {
        let of_failures = |failures: Failures| (failures.count, failures.last);
        let (kind, who, value) = match key {
            Key::Pair(who) => ("pair", text_of(who), self.pairs.get(&who).map(of_failures)),
            Key::Account(account) => {
                let value = self.accounts.get(&account).map(of_failures);
                ("account", account.to_text(), value)
            }
            Key::Network(network) => {
                let value = self.networks.get(&network);
                (
                    "network",
                    network.to_text(),
                    value.map(|it| (it.count, it.since)),
                )
            }
            Key::Familiar(who) => {
                let value = self.familiar.get(&who).map(|last| (1, last));
                ("familiar", text_of(who), value)
            }
        };
        Change {
            kind,
            who,
            value,
            key,
        }
    }

    /// As it was before a restart.
    pub(super) fn put_back(&mut self, kind: &str, kept: Kept) -> Option<()> {
        let Kept { who, count, at } = kept;
        match kind {
            "pair" => self
                .pairs
                .insert(who_of(&who)?, Failures { count, last: at }),
            "account" => {
                let account = AccountKey::from_text(&who)?;
                self.accounts.insert(account, Failures { count, last: at });
            }
            "network" => {
                let network = Network::from_text(&who)?;
                self.networks.insert(network, Leaky { count, since: at });
            }
            _ => self.familiar.insert(who_of(&who)?, at),
        }
        Some(())
    }
}

impl super::Admission {
    /// With what was counted before a restart.
    pub(crate) async fn restored(
        capacity: usize,
        store: &Store,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let admission = Self::new(capacity);
        for (kind, counts_for) in KINDS {
            let since = Timestamp::from_millis(now.millis().saturating_sub(counts_for));
            for kept in store.sign_in_failures(kind, since).await? {
                // What is not a key of ours is no counter.
                let _ = admission.counters().put_back(kind, kept);
            }
        }
        Ok(admission)
    }
}

impl Issuer {
    /// Writes what admission counted since the last call.
    pub(crate) async fn keep_sign_in_failures(&self) -> Result<(), StoreError> {
        let changes = self.admission().counters().take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.write_sign_in_failures(&changes).await;
        if written.is_err() {
            let mut counters = self.admission().counters();
            for change in &changes {
                counters.changed(change.key);
            }
        }
        written
    }

    async fn write_sign_in_failures(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut tx = self.store().begin().await?;
        for change in changes {
            tx.keep_sign_in_failure(change).await?;
        }
        tx.commit().await
    }

    /// From when on failures, and sign-ins, still count.
    pub(crate) fn forgotten_sign_ins(now: Timestamp) -> (Timestamp, Timestamp) {
        let before = |millis| Timestamp::from_millis(now.millis().saturating_sub(millis));
        (before(WINDOW), before(FAMILIAR))
    }
}

impl AccountKey {
    fn to_text(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    fn from_text(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl Network {
    fn to_text(self) -> String {
        match self {
            Self::V4(address) => address.to_string(),
            Self::V6(prefix) => format!("{prefix:016x}"),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Some(Self::V4(address)),
            Err(_) if text == "unknown" => Some(Self::Unknown),
            Err(_) => u64::from_str_radix(text, 16).ok().map(Self::V6),
        }
    }
}

/// Neither part has a slash.
fn text_of(who: Who) -> String {
    format!("{}/{}", who.account.to_text(), who.network.to_text())
}

fn who_of(text: &str) -> Option<Who> {
    let (account, network) = text.split_once('/')?;
    Some(Who {
        account: AccountKey::from_text(account)?,
        network: Network::from_text(network)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{AccountKey, Network, Who, text_of, who_of};

    #[test]
    fn a_key_survives_its_text() {
        for address in ["192.0.2.1", "2001:db8:1:2::1", "::"] {
            let network = Network::from(address.parse().ok());
            let account = AccountKey::of("Alice");
            let who = Who { account, network };
            assert!(who_of(&text_of(who)) == Some(who), "{address}");
        }
        let account = AccountKey::of("bob");
        let network = Network::from(None);
        let who = Who { account, network };
        assert!(who_of(&text_of(who)) == Some(who));
        assert!(who_of("x/y").is_none() && who_of("").is_none());
    }
}
