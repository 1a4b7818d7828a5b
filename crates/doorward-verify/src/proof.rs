//! Proof of possession: a token that is bound to a key is worth nothing
//! without it (RFC 7800 `cnf`).
//!
//! Two bindings are known: DPoP (RFC 9449, `cnf.jkt`) and mutual TLS
//! (RFC 8705 section 3, `cnf.x5t#S256`). A token with both needs both; a token
//! with any other confirmation cannot be decided and is refused. The scheme is
//! part of the proof: a token bound by DPoP is refused under `Bearer`, where a
//! thief would send it, and a token that is not is refused under `DPoP`, where
//! the proof would prove nothing (RFC 9449 section 7.2).
//!
//! The order is cheap first: thumbprint, then signature, then claims; only a
//! proof that holds in everything else takes a place in the memory of
//! [`replay`], so that nobody without the token's key can fill it.

pub mod nonce;
pub mod replay;
pub mod target;

use doorward_jose::{
    algorithm::Algorithm,
    claims::Claims,
    dpop::{Proof, UnverifiedProof, access_token_hash},
    error::{TokenError, TokenErrorKind},
    json::Value,
    time::UnixTime,
};
use doorward_policy::decision::{Decision, Reason, Step};
use http::{HeaderMap, HeaderName, Method, header::AUTHORIZATION};

use self::{nonce::Nonces, replay::Replays, target::TargetUri};
use crate::bearer;

/// The field of a proof (RFC 9449 section 4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The field of the nonce for the next proof (RFC 9449 section 8).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How old a proof may be, in seconds.
const LONGEST_AGE_SECONDS: u64 = 60;
/// How far in the future it may be, for a client whose clock is ahead.
const LEEWAY_SECONDS: u64 = 10;

/// How the token was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: DPoP`.
    Dpop,
}

/// The SHA-256 of the DER of the client's certificate (RFC 8705 section 3.1),
/// as the caller's TLS layer proved it. Never taken from a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateThumbprint(pub [u8; 32]);

/// A token as a request presents it, with whatever proves that it is the
/// sender's.
#[derive(Clone, Debug)]
pub struct Presented<'r> {
    scheme: Scheme,
    token: &'r str,
    proof: Option<&'r str>,
    method: &'r Method,
    target: &'r TargetUri,
    certificate: Option<CertificateThumbprint>,
}

impl<'r> Presented<'r> {
    /// Reads the one credential of a request for `target`: exactly one
    /// `Authorization` of scheme `Bearer` or `DPoP`, and at most one `DPoP`.
    ///
    /// # Errors
    ///
    /// As [`bearer::from_headers`]; [`Reason::AmbiguousCredential`] for two
    /// proofs and [`Reason::ProofInvalid`] for one that is not ASCII.
    pub fn from_headers(
        headers: &'r HeaderMap,
        method: &'r Method,
        target: &'r TargetUri,
    ) -> Result<Self, Reason> {
        let (scheme, token) = match dpop_token(headers) {
            Some(token) => (Scheme::Dpop, token),
            None => (Scheme::Bearer, bearer::from_headers(headers)?),
        };
        let mut proofs = headers.get_all(DPOP).iter();
        let proof = proofs.next().map(http::HeaderValue::to_str).transpose();
        if proofs.next().is_some() {
            return Err(Reason::AmbiguousCredential);
        }
        Ok(Self {
            scheme,
            token,
            proof: proof.map_err(|_| Reason::ProofInvalid)?,
            method,
            target,
            certificate: None,
        })
    }

    /// With the certificate that the client proved in the TLS handshake.
    #[must_use]
    pub const fn certificate(mut self, certificate: Option<CertificateThumbprint>) -> Self {
        self.certificate = certificate;
        self
    }

    /// The token.
    pub const fn token(&self) -> &'r str {
        self.token
    }

    /// How it was sent.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }
}

/// The token of a sole `Authorization: DPoP`; everything else is read, or
/// refused, as `Bearer` is.
fn dpop_token(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("DPoP") && bearer::is_b64token(token)).then_some(token)
}

/// Checks proofs. Shared by all requests; one memory of replays for all.
#[derive(Debug)]
pub struct Proofs {
    algorithms: Vec<Algorithm>,
    replays: Replays,
    nonces: Option<Nonces>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self::new(Replays::default())
    }
}

