//! What is imported in one transaction: bounded by users and by the roles that
//! they get, for both are rows that others wait for.

use doorward_issuer::{
    admin::{IMPORT_BATCH, IMPORT_ROLES},
    user_record::ImportedUser,
};

/// Users, with the numbers of their lines.
#[derive(Default)]
pub(super) struct Batch {
    users: Vec<(u64, ImportedUser)>,
    roles: usize,
}

impl Batch {
    pub(super) fn push(&mut self, line: u64, user: ImportedUser) {
        self.roles += user.role_count();
        self.users.push((line, user));
    }

    pub(super) fn users(&self) -> &[(u64, ImportedUser)] {
        &self.users
    }

    /// Whether it is to be written before another is added.
    pub(super) fn is_full(&self) -> bool {
        self.users.len() >= IMPORT_BATCH || self.roles >= IMPORT_ROLES
    }

    pub(super) fn clear(&mut self) {
        self.users.clear();
        self.roles = 0;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::role::{RoleName, RoleSpec, Roles};
    use doorward_verify::clock::Timestamp;
    use serde_json::json;

    use super::{Batch, IMPORT_BATCH, IMPORT_ROLES, ImportedUser};

    fn user(tenants: usize) -> ImportedUser {
        let reader = RoleSpec {
            name: RoleName::parse("reader").unwrap(),
            inherits: Vec::new(),
            permissions: Vec::new(),
        };
        let elsewhere =
            (0..tenants).map(|n| json!({ "tenant": format!("t{n}"), "roles": ["reader"] }));
        let elsewhere: Vec<_> = elsewhere.collect();
        let line = json!({ "username": "a", "roles_elsewhere": elsewhere }).to_string();
        let roles = Roles::build(vec![reader]).unwrap();
        ImportedUser::read(line.as_bytes(), &roles, Timestamp::from_millis(0)).unwrap()
    }

    /// How many of these fill one.
    fn filled_by(user: &ImportedUser, batch: &mut Batch) -> usize {
        while !batch.is_full() {
            batch.push(1, user.clone());
        }
        let count = batch.users().len();
        batch.clear();
        count
    }

    #[test]
    fn dos_001_a_batch_ends_with_its_users_or_with_their_roles() {
        let mut batch = Batch::default();
        assert_eq!(filled_by(&user(500), &mut batch), IMPORT_ROLES / 500);
        assert_eq!(filled_by(&user(0), &mut batch), IMPORT_BATCH);
        assert_eq!(filled_by(&user(500), &mut batch), IMPORT_ROLES / 500);
    }
}
