//! `doorward route check`: what would become of a request.
//!
//! `explain METHOD URL` asks the running server; this asks the file, so that an
//! edit can be tried before it is served.

use std::net::IpAddr;

use clap::Args;
use doorward_policy::{decision::Outcome, permission::PermissionPattern, role::Roles};
use doorward_verify::clock::Clock as _;

use super::{Place, config};
use crate::{
    cli::{Workplace, role, workplace::runtime},
    config::duration,
    decision_view,
    exit::{Answer, Failure},
    output,
    rehearsal::{Asked, Claims, Rehearsal},
    system::SystemClock,
};

/// Say what would become of a request, by the configuration alone
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Method, such as GET
    method: String,
    /// Path, such as /orders/7
    path: String,
    /// Address that it comes from; without it what asks for one denies
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    #[command(flatten)]
    caller: Caller,
}

/// Who asks; without any of these somebody without a token.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who asks (nobody, if nothing is said)")]
struct Caller {
    /// This user of the data folder, with the roles that they hold
    #[arg(long = "as", value_name = "USER", conflicts_with_all = ["roles", "permissions", "subject"])]
    user: Option<String>,
    /// Somebody with this role; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Somebody with these permissions, with commas between them
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
    permissions: Vec<String>,
    /// `sub` of their token
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Tenant of their token [with --as: the user's home tenant]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// `acr` of their token, such as aal2
    #[arg(long, value_name = "ACR")]
    acr: Option<String>,
    /// How long ago they signed in, such as 5m
    #[arg(long, value_name = "TIME")]
    auth_age: Option<String>,
}

impl Check {
    pub(in crate::cli) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let (_, config) = config(place)?;
        if !self.path.starts_with('/') {
            return Err(Failure::usage(format!("`{}` is no path", self.path))
                .hint(format!("write it as `/{}`", self.path)));
        }
        let claims = self.caller.claims(place, &config.roles)?;
        let rehearsal = Rehearsal::of(config)?;
        let method = self.method.to_ascii_uppercase();
        let asked = Asked {
            method: &method,
            target: &self.path,
            peer: self.from,
        };
        let judging = rehearsal.judge(&asked, claims.as_ref(), SystemClock.now());
        let decision = runtime()?.block_on(judging)?;
        if place.json {
            output::json(&decision);
        } else {
            let text = decision_view::whole(&decision, self.caller.user.as_deref(), &place.data);
            output::data(text.trim_end());
        }
        Ok(match decision.outcome {
            Outcome::Allowed => Answer::Yes,
            Outcome::Denied | Outcome::Failed => Answer::No,
        })
    }
}

impl Caller {
    /// The claims of their token, if anybody asks.
    fn claims(&self, place: &Place, roles: &Roles) -> Result<Option<Claims>, Failure> {
        for name in &self.roles {
            role::known(roles, name)?;
        }
        for text in &self.permissions {
            PermissionPattern::parse(text).map_err(|error| {
                Failure::usage(format!("`{text}`: {error}")).hint("write it like `orders:read`")
            })?;
        }
        let auth_age = self.auth_age.as_deref().map(age).transpose()?;
        let said = Claims {
            subject: self
                .subject
                .clone()
                .unwrap_or_else(|| "somebody".to_owned()),
            tenant: self.tenant.clone(),
            roles: self.roles.clone(),
            permissions: self.permissions.clone(),
            acr: self.acr.clone(),
            auth_age,
            ..Claims::default()
        };
        let nobody = self.user.is_none()
            && self.subject.is_none()
            && said.roles.is_empty()
            && said.permissions.is_empty()
            && said.tenant.is_none()
            && said.acr.is_none()
            && auth_age.is_none();
        match &self.user {
            Some(user) => of_user(place, user, said).map(Some),
            None => Ok((!nobody).then_some(said)),
        }
    }
}

/// With what the data folder knows of `user`.
fn of_user(place: &Place, user: &str, mut claims: Claims) -> Result<Claims, Failure> {
    Workplace::open(place)?.with_issuer(async |issuer| {
        let admin = issuer.admin();
        let known = admin.user(user).await?;
        let tenant = claims.tenant.take();
        let tenant = tenant.unwrap_or_else(|| known.home_tenant.to_string());
        let grants = admin.role_grants(user).await?.into_iter();
        claims.roles = grants
            .filter(|grant| grant.tenant.as_str() == tenant && grant.known)
            .map(|grant| grant.role)
            .collect();
        claims.subject = known.id.to_string();
        claims.tenant = Some(tenant);
        Ok(Answer::Yes)
    })?;
    Ok(claims)
}

fn age(text: &str) -> Result<u64, Failure> {
    let age = duration(text).map(|age| age.as_secs());
    age.ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time")).hint("write it like `30s`, `5m` or `1h`")
    })
}