impl Proofs {
    /// Accepts every asymmetric algorithm that tokens may have, and remembers
    /// proofs in `replays`.
    pub fn new(replays: Replays) -> Self {
        let asymmetric = |algorithm: &Algorithm| !algorithm.is_symmetric();
        let algorithms = Algorithm::ALL.iter().copied().filter(asymmetric);
        Self {
            algorithms: algorithms.collect(),
            replays,
            nonces: None,
        }
    }

    /// Only these algorithms; symmetric ones never work.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Every proof must carry a fresh nonce of `nonces` (RFC 9449 section 9).
    #[must_use]
    pub fn require_nonce(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// The algorithms that a challenge names.
    pub fn accepted_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// What the next answer's `DPoP-Nonce` says, if nonces are required.
    pub fn nonce(&self, now: UnixTime) -> Option<String> {
        self.nonces.as_ref().and_then(|nonces| nonces.issue(now))
    }

    /// Whether the sender of `presented` holds what its token is bound to.
    ///
    /// INVARIANT: `claims` are those of `presented.token`, verified.
    pub(crate) fn check(
        &self,
        claims: &Claims,
        presented: &Presented<'_>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<(), Reason> {
        let binding = Binding::of(claims).ok_or_else(|| unknown_binding(decision))?;
        match (binding.key, presented.scheme) {
            (None, Scheme::Bearer) => {}
            (None, Scheme::Dpop) => {
                return Err(decision.fail(
                    Step::Credential,
                    Reason::ProofInvalid,
                    "scheme DPoP with a token that is not bound to a key",
                    "scheme Bearer, or a token with cnf.jkt",
                ));
            }
            (Some(_), Scheme::Bearer) => return Err(proof_missing(decision)),
            (Some(key), Scheme::Dpop) => {
                let holds = self.check_proof(key, presented, now);
                holds.map_err(|fault| fault.told(decision))?;
                decision.pass(Step::Credential, "proof of possession of the token's key");
            }
        }
        if let Some(wanted) = binding.certificate {
            check_certificate(wanted, presented.certificate, decision)?;
        }
        Ok(())
    }

    fn check_proof(
        &self,
        key: &str,
        presented: &Presented<'_>,
        now: UnixTime,
    ) -> Result<(), Fault> {
        let text = presented.proof.ok_or(Fault::absent())?;
        let proof = UnverifiedProof::parse(text).map_err(|error| Fault::of_form(&error))?;
        if !self.algorithms.contains(&proof.algorithm()) {
            return Err(Fault::invalid("alg", "an accepted asymmetric algorithm"));
        }
        if proof.thumbprint() != key {
            return Err(Fault::invalid("another key", "the key of cnf.jkt"));
        }
        let proof = proof.verify().map_err(|error| Fault::of_form(&error))?;
        check_request(&proof, presented)?;
        check_time(&proof, now)?;
        if let Some(nonces) = &self.nonces {
            let fresh = proof.nonce().is_some_and(|nonce| nonces.accept(nonce, now));
            if !fresh {
                return Err(Fault::nonce());
            }
        }
        // From `LONGEST_AGE_SECONDS` after its date a proof is refused anyway.
        let until = proof.issued_at().saturating_add(LONGEST_AGE_SECONDS + 1);
        let seen = self.replays.remember(key, proof.token_id(), until, now);
        seen.map_err(Fault::of_memory)
    }
}

fn check_request(proof: &Proof, presented: &Presented<'_>) -> Result<(), Fault> {
    if proof.http_method() != presented.method.as_str() {
        return Err(Fault::invalid(
            "htm of another method",
            "the method of the request",
        ));
    }
    let target = TargetUri::of_proof(proof.http_uri());
    if target.as_ref() != Some(presented.target) {
        return Err(Fault::invalid(
            "htu of another address",
            "the address of the request",
        ));
    }
    if proof.access_token_hash() != Some(&access_token_hash(presented.token)) {
        return Err(Fault::invalid(
            "ath of another token",
            "the hash of this token",
        ));
    }
    Ok(())
}

fn check_time(proof: &Proof, now: UnixTime) -> Result<(), Fault> {
    let made = proof.issued_at();
    if now > made.saturating_add(LONGEST_AGE_SECONDS) {
        return Err(Fault::invalid(
            "iat too long ago",
            "a proof made for this request",
        ));
    }
    if made > now.saturating_add(LEEWAY_SECONDS) {
        return Err(Fault::invalid(
            "iat in the future",
            "a proof made for this request",
        ));
    }
    Ok(())
}

fn check_certificate(
    wanted: &str,
    shown: Option<CertificateThumbprint>,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let shown = shown.map(|shown| doorward_jose::base64url::encode(shown.0));
    if shown.as_deref() == Some(wanted) {
        decision.pass(Step::Credential, "the client certificate of the token");
        return Ok(());
    }
    let seen = match shown {
        Some(_) => "another client certificate",
        None => "no client certificate",
    };
    let wanted = "the certificate of cnf.x5t#S256";
    Err(decision.fail(Step::Credential, Reason::CertificateMismatch, seen, wanted))
}

/// What a token is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Binding<'c> {
    key: Option<&'c str>,
    certificate: Option<&'c str>,
}

