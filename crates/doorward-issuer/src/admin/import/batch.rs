//! What is imported in one transaction: bounded by users and by the roles that
//! they get, for both are rows that others wait for.

use std::collections::HashSet;

use crate::user_record::ImportedUser;

/// Users of one transaction: bounds for how long others wait to write.
pub const IMPORT_BATCH: usize = 1000;

/// Roles after which a batch ends, for the same reason.
pub const IMPORT_ROLES: usize = 5000;

/// Users to be imported together, in the order of their lines. No name and no id
/// is in it twice.
#[derive(Debug, Default)]
pub struct ImportBatch {
    /// With the number of the line of each.
    users: Vec<(u64, ImportedUser)>,
    roles: usize,
    names: HashSet<String>,
    ids: HashSet<String>,
}

/// The name or the id is in the batch already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the same user name or id as in a line before")]
pub struct TwiceInBatch;

impl ImportBatch {
    /// Adds the user of a line.
    ///
    /// # Errors
    ///
    /// [`TwiceInBatch`]; the batch is as it was.
    pub fn push(&mut self, line: u64, user: ImportedUser) -> Result<(), TwiceInBatch> {
        let (name, id) = (user.username().as_str(), user.id());
        if self.names.contains(name) || id.is_some_and(|id| self.ids.contains(id.as_str())) {
            return Err(TwiceInBatch);
        }
        self.names.insert(name.to_owned());
        self.ids.extend(id.map(ToString::to_string));
        self.roles += user.role_count();
        self.users.push((line, user));
        Ok(())
    }

    /// Its users, each with the number of the line.
    pub fn users(&self) -> &[(u64, ImportedUser)] {
        &self.users
    }

    /// Whether it is to be written before another is added.
    pub fn is_full(&self) -> bool {
        self.users.len() >= IMPORT_BATCH || self.roles >= IMPORT_ROLES
    }

    /// Takes all out of it.
    pub fn clear(&mut self) {
        self.users.clear();
        self.names.clear();
        self.ids.clear();
        self.roles = 0;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::role::{RoleName, RoleSpec, Roles};
    use doorward_verify::clock::Timestamp;
    use serde_json::json;

    use super::{IMPORT_BATCH, IMPORT_ROLES, ImportBatch, ImportedUser, TwiceInBatch};

    fn user(name: usize, tenants: usize) -> ImportedUser {
        let reader = RoleSpec {
            name: RoleName::parse("reader").unwrap(),
            inherits: Vec::new(),
            permissions: Vec::new(),
        };
        let elsewhere =
            (0..tenants).map(|n| json!({ "tenant": format!("t{n}"), "roles": ["reader"] }));
        let elsewhere: Vec<_> = elsewhere.collect();
        let line =
            json!({ "username": format!("u{name}"), "roles_elsewhere": elsewhere }).to_string();
        let roles = Roles::build(vec![reader]).unwrap();
        ImportedUser::read(line.as_bytes(), &roles, Timestamp::from_millis(0)).unwrap()
    }

    /// How many of users with so many roles fill one.
    fn filled_by(roles: usize, batch: &mut ImportBatch) -> usize {
        while !batch.is_full() {
            let name = batch.users().len();
            batch.push(1, user(name, roles)).unwrap();
        }
        let count = batch.users().len();
        batch.clear();
        count
    }

    #[test]
    fn dos_001_a_batch_ends_with_its_users_or_with_their_roles() {
        let mut batch = ImportBatch::default();
        assert_eq!(filled_by(500, &mut batch), IMPORT_ROLES / 500);
        assert_eq!(filled_by(0, &mut batch), IMPORT_BATCH);
        assert_eq!(filled_by(500, &mut batch), IMPORT_ROLES / 500);
    }

    #[test]
    fn nobody_is_in_a_batch_twice() {
        let mut batch = ImportBatch::default();
        batch.push(1, user(1, 0)).unwrap();
        assert_eq!(batch.push(2, user(1, 3)), Err(TwiceInBatch));
        assert_eq!((batch.users().len(), batch.is_full()), (1, false));
        batch.clear();
        batch.push(3, user(1, 0)).unwrap();
    }
}
