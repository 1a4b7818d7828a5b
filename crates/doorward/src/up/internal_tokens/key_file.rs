//! The file with the keys of internal tokens, in PEM: the first signs, all are
//! published. A key that is replaced stays below the new one for a while.

use std::path::Path;

use base64_simd::STANDARD;
use doorward_verify::jose::{algorithm::Algorithm, signing_key::SigningKey};
use zeroize::Zeroizing;

use super::super::certificates::is_kept_secret;
use crate::{
    bounded_file::{self, LARGEST_KEY_FILE},
    data_folder::DataFolder,
    exit::Failure,
};

/// Around every label.
const FENCE: &str = "-----";
/// Before that of every block, whatever it holds.
const ANY: &str = "-----BEGIN ";
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The key of the data folder, made when it is first needed.
pub(super) fn kept(folder: &DataFolder) -> Result<Vec<SigningKey>, Failure> {
    let file = folder.internal_key();
    if folder.read(&file)?.map(Zeroizing::new).is_none() {
        let fault = |_| Failure::internal("a key for internal tokens cannot be made");
        let key = SigningKey::generate(Algorithm::Es256).map_err(fault)?;
        let pkcs8 = key.to_pkcs8().map_err(fault)?;
        folder.write(&file, &to_pem(&pkcs8))?;
    }
    read(&file)
}

/// The keys of `file`, at least one.
pub(super) fn read(file: &Path) -> Result<Vec<SigningKey>, Failure> {
    is_kept_secret("the key of internal tokens", file)?;
    let shown = file.display();
    let bytes = bounded_file::read_secret(file, LARGEST_KEY_FILE).map_err(|error| {
        Failure::configuration(format!("{shown} cannot be read: {error}"))
            .hint("`key` of `[internal_tokens]` names a PEM file beside the configuration")
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Unfit::Nothing);
    text.and_then(from_pem).map_err(|unfit| {
        let why = unfit.why();
        Failure::configuration(format!("{shown} {why}")).hint(
            "ES256 signs them: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` \
             writes such a key",
        )
    })
}

/// What is wrong with a file of keys. One wrong block refuses the whole file: of
/// those that are left the first would sign, and that is not the first.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// There is no block.
    Nothing,
    /// A block holds something else, or a key in another form.
    Other,
    /// A block is cut, or its key is no P-256 key.
    Broken,
}

impl Unfit {
    const fn why(&self) -> &'static str {
        match self {
            Self::Nothing => "holds no private key for internal tokens",
            Self::Other => "holds a block other than `PRIVATE KEY`, so none of it is used",
            Self::Broken => "holds a key that is cut, or not of P-256, so none of it is used",
        }
    }
}

fn to_pem(pkcs8: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode_to_string(pkcs8));
    let mut pem = Zeroizing::new(format!("{BEGIN}\n"));
    for line in encoded.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str(END);
    pem.push('\n');
    pem
}

/// The keys of a PEM file (RFC 7468), which holds nothing else but text between
/// its blocks.
fn from_pem(text: &str) -> Result<Vec<SigningKey>, Unfit> {
    let mut pieces = text.split(ANY);
    let before = pieces.next().unwrap_or_default();
    let keys: Result<Vec<_>, _> = pieces.map(key).collect();
    // The end of a block without a beginning.
    if before.contains(FENCE) {
        return Err(Unfit::Broken);
    }
    keys.and_then(|keys| match keys.is_empty() {
        true => Err(Unfit::Nothing),
        false => Ok(keys),
    })
}

/// The key of a block, from behind [`ANY`] to the next one.
fn key(block: &str) -> Result<SigningKey, Unfit> {
    let label = &BEGIN[ANY.len()..];
    let encoded = block.strip_prefix(label).ok_or(Unfit::Other)?;
    let (encoded, after) = encoded.split_once(END).ok_or(Unfit::Broken)?;
    if after.contains(FENCE) {
        return Err(Unfit::Broken);
    }
    let encoded: Zeroizing<String> = Zeroizing::new(encoded.split_ascii_whitespace().collect());
    let pkcs8 = STANDARD.decode_to_vec(encoded.as_bytes());
    let pkcs8 = Zeroizing::new(pkcs8.map_err(|_| Unfit::Broken)?);
    SigningKey::from_pkcs8(Algorithm::Es256, &pkcs8).map_err(|_| Unfit::Broken)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_verify::jose::{algorithm::Algorithm, signing_key::SigningKey};

    use super::{Unfit, from_pem, to_pem};

    #[test]
    fn a_file_may_hold_several_keys_and_nothing_else() {
        let [first, second] = [(), ()].map(|()| SigningKey::generate(Algorithm::Es256).unwrap());
        let both = [&first, &second].map(|key| to_pem(&key.to_pkcs8().unwrap()).to_string());
        let read = from_pem(&both.concat()).unwrap();
        let ids: Vec<_> = read.iter().map(SigningKey::key_id).collect();
        assert_eq!(ids, [first.key_id(), second.key_id()]);

        let other = SigningKey::generate(Algorithm::Es384).unwrap();
        let other = to_pem(&other.to_pkcs8().unwrap());
        let refused = |text: &str| from_pem(text).unwrap_err();
        assert_eq!(refused(&format!("{}{}", both[0], *other)), Unfit::Broken);
        assert_eq!(refused(&both[0][..both[0].len() - 5]), Unfit::Broken);
        assert_eq!(refused(""), Unfit::Nothing);
    }

    /// Or the key below, which was to be replaced, would go on signing.
    #[test]
    fn a_block_that_is_not_read_is_not_passed_over() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let old = to_pem(&key.to_pkcs8().unwrap());
        for label in [
            "EC PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "RSA PRIVATE KEY",
            "CERTIFICATE",
            "private key",
        ] {
            let new = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
            for text in [format!("{new}{}", *old), format!("{}{new}", *old)] {
                assert_eq!(from_pem(&text).unwrap_err(), Unfit::Other, "{label}");
            }
        }
        let cut = format!("AAAA\n-----END PRIVATE KEY-----\n{}", *old);
        assert_eq!(from_pem(&cut).unwrap_err(), Unfit::Broken);
        let said = format!("of the year 2026:\n{}\nand nothing else\n", *old);
        assert_eq!(from_pem(&said).unwrap().len(), 1);
    }
}
