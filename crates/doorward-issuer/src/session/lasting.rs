//! What of a session never changes, and what holds it to that.
//!
//! The key of a session's refresh tokens is sealed beside these columns of its
//! row. Who writes another user, tenant or end into the row has a session whose
//! key does not open, so none of its refresh tokens is genuine.

use zeroize::Zeroizing;

use super::SessionId;
use crate::{
    error::StoreError,
    master_key::seal::{Place, Sealed, Sealer},
    store::{NewSession, SessionRow, Tx},
};

/// The lasting columns of one session, as texts.
pub(super) struct Lasting {
    id: String,
    columns: [String; 6],
}

impl Lasting {
    pub(super) fn of_new(new: &NewSession<'_>) -> Self {
        Self {
            id: new.id.to_string(),
            columns: [
                new.user.to_string(),
                new.tenant.to_string(),
                new.client_id.to_owned(),
                new.methods.join(" "),
                new.absolute_until.millis().to_string(),
                new.now.millis().to_string(),
            ],
        }
    }

    pub(super) fn of_row(id: SessionId, row: &SessionRow) -> Self {
        Self {
            id: id.to_string(),
            columns: [
                row.user.to_string(),
                row.tenant.to_string(),
                row.client_id.clone(),
                row.methods.join(" "),
                row.standing.absolute_until.millis().to_string(),
                row.created_at.millis().to_string(),
            ],
        }
    }

    /// Seals a key for this session as it is.
    pub(super) fn seal(&self, sealer: &Sealer, key: &[u8]) -> Vec<u8> {
        self.place(|place| sealer.seal(place, key))
    }

    /// Opens what was sealed for this session as it is.
    pub(super) fn open(
        &self,
        sealer: &Sealer,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        self.place(|place| sealer.open(place, sealed))
    }

    fn place<T>(&self, act: impl FnOnce(Place<'_>) -> T) -> T {
        let columns = self.columns.each_ref().map(String::as_str);
        act(Place {
            table: "session",
            id: &self.id,
            beside: &columns,
        })
    }
}

/// Seals the keys of all live sessions beside their columns: once, when the
/// database comes from a program that sealed them for their id alone.
pub(crate) async fn seal_sessions_anew(tx: &mut Tx, sealer: &Sealer) -> Result<(), StoreError> {
    for id in tx.every_live_session().await? {
        let Some(row) = tx.session(id).await? else {
            continue;
        };
        let text = id.to_string();
        let before = Place {
            table: "session",
            id: &text,
            beside: &[],
        };
        // What does not open now did not open before either.
        if let Ok(key) = sealer.open(before, &row.sealed_key) {
            let sealed = Lasting::of_row(id, &row).seal(sealer, &key);
            tx.set_session_key(id, &sealed).await?;
        }
    }
    Ok(())
}
