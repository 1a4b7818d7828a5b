//! `doorward token`: mint, look at and check tokens.

mod diff;
mod key_set;

use clap::{Args, Subcommand};
use doorward_policy::decision::{Decision, Step, TraceId};
use doorward_verify::{
    clock::Clock as _,
    jose::{algorithm::Algorithm, token::Inspected, validation::Validation},
    key_source::KeySource,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use serde_json::json;

use super::{Place, Workplace, secret::TokenSource, workplace::CommandError};
use crate::{
    decision_view,
    exit::{Answer, Failure},
    output,
    paint::{Tone, paint, safe},
    system::SystemClock,
};

/// Mint, look at and check tokens
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make an access token for a user, as the operator of the data folder
    Mint {
        /// User name
        #[arg(long = "as", value_name = "USER")]
        user: String,
        /// Tenant of the token [default: the user's home tenant]
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Decode a token without checking anything; it comes from a file,
    /// DOORWARD_TOKEN or standard input
    Inspect {
        #[command(flatten)]
        token: TokenSource,
    },
    /// Check a token; exit 0 if it is valid, 1 if not. It comes from a file,
    /// DOORWARD_TOKEN or standard input
    Verify(Verify),
    /// Show in what two tokens differ, without checking either; exit 0 if they
    /// are the same, 1 if not
    Diff(diff::Diff),
}

/// Check a token; exit 0 if it is valid, 1 if not. It comes from a file,
/// DOORWARD_TOKEN or standard input
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    token: TokenSource,
    /// Keys of the issuer: a JWKS file or an address
    /// [default: the keys and revocations of the data folder]
    #[arg(
        long,
        value_name = "FILE|URL",
        requires = "issuer",
        requires = "audience"
    )]
    jwks: Option<String>,
    /// `iss` that the token must name
    #[arg(long, value_name = "ISSUER", requires = "jwks")]
    issuer: Option<String>,
    /// `aud` that the token must name
    #[arg(long, value_name = "AUDIENCE", requires = "jwks")]
    audience: Option<String>,
    /// Algorithm that is accepted; may be repeated [default: ES256]
    #[arg(long = "algorithm", value_name = "ALGORITHM", requires = "jwks")]
    algorithms: Vec<Algorithm>,
}

impl Token {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        match self {
            Self::Mint { user, tenant } => mint(place, &user, tenant.as_deref()),
            Self::Inspect { token } => inspect(place, &token.read()?),
            Self::Verify(verify) => verify.run(place),
            Self::Diff(diff) => diff.run(place),
        }
    }
}

fn mint(place: &Place, user: &str, tenant: Option<&str>) -> Result<Answer, Failure> {
    Workplace::open(place)?.with_issuer(async |issuer| {
        let token = issuer.admin().mint_access_token(user, tenant).await?;
        if place.json {
            output::json(&json!({
                "access_token": token.access_token,
                "token_id": token.token_id,
                "expires_at": token.expires_at.as_secs(),
            }));
        } else {
            output::data(token.access_token);
        }
        Ok(Answer::Yes)
    })
}

fn inspect(place: &Place, token: &str) -> Result<Answer, Failure> {
    let decoded = match Inspected::parse(token) {
        Ok(decoded) => decoded,
        Err(error) => {
            output::note(format!("{} {error}", paint(Tone::Bad, "not a token:")));
            if place.json {
                output::json(&json!({
                    "verified": false, "header": null, "claims": null, "reason": error.to_string(),
                }));
            }
            return Ok(Answer::No);
        }
    };
    output::note(paint(
        Tone::Warn,
        "decoded, not verified: nothing below is proven",
    ));
    let (header, claims) = (&decoded.header, &decoded.payload);
    if place.json {
        output::json(&json!({
            "verified": false, "header": header, "claims": claims, "reason": null,
        }));
        return Ok(Answer::Yes);
    }
    for (title, object) in [("header", header), ("claims", claims)] {
        output::data(paint(Tone::Strong, title));
        for (name, value) in object {
            let remark = moment(name, value).map(|moment| format!("   {moment}"));
            let value = safe(&value.to_string());
            output::data(format!(
                "  {:<12} {value}{}",
                safe(name),
                remark.unwrap_or_default()
            ));
        }
    }
    Ok(Answer::Yes)
}

