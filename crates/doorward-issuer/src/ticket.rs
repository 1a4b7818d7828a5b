//! Tickets: texts that let one account do one thing for a few minutes.
//!
//! The first step of a sign-in ends in one when a second factor is asked for,
//! and an operator hands one to a user who forgot the password. They are no
//! JWTs, and their MAC covers what they are for: none of them is taken where
//! an access token is asked for, or where another kind of ticket is (ISS-025).
//!
//! No row stands for a ticket. It names the version of its account, which rises
//! with every new password and when the account is disabled, so a reset token
//! works once and an older one not at all (ISS-022); and a mark of the store's
//! epoch and of a salt that is drawn anew with it and when a master key is retired,
//! so a backup that is put back revives none, and whoever had the key and a copy of
//! the database makes none that is good now.
//!
//! Garbage costs one HMAC and no read of the database.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64_simd::URL_SAFE_NO_PAD;
use doorward_jose::time::UnixTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    entropy::{Entropy, random},
    error::StoreError,
    issuer::Issuer,
    tenant::TenantName,
    user::{Account, UserId},
};

/// Bytes of the MAC: 128 bits, of which nobody guesses one in a few minutes.
const MAC: usize = 16;

/// Bytes of the store's mark that a ticket names: 64 bits, of which nobody guesses
/// one over the network.
const MARK: usize = 8;

/// Bytes of the salt that the mark is made with.
const SALT: usize = 32;

/// Bytes before the tenant.
const HEAD: usize = 16 + 8 + 8 + MARK;

/// More than any ticket has.
const MOST_BYTES: usize = HEAD + TenantName::MAX_LENGTH + MAC;

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Setting a password without the old one.
    PasswordReset,
    /// Showing the second factor after the password.
    SecondFactor,
}

/// A ticket of an account that is as it was when the ticket was made.
pub(crate) struct Redeemed {
    pub(crate) account: Account,
    /// The tenant to enter.
    pub(crate) tenant: TenantName,
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ticket {
    user: Uuid,
    version: i64,
    expires_at: UnixTime,
    mark: [u8; MARK],
    tenant: TenantName,
}

impl Purpose {
    /// Begins the text, so that people and secret scanners know it.
    const fn prefix(self) -> &'static str {
        match self {
            Self::PasswordReset => "dw_reset_",
            Self::SecondFactor => "dw_second_",
        }
    }
}

impl Issuer {
    /// A ticket for `account`, good until `expires_at`.
    pub(crate) async fn ticket(
        &self,
        purpose: Purpose,
        account: &Account,
        tenant: &TenantName,
        expires_at: UnixTime,
    ) -> Result<Zeroizing<String>, StoreError> {
        let ticket = Ticket {
            user: uuid_of(&account.id)?,
            version: account.version,
            expires_at,
            mark: self.mark().await?,
            tenant: tenant.clone(),
        };
        Ok(ticket.write(purpose, &self.keys().tickets))
    }

    /// The account of a ticket, if the ticket is ours, for this, not too old,
    /// and the account did not change since.
    pub(crate) async fn redeem(
        &self,
        purpose: Purpose,
        text: &str,
    ) -> Result<Option<Redeemed>, StoreError> {
        let Some(ticket) = Ticket::read(purpose, text, &self.keys().tickets) else {
            return Ok(None);
        };
        let now = self.clock().now().unix();
        if ticket.expires_at <= now || ticket.mark != self.mark().await? {
            return Ok(None);
        }
        let id = ticket.user.hyphenated().to_string();
        let account = self.account_by_id(&id).await?;
        let account =
            account.filter(|account| account.version == ticket.version && !account.disabled);
        Ok(account.map(|account| Redeemed {
            account,
            tenant: ticket.tenant,
        }))
    }

    async fn mark(&self) -> Result<[u8; MARK], StoreError> {
        let (epoch, salt) = self.store().epoch_and_ticket_salt().await?;
        let salted = salt.map(|salt| mark(&epoch, &salt, &self.keys().tickets));
        let mark = salted.or_else(|| epoch.as_bytes().first_chunk().copied());
        mark.ok_or_else(|| StoreError::Corrupt("the epoch is too short".to_owned()))
    }
}

