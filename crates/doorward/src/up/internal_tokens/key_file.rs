//! The file with the keys of internal tokens, in PEM: the first signs, all are
//! published. A key that is replaced stays below the new one for a while.

use std::path::Path;

use base64_simd::STANDARD;
use doorward_verify::jose::{algorithm::Algorithm, signing_key::SigningKey};
use zeroize::Zeroizing;

use super::super::certificates::is_kept_secret;
use crate::{data_folder::DataFolder, exit::Failure};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The key of the data folder, made when it is first needed.
pub(super) fn kept(folder: &DataFolder) -> Result<Vec<SigningKey>, Failure> {
    let file = folder.internal_key();
    if folder.read(&file)?.is_none() {
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
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::configuration(format!("{shown} cannot be read: {error}"))
            .hint("`key` of `[internal_tokens]` names a PEM file beside the configuration")
    })?;
    let keys = from_pem(&Zeroizing::new(text)).filter(|keys| !keys.is_empty());
    keys.ok_or_else(|| {
        Failure::configuration(format!("{shown} holds no private key for internal tokens")).hint(
            "ES256 signs them: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` \
             writes such a key",
        )
    })
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

/// The keys of a PEM file (RFC 7468); none if one of them is no P-256 key.
fn from_pem(text: &str) -> Option<Vec<SigningKey>> {
    let blocks = text.split(BEGIN).skip(1);
    let keys = blocks.map(|block| {
        let (encoded, _) = block.split_once(END)?;
        let encoded: Zeroizing<String> = Zeroizing::new(encoded.split_ascii_whitespace().collect());
        let pkcs8 = Zeroizing::new(STANDARD.decode_to_vec(encoded.as_bytes()).ok()?);
        SigningKey::from_pkcs8(Algorithm::Es256, &pkcs8).ok()
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_verify::jose::{algorithm::Algorithm, signing_key::SigningKey};

    use super::{from_pem, to_pem};

    #[test]
    fn a_file_may_hold_several_keys_and_nothing_else() {
        let [first, second] = [(), ()].map(|()| SigningKey::generate(Algorithm::Es256).unwrap());
        let both = [&first, &second].map(|key| to_pem(&key.to_pkcs8().unwrap()).to_string());
        let read = from_pem(&both.concat()).unwrap();
        let ids: Vec<_> = read.iter().map(SigningKey::key_id).collect();
        assert_eq!(ids, [first.key_id(), second.key_id()]);

        let other = SigningKey::generate(Algorithm::Es384).unwrap();
        let other = to_pem(&other.to_pkcs8().unwrap());
        assert!(from_pem(&format!("{}{}", both[0], *other)).is_none());
        assert!(from_pem(&both[0][..both[0].len() - 5]).is_none());
        assert!(from_pem("").unwrap().is_empty());
    }
}
