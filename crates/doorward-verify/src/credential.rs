//! The text of API keys and client secrets.
//!
//! ```text
//! dw_<kind>_<id: 16>_<secret: 36><checksum: 6>
//! ```
//!
//! Everything after the prefix is of `0-9 A-Z a-z`, so that a double click takes
//! the whole text and a scanner of repositories finds it by one expression. The
//! checksum is a CRC-32 of all that stands before it, in six digits to base 62:
//! anyone can tell a mistyped or invented key from a real one without asking
//! anybody. It is no protection: whoever knows this page can make texts that
//! pass. Whether a key is genuine only its issuer knows.

/// What every such text begins with.
pub const PREFIX: &str = "dw_";

/// Length of an id.
pub const ID_LENGTH: usize = 16;

/// Length of a secret.
pub const SECRET_LENGTH: usize = 36;

/// 62^6 is more than 2^32.
const CHECKSUM_LENGTH: usize = 6;

/// The digits, in the order of their values.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An API key that acts for a user.
    UserKey,
    /// An API key that acts for a service client.
    ClientKey,
    /// The secret with which a client signs in itself.
    ClientSecret,
}

impl Kind {
    const ALL: [Self; 3] = [Self::UserKey, Self::ClientKey, Self::ClientSecret];

    /// As it stands in the text.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UserKey => "usr",
            Self::ClientKey => "svc",
            Self::ClientSecret => "cs",
        }
    }

    /// Whether it is an API key, which callers send with each request.
    pub const fn is_api_key(self) -> bool {
        !matches!(self, Self::ClientSecret)
    }
}

/// A text of the right form whose checksum holds. Says nothing of whether it
/// is genuine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnverifiedCredential<'t> {
    text: &'t str,
    kind: Kind,
}

impl<'t> UnverifiedCredential<'t> {
    /// Reads a text; `None` if it is none of ours, or was mistyped.
    ///
    /// ```
    /// use doorward_verify::credential::{Kind, UnverifiedCredential, compose};
    ///
    /// let text = compose(Kind::UserKey, "4Fq0ZtW8mJrN2bXe", "9sK3vQpL7yTz1aHc5dGf6uRw0oXiB8nMjE2k");
    /// let key = UnverifiedCredential::parse(&text).ok_or("not ours")?;
    /// assert_eq!(key.id(), "4Fq0ZtW8mJrN2bXe");
    /// assert!(UnverifiedCredential::parse(&text.replace("9sK", "9sk")).is_none());
    /// # Ok::<(), &str>(())
    /// ```
    pub fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let (code, rest) = rest.split_once('_')?;
        let (id, rest) = rest.split_once('_')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code)?;
        let is_ours = id.len() == ID_LENGTH
            && rest.len() == SECRET_LENGTH + CHECKSUM_LENGTH
            && [id, rest].iter().all(|part| part.bytes().all(is_digit));
        let (body, sum) = text.split_at_checked(text.len() - CHECKSUM_LENGTH)?;
        (is_ours && sum.as_bytes() == checksum(body)).then_some(Self { text, kind })
    }

    /// What it is for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The id; no secret.
    pub fn id(&self) -> &'t str {
        let end = self.text.len() - CHECKSUM_LENGTH - SECRET_LENGTH - 1;
        &self.text[end - ID_LENGTH..end]
    }

    /// The secret.
    pub fn secret(&self) -> &'t str {
        let end = self.text.len() - CHECKSUM_LENGTH;
        &self.text[end - SECRET_LENGTH..end]
    }
}

/// Not the secret.
impl std::fmt::Debug for UnverifiedCredential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnverifiedCredential")
            .field("kind", &self.kind)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// The text of a credential. `id` and `secret` have their lengths, in
/// [`DIGITS`]; else the text is one that [`UnverifiedCredential::parse`]
/// refuses.
pub fn compose(kind: Kind, id: &str, secret: &str) -> String {
    let mut text = format!("{PREFIX}{}_{id}_{secret}", kind.code());
    let sum = checksum(&text);
    text.extend(sum.map(char::from));
    text
}

/// Whether `text` holds something of the form of an API key; says which id the
/// first has. For finding keys where they should not be.
pub fn find_api_key(text: &str) -> Option<&str> {
    text.match_indices(PREFIX).find_map(|(start, _)| {
        let rest = &text[start..];
        let end = rest
            .bytes()
            .position(|byte| !is_digit(byte) && byte != b'_')
            .unwrap_or(rest.len());
        let found = UnverifiedCredential::parse(&rest[..end])?;
        found.kind().is_api_key().then(|| found.id())
    })
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn checksum(body: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut value = crc32(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    digits
}

/// CRC-32 of ISO-HDLC (as in zlib and PNG), bit by bit: sixty bytes need no
/// table.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0xedb8_8320 & mask);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{DIGITS, Kind, UnverifiedCredential, compose, crc32, find_api_key};

    const ID: &str = "4Fq0ZtW8mJrN2bXe";
    const SECRET: &str = "9sK3vQpL7yTz1aHc5dGf6uRw0oXiB8nMjE2k";

    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn apk_001_the_form_is_read_back_and_every_slip_of_one_digit_is_noticed() {
        for kind in [Kind::UserKey, Kind::ClientKey, Kind::ClientSecret] {
            let text = compose(kind, ID, SECRET);
            let read = UnverifiedCredential::parse(&text).unwrap();
            assert_eq!((read.kind(), read.id(), read.secret()), (kind, ID, SECRET));
            assert!(!format!("{read:?}").contains(SECRET));
            for at in 0..text.len() {
                for digit in DIGITS.iter().chain(b"_- \0") {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] = *digit;
                    let other = String::from_utf8(bytes).unwrap();
                    let found = UnverifiedCredential::parse(&other).is_some();
                    assert_eq!(found, other == text, "{other}");
                }
            }
        }
    }

    #[test]
    fn iss_030_a_key_that_is_cut_or_extended_is_none() {
        let text = compose(Kind::UserKey, ID, SECRET);
        for length in 0..text.len() {
            assert!(UnverifiedCredential::parse(&text[..length]).is_none());
        }
        for other in [
            format!("{text}0"),
            format!(" {text}"),
            text.to_lowercase(),
            text.to_uppercase(),
            text.replace("usr", "usrs"),
            "dw_".to_owned(),
            "dw__".to_owned(),
            "dw_usr__é".to_owned(),
        ] {
            assert!(UnverifiedCredential::parse(&other).is_none(), "{other}");
        }
        // Parts of other lengths whose checksum holds.
        let odd = [
            compose(Kind::UserKey, "short", SECRET),
            compose(Kind::UserKey, ID, "é"),
        ];
        assert!(
            odd.iter()
                .all(|text| UnverifiedCredential::parse(text).is_none())
        );
    }

    #[test]
    fn apk_008_a_key_is_found_in_a_query() {
        let text = compose(Kind::UserKey, ID, SECRET);
        assert_eq!(find_api_key(&format!("a=dw_x&key={text}&b=1")), Some(ID));
        assert_eq!(find_api_key(&compose(Kind::ClientSecret, ID, SECRET)), None);
        assert_eq!(find_api_key("key=dw_usr_é"), None);
        assert_eq!(find_api_key(""), None);
    }
}
