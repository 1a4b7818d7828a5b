//! The three people of the demo and their passwords.

use doorward_issuer::{AdminError, Entropy as _, Issuer, admin::NewUser, password::Password};

use crate::{
    data_folder::{DataFolder, DemoUser, DemoUsers},
    exit::Failure,
    system::SystemEntropy,
};

/// User name, tenant and role of each.
const PEOPLE: [(&str, &str, &str); 3] = [
    ("reader", "acme", "reader"),
    ("editor", "acme", "editor"),
    ("visitor", "globex", "reader"),
];

/// Makes the people of the demo with fresh random passwords, and keeps the
/// passwords in the data folder. `None` when they are there already.
pub(crate) async fn people(
    issuer: &Issuer,
    folder: &DataFolder,
) -> Result<Option<DemoUsers>, Failure> {
    let file = folder.demo_users();
    if folder.read_json::<DemoUsers>(&file)?.is_some() {
        return Ok(None);
    }
    let mut people = DemoUsers { users: Vec::new() };
    for (username, tenant, role) in PEOPLE {
        let user = DemoUser {
            username: username.to_owned(),
            password: random_password(),
            tenant: tenant.to_owned(),
            roles: vec![role.to_owned()],
        };
        make(issuer, &user).await.map_err(|error| {
            Failure::configuration(format!("the demo user {username} cannot be made: {error}"))
                .hint("begin with a fresh folder: --data OTHER")
        })?;
        people.users.push(user);
    }
    // Last: when a crash comes before this line, the next start sets new
    // passwords for the people that are there.
    folder.write_json(&file, &people)?;
    Ok(Some(people))
}

async fn make(issuer: &Issuer, user: &DemoUser) -> Result<(), Box<dyn std::error::Error>> {
    let admin = issuer.admin();
    match admin.add_tenant(&user.tenant).await {
        Ok(_) | Err(AdminError::TenantExists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let password = || Password::new(user.password.clone());
    let new = NewUser {
        username: user.username.clone(),
        tenant: user.tenant.clone(),
        password: password()?,
    };
    match admin.add_user(new).await {
        Ok(_) => {}
        Err(AdminError::UserExists(_)) => admin.set_password(&user.username, password()?).await?,
        Err(error) => return Err(error.into()),
    }
    for role in &user.roles {
        admin.grant_role(&user.username, &user.tenant, role).await?;
    }
    Ok(())
}

/// 24 of 32 letters and digits, 120 bits, in groups that one can type.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 24];
    SystemEntropy.fill(&mut random);
    let letters = random.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let groups = letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::random_password;

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, other) = (random_password(), random_password());
        assert_eq!(one.len(), 29);
        assert_ne!(one, other);
    }
}