/// How far away a time claim is, in words.
fn moment(name: &str, value: &serde_json::Value) -> Option<String> {
    if !matches!(name, "exp" | "iat" | "nbf" | "auth_time") {
        return None;
    }
    let (then, now) = (value.as_u64()?, SystemClock.now().unix().as_secs());
    let text = if then == now {
        "now".to_owned()
    } else if then > now {
        format!("in {}", duration(then - now))
    } else {
        format!("{} ago", duration(now - then))
    };
    Some(paint(Tone::Quiet, text))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl Verify {
    fn run(self, place: &Place) -> Result<Answer, Failure> {
        let token = self.token.read()?;
        if self.jwks.is_none() {
            return Workplace::open(place)?.with_issuer(async |issuer| {
                let verifier = issuer.verifier();
                Ok::<_, CommandError>(verdict(place, &verifier, &token, Revocations::Known))
            });
        }
        let verifier = self.foreign_verifier()?;
        Ok(verdict(place, &verifier, &token, Revocations::Unknown))
    }

    /// A verifier for the issuer that the arguments describe.
    fn foreign_verifier(self) -> Result<Verifier, Failure> {
        let missing = |what| Failure::usage(format!("--{what} is needed with --jwks"));
        let source = self.jwks.ok_or_else(|| missing("jwks"))?;
        let issuer = self.issuer.ok_or_else(|| missing("issuer"))?;
        let audience = self.audience.ok_or_else(|| missing("audience"))?;
        let algorithms = match self.algorithms {
            none if none.is_empty() => vec![Algorithm::Es256],
            named => named,
        };
        let keys = key_set::read(&source, &algorithms)?;
        let validation = Validation::issuer(issuer)
            .audience(audience)
            .algorithms(algorithms);
        let trusted = TrustedIssuer::new(validation, KeySource::fixed(keys));
        Ok(Verifier::new(vec![trusted], RevocationSet::new()))
    }
}

/// Whether what the issuer revoked is known where the token is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Revocations {
    Known,
    /// A key set does not tell.
    Unknown,
}

fn verdict(place: &Place, verifier: &Verifier, token: &str, revocations: Revocations) -> Answer {
    let now = SystemClock.now();
    let mut decision = Decision::new(
        TraceId::from_bytes([0; 16]),
        now.millis(),
        "token",
        "verify",
    );
    let verified = verifier.verify(token, now.unix(), &mut decision);
    if revocations == Revocations::Unknown {
        // Passed for want of an entry, which proves nothing here.
        decision
            .checks
            .retain(|check| check.step != Step::Revocation);
    }
    if place.json {
        output::json(&json!({
            "valid": verified.is_ok(),
            "reason": verified.as_ref().err().map(|reason| reason.code()),
            "claims": verified.is_ok().then(|| Inspected::parse(token).ok()).flatten().map(|t| t.payload),
            "checks": decision.checks,
            "revocation_checked": revocations == Revocations::Known,
        }));
    } else {
        match &verified {
            Ok(principal) => output::data(format!(
                "{} {}",
                paint(Tone::Good, "valid"),
                safe(principal.subject())
            )),
            Err(reason) => output::data(format!(
                "{} {}: {}",
                paint(Tone::Bad, "invalid"),
                reason.code(),
                reason.title()
            )),
        }
        output::data(decision_view::checks(&decision).trim_end());
        if verified.is_ok() && revocations == Revocations::Unknown {
            output::note("whether it was revoked is not known: a key set does not tell");
        }
    }
    if verified.is_ok() {
        Answer::Yes
    } else {
        Answer::No
    }
}
