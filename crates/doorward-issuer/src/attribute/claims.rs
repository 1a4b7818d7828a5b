//! Which attributes become claims of access tokens, and under which names.

use std::collections::BTreeMap;

use doorward_jose::json::Object;

use super::{
    AttributeName, Attributes, MAX_NAME, is_plain,
    linter::{self, Finding},
};

/// The name of a claim that may hold an attribute: 1 to 32 of `a-z 0-9 _`, a
/// letter first, of no known kind of personal data or secrets, and none that
/// means something else already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimName(String);

/// Not the name of a claim for attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimNameError {
    /// Its characters.
    #[error("a claim is named with 1 to {MAX_NAME} of a-z, 0-9 and _, a letter first")]
    Characters,
    /// What it says that it holds.
    #[error("a claim must not hold {0}: everybody who sees a token reads it")]
    Kind(Finding),
    /// It means something else already.
    #[error("`{0}` means something else in a token already")]
    Taken(&'static str),
}

/// Claims that say something else: our own, and those of the registry of RFC
/// 7519 section 10.1 that readers of access tokens act upon (RFC 7519, 7800,
/// 8417, 8485, 8693, 8747, 9068, 9200, 9396, 9449, 9493, 9711, OpenID Connect).
const TAKEN: &str = "\
    iss sub aud exp nbf iat jti sid client_id scope scp tenant roles role permissions \
    permission permission_set auth_time acr amr cnf azp nonce at_hash c_hash s_hash \
    sub_jwk sub_id act may_act groups entitlements authorization_details verified_claims \
    events toe txn status vot vtm htm htu ath atc jwks keys metadata cnonce exi \
    ace_profile eat_profile eat_nonce vc vp orig dest origid attest typ alg kid";

impl ClaimName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`ClaimNameError`].
    pub fn parse(text: &str) -> Result<Self, ClaimNameError> {
        if let Some(taken) = TAKEN.split_whitespace().find(|taken| *taken == text) {
            return Err(ClaimNameError::Taken(taken));
        }
        if let Some(finding) = linter::name(text) {
            return Err(ClaimNameError::Kind(finding));
        }
        match is_plain(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(ClaimNameError::Characters),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ClaimName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The claims of users' tokens that hold attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenClaims(BTreeMap<ClaimName, AttributeName>);

impl TokenClaims {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From now on `claim` holds `attribute`.
    pub fn add(&mut self, claim: ClaimName, attribute: AttributeName) {
        self.0.insert(claim, attribute);
    }

    /// Each with its attribute, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ClaimName, &AttributeName)> {
        self.0.iter()
    }

    /// What they hold for a user with these attributes; none for one that the
    /// user does not have.
    pub(crate) fn of(&self, attributes: &Attributes) -> Object {
        let held = self.0.iter();
        let held = held.filter_map(|(claim, attribute)| {
            let value = attributes.get(attribute)?;
            Some((claim.0.clone(), value.to_json()))
        });
        held.collect()
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::claims::AccessClaims;

    use super::{ClaimName, ClaimNameError, TAKEN};

    #[test]
    fn what_means_something_already_is_not_overwritten() {
        for taken in TAKEN.split_whitespace().chain(AccessClaims::NAMED) {
            let refused = ClaimName::parse(taken);
            assert!(matches!(refused, Err(ClaimNameError::Taken(_))), "{taken}");
        }
    }

    #[test]
    fn a_claim_is_named_plainly() {
        for text in [
            "Department",
            "de partment",
            "1st",
            "",
            "_x",
            "é",
            "a-b",
            "https://x/y",
        ] {
            let refused = ClaimName::parse(text);
            assert_eq!(refused, Err(ClaimNameError::Characters), "{text}");
        }
        assert!(ClaimName::parse(&"a".repeat(33)).is_err());
        assert!(ClaimName::parse("cost_center").is_ok());
    }
}
