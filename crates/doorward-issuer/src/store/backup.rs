//! A copy of the database while it is in use.

use super::{
    Engine, Store,
    statement::{On, sql},
};
use crate::error::StoreError;

impl Store {
    /// Writes what is committed now into `file`, which is empty; `false` where
    /// the server's own tools do this.
    pub(crate) async fn back_up_to(&self, file: &str) -> Result<bool, StoreError> {
        match &self.engine {
            Engine::Sqlite(database) => {
                // A read transaction: nobody's writes wait for it but ours.
                sql("VACUUM INTO $1")
                    .bind(file)
                    .execute(On::Sqlite(database.writer()))
                    .await?;
                Ok(true)
            }
            Engine::Postgres(_) => Ok(false),
        }
    }
}