impl Ticket {
    fn write(&self, purpose: Purpose, key: &hmac::Key) -> Zeroizing<String> {
        let mut bytes = Vec::with_capacity(MOST_BYTES);
        bytes.extend_from_slice(self.user.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.as_secs().to_be_bytes());
        bytes.extend_from_slice(&self.mark);
        bytes.extend_from_slice(self.tenant.as_str().as_bytes());
        let mac = mac(purpose, &bytes, key);
        bytes.extend_from_slice(&mac);
        let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode_to_string(&bytes));
        Zeroizing::new([purpose.prefix(), &digits].concat())
    }

    fn read(purpose: Purpose, text: &str, key: &hmac::Key) -> Option<Self> {
        let digits = text.strip_prefix(purpose.prefix())?;
        if digits.len() > MOST_BYTES.div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(digits).ok()?;
        let (said, shown) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        verify_slices_are_equal(&mac(purpose, said, key), shown).ok()?;
        let (user, rest) = said.split_first_chunk::<16>()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (mark, tenant) = rest.split_first_chunk()?;
        Some(Self {
            user: Uuid::from_bytes(*user),
            version: i64::from_be_bytes(*version),
            expires_at: UnixTime::from_secs(u64::from_be_bytes(*expires_at)),
            mark: *mark,
            tenant: TenantName::parse(std::str::from_utf8(tenant).ok()?).ok()?,
        })
    }
}

/// A salt that nobody has seen.
pub(crate) fn ticket_salt(entropy: &dyn Entropy) -> [u8; SALT] {
    random(entropy)
}

/// What it begins with is no prefix of a ticket, so no mark is a ticket's MAC.
fn mark(epoch: &str, salt: &[u8], key: &hmac::Key) -> [u8; MARK] {
    let mut context = hmac::Context::with_key(key);
    context.update(b"mark of the epoch");
    context.update(salt);
    context.update(epoch.as_bytes());
    let mut mark = [0; MARK];
    mark.copy_from_slice(&context.sign().as_ref()[..MARK]);
    mark
}

/// Over the purpose too. The prefixes differ before the first byte of what
/// follows, so the message has one reading.
fn mac(purpose: Purpose, bytes: &[u8], key: &hmac::Key) -> [u8; MAC] {
    let mut context = hmac::Context::with_key(key);
    context.update(purpose.prefix().as_bytes());
    context.update(bytes);
    let mut mac = [0; MAC];
    mac.copy_from_slice(&context.sign().as_ref()[..MAC]);
    mac
}

fn uuid_of(user: &UserId) -> Result<Uuid, StoreError> {
    Uuid::try_parse(user.as_str())
        .map_err(|_| StoreError::Corrupt(format!("account.id is {user}, not a UUID")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use aws_lc_rs::hmac;
    use doorward_jose::time::UnixTime;
    use uuid::Uuid;

    use super::{Purpose, Ticket};
    use crate::tenant::TenantName;

    fn key(seed: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[seed; 32])
    }

    fn ticket() -> Ticket {
        Ticket {
            user: Uuid::from_bytes([7; 16]),
            version: 3,
            expires_at: UnixTime::from_secs(1_800_000_000),
            mark: *b"0123abcd",
            tenant: TenantName::parse("acme").unwrap(),
        }
    }

    #[test]
    fn a_ticket_is_read_whole_for_its_purpose_and_under_its_key() {
        let text = ticket().write(Purpose::PasswordReset, &key(1));
        let read = |purpose, text: &str, seed| Ticket::read(purpose, text, &key(seed));
        assert_eq!(read(Purpose::PasswordReset, &text, 1), Some(ticket()));
        assert_eq!(read(Purpose::PasswordReset, &text, 2), None);
        let renamed = text.replace("dw_reset_", "dw_second_");
        assert_eq!(read(Purpose::SecondFactor, &renamed, 1), None, "iss_025");
        for length in 0..text.len() {
            assert_eq!(read(Purpose::PasswordReset, &text[..length], 1), None);
        }
        for more in ["A", "="] {
            let longer = [text.as_str(), more].concat();
            assert_eq!(read(Purpose::PasswordReset, &longer, 1), None);
        }
    }

    #[test]
    fn iss_030_no_changed_letter_is_taken() {
        let text = ticket().write(Purpose::SecondFactor, &key(1));
        for at in Purpose::SecondFactor.prefix().len()..text.len() {
            for letter in ["A", "B", "_", "!"] {
                let mut changed = text.to_string();
                changed.replace_range(at..=at, letter);
                if changed == *text {
                    continue;
                }
                let read = Ticket::read(Purpose::SecondFactor, &changed, &key(1));
                assert_eq!(read, None, "{at} {letter}");
            }
        }
    }
}