impl<'c> Binding<'c> {
    /// None if the confirmation says something that is not understood.
    fn of(claims: &'c Claims) -> Option<Self> {
        let mut binding = Self::default();
        let Some(confirmation) = claims.confirmation() else {
            return Some(binding);
        };
        for (name, value) in confirmation.as_object()? {
            let place = match name.as_str() {
                "jkt" => &mut binding.key,
                "x5t#S256" => &mut binding.certificate,
                _ => return None,
            };
            *place = Some(Value::as_str(value)?);
        }
        (binding != Self::default()).then_some(binding)
    }
}

/// The possession of a token that is sent alone. One that says that it is bound to
/// something, known or not, is worth nothing so.
pub(crate) fn sent_alone(claims: &Claims, decision: &mut Decision) -> Result<(), Reason> {
    match claims.confirmation() {
        Some(_) => Err(proof_missing(decision)),
        None => Ok(()),
    }
}

/// A bound token without its proof: refused rather than downgraded.
fn proof_missing(decision: &mut Decision) -> Reason {
    decision.fail(
        Step::Credential,
        Reason::ProofMissing,
        "a bound token sent as plain bearer",
        "a proof of possession",
    )
}

fn unknown_binding(decision: &mut Decision) -> Reason {
    decision.fail(
        Step::Credential,
        Reason::ProofMissing,
        "a binding that is not known here",
        "cnf with jkt, x5t#S256 or both",
    )
}

/// Why a proof does not hold.
struct Fault {
    reason: Reason,
    seen: std::borrow::Cow<'static, str>,
    wanted: &'static str,
}

impl Fault {
    fn invalid(seen: &'static str, wanted: &'static str) -> Self {
        Self {
            reason: Reason::ProofInvalid,
            seen: seen.into(),
            wanted,
        }
    }

    fn absent() -> Self {
        Self {
            reason: Reason::ProofMissing,
            seen: "no DPoP field".into(),
            wanted: "one proof of possession in the DPoP field",
        }
    }

    fn nonce() -> Self {
        Self {
            reason: Reason::ProofNonce,
            seen: "no fresh nonce of this server".into(),
            wanted: "the nonce of the answer's DPoP-Nonce field",
        }
    }

    fn of_form(error: &TokenError) -> Self {
        let wanted = match error.kind() {
            TokenErrorKind::BadSignature => "a signature by the key in the proof",
            _ => "a DPoP proof (RFC 9449 section 4.2)",
        };
        Self {
            reason: Reason::ProofInvalid,
            seen: error.to_string().replace("the token", "the proof").into(),
            wanted,
        }
    }

    fn of_memory(refusal: replay::Refusal) -> Self {
        let (reason, seen, wanted) = match refusal {
            replay::Refusal::Seen => (
                Reason::ProofReplayed,
                "a jti that was used before",
                "a new proof for each request",
            ),
            replay::Refusal::Full => (
                Reason::Overloaded,
                "no room to remember another proof",
                "fewer proofs in a minute",
            ),
        };
        Self {
            reason,
            seen: seen.into(),
            wanted,
        }
    }

    fn told(self, decision: &mut Decision) -> Reason {
        decision.fail(Step::Credential, self.reason, self.seen, self.wanted)
    }
}
