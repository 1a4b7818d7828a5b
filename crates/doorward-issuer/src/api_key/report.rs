//! A key that was found where it must not be: in a repository, a chat, a log.
//!
//! Whoever has its text may end it and needs no account for that, so that a
//! finder, or a program that looks for leaked secrets, can do so at once. A
//! thief who used this would do less than a thief can, unless the key is bound to
//! networks: elsewhere ending it is all that its text is good for. Only a text
//! that counts at this moment ends anything: an older one was replaced.

use doorward_verify::clock::Timestamp;

use crate::{audit::Actor, error::AdminError, issuer::Issuer, store::ApiKeyRow};

impl Issuer {
    /// Ends the key of this text, and what it was exchanged for. `false` if it
    /// is no key of ours that counts at `at`.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; the key goes on.
    pub async fn report_api_key(&self, text: &str, at: Timestamp) -> Result<bool, AdminError> {
        // Guesses end here, before the store.
        let Some(presented) = self.own_key(text) else {
            return Ok(false);
        };
        let mac = self.keys().credentials.mac_of(&presented);
        // By a reader, so that a text that ends nothing keeps no writer waiting.
        let row = self.store().api_key(presented.id()).await?;
        match row.filter(|row| row.revoked_at.is_none()) {
            Some(row) if row.secrets.accept(&mac, at) => {
                let finder = self.admin().acting_as(Actor::api_key(&row.id));
                // And once more by the writer: the text may be replaced meanwhile,
                // and the new one is not what was found.
                let still_counts = |row: &ApiKeyRow| row.secrets.accept(&mac, at);
                finder.revoke_api_key_if(&row.id, still_counts).await
            }
            _ => Ok(false),
        }
    }
}
