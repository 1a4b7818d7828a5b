//! Nonces that a server gives and takes back (RFC 9449 sections 8 and 9).
//!
//! A nonce is a short signed note of when it was given, so nothing is stored
//! and every process that holds the key takes it. A process with a key of its
//! own takes no other's.

use doorward_jose::{
    algorithm::Algorithm,
    error::KeyError,
    json::{Limits, parse_object},
    jws::UnverifiedJws,
    signing_key::SigningKey,
    time::UnixTime,
    verifying_key::VerifyingKey,
};

const TYPE: &str = "dpop-nonce";
const KEY_ID: &str = "n";
/// How long a nonce is taken, in seconds.
const LIFETIME_SECONDS: u64 = 300;

/// Gives nonces and takes them back.
pub struct Nonces {
    signing: SigningKey,
    verifying: VerifyingKey,
}

impl Nonces {
    /// With a secret of at least 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        let signing = SigningKey::hmac(Algorithm::Hs256, secret)?.with_key_id(KEY_ID)?;
        let verifying = signing.verifying_key();
        Ok(Self { signing, verifying })
    }

    /// A nonce that is good from `now` for five minutes.
    pub fn issue(&self, now: UnixTime) -> Option<String> {
        let given = serde_json::json!({ "iat": now.as_secs() });
        self.signing.sign(TYPE, &given).ok()
    }

    /// Whether `nonce` was given here and is still good.
    pub fn accept(&self, nonce: &str, now: UnixTime) -> bool {
        let given = self.given_at(nonce);
        given.is_some_and(|given| given <= now && now < given.saturating_add(LIFETIME_SECONDS))
    }

    fn given_at(&self, nonce: &str) -> Option<UnixTime> {
        let jws = UnverifiedJws::parse(nonce).ok()?;
        let note = jws.verify(&self.verifying).ok()?;
        let is_ours = jws.header().token_type() == Some(TYPE);
        let note = parse_object(&note, Limits::HEADER)
            .ok()
            .filter(|_| is_ours)?;
        note.get("iat")?.as_u64().map(UnixTime::from_secs)
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey, time::UnixTime};

    use super::Nonces;

    #[test]
    fn dpp_006_only_a_fresh_nonce_of_this_server_is_taken() {
        let at = |seconds: u64| UnixTime::from_secs(1_800_000_000 + seconds);
        let (ours, other) = (
            Nonces::new(&[1; 32]).unwrap(),
            Nonces::new(&[2; 32]).unwrap(),
        );
        let nonce = ours.issue(at(0)).unwrap();
        assert!(ours.accept(&nonce, at(0)) && ours.accept(&nonce, at(299)));
        assert!(!ours.accept(&nonce, at(300)), "too old");
        assert!(!other.accept(&nonce, at(0)), "another server's");
        let tomorrow = ours.issue(at(86_400)).unwrap();
        assert!(!ours.accept(&tomorrow, at(0)), "from the future");
        for text in ["", "x", &nonce[1..], "e30.e30.AA"] {
            assert!(!ours.accept(text, at(0)), "{text}");
        }
        // The same secret used for something else.
        let key = SigningKey::hmac(Algorithm::Hs256, &[1; 32]).unwrap();
        let key = key.with_key_id("n").unwrap();
        let foreign = key.sign("JWT", &serde_json::json!({ "iat": 1_800_000_000_u64 }));
        assert!(
            !ours.accept(&foreign.unwrap(), at(0)),
            "another kind of note"
        );
        assert!(Nonces::new(&[1; 31]).is_err());
    }
}
