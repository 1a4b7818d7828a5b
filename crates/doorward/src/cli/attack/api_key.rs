//! The file of `--api-key`: a key alone, or TOML with what is known of the keys.

use std::path::Path;

use doorward_attack::{run::ApiKeys, target::TokenPlace};
use serde::Deserialize;

use super::{
    files,
    second::{operation, path},
    token_place,
};
use crate::exit::Failure;

/// The file's content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// A good key.
    key: String,
    /// Where it goes, as in `--token-in`; `Authorization: Bearer` if left out.
    r#in: Option<String>,
    /// Keys that are over, or not good yet.
    #[serde(default)]
    expired: Vec<String>,
    /// A key that is bound to a network that this machine is not of.
    elsewhere: Option<String>,
    /// An address of that network.
    address: Option<String>,
    /// The host of another tenant at the same address.
    other_host: Option<String>,
    /// Routes for people that the token reaches and a key must not.
    #[serde(default)]
    management: Vec<String>,
    /// What would make a key that may more than its owner.
    wider: Option<String>,
    /// A key that may be lost.
    spare: Option<String>,
    /// What revokes it.
    revoke: Option<String>,
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<ApiKeys, Failure> {
    let bytes = files::key(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let keys = parse(text.trim()).map_err(|why| {
        Failure::configuration(format!("{} is no file of keys: {why}", file.display()))
            .hint("write the key alone, or TOML with `key = \"…\"`; docs/attack.md names the rest")
    })?;
    Ok(ApiKeys {
        place: match &keys.r#in {
            Some(place) => token_place(place)?,
            None => TokenPlace::Authorization,
        },
        management: keys
            .management
            .iter()
            .map(|route| path("`management`", route))
            .collect::<Result<_, _>>()?,
        wider: keys.wider.as_deref().map(operation).transpose()?,
        revoke: keys.revoke.as_deref().map(operation).transpose()?,
        key: keys.key,
        expired: keys.expired,
        elsewhere: keys.elsewhere,
        address: keys.address,
        other_host: keys.other_host,
        spare: keys.spare,
    })
}

/// The message of a parser shows the line, and the line may hold a key: only
/// what is wrong is told.
fn parse(text: &str) -> Result<Keys, String> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| (b'!'..0x7f).contains(&byte));
    let keys: Keys = match is_word && !text.contains('"') {
        true => Keys {
            key: text.to_owned(),
            r#in: None,
            expired: Vec::new(),
            elsewhere: None,
            address: None,
            other_host: None,
            management: Vec::new(),
            wider: None,
            spare: None,
            revoke: None,
        },
        false => toml::from_str(text).map_err(|error| error.message().to_owned())?,
    };
    if keys.all().any(|key| is_odd(key)) {
        return Err("a key is empty, or holds a blank".to_owned());
    }
    Ok(keys)
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &String> {
        let single = [&self.elsewhere, &self.spare].into_iter().flatten();
        [&self.key].into_iter().chain(single).chain(&self.expired)
    }
}

/// Not what a header field carries in one word.
fn is_odd(key: &str) -> bool {
    key.is_empty() || key.bytes().any(|byte| !(b'!'..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_key_alone_and_a_table_are_read() {
        assert_eq!(
            parse("dw_abc==").map(|keys| keys.key),
            Ok("dw_abc==".to_owned())
        );
        let table = parse("key = \"dw_abc\"\nin = \"header:X-Api-Key\"\nexpired = [\"dw_old\"]");
        assert_eq!(
            table.map(|keys| keys.expired),
            Ok(vec!["dw_old".to_owned()])
        );
        for wrong in ["", "two words", "key = \"\"", "key = \"a\"\nkeys = 1"] {
            let error = parse(wrong).map(|keys| keys.key).expect_err(wrong);
            assert!(!error.contains("dw_"), "{error}");
        }
    }
}
