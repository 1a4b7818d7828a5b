//! `[tokens]`: how long access tokens live, what they say, and how large they
//! may be.

mod claims;

use std::{collections::BTreeMap, time::Duration};

use doorward_issuer::{
    PermissionForm, access_token::MAX_ACCESS_TOKEN_BYTES, attribute::TokenClaims,
    config::MIN_TOKEN_BYTES,
};
use toml::de::DeTable;

use super::{
    bounds::count,
    document::Reader,
    problem::Fault,
    settings::{duration, refuse, value},
};

/// Shortest and longest life of an access token. Below, clocks that differ a
/// little refuse good tokens; above, a stolen one is good for too long.
const ACCESS_LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(60 * 60);

/// Largest token where numbers keep it small, bytes.
const MAX_NUMBERED_BYTES: usize = 1024;

/// Most sessions that a user may be allowed: each is a row that a sign-in of
/// theirs looks at.
const MOST_SESSIONS: u32 = 10_000;

/// What `[tokens]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// How long an access token lives.
    pub(crate) access_lifetime: Option<Duration>,
    /// How it says what its holder may do.
    pub(crate) permissions: PermissionForm,
    /// Which attributes of users are claims of them.
    pub(crate) claims: TokenClaims,
    /// Most sessions of one user.
    pub(crate) sessions_per_user: Option<u32>,
    max_bytes: Option<usize>,
}

impl Tokens {
    /// Largest access token, bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        let usual = match self.permissions {
            PermissionForm::Names => MAX_ACCESS_TOKEN_BYTES,
            PermissionForm::Numbers => MAX_NUMBERED_BYTES,
        };
        self.max_bytes.unwrap_or(usual)
    }

    /// The attributes by the claims that hold them.
    pub(crate) fn claims_by_name(&self) -> BTreeMap<String, String> {
        let claims = self.claims.iter();
        let claims = claims.map(|(claim, attribute)| (claim.to_string(), attribute.to_string()));
        claims.collect()
    }
}

pub(super) fn tokens(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Tokens {
    let Some(section) = table.get("tokens") else {
        return Tokens::default();
    };
    let help = "write `[tokens]`, and its keys in the lines below";
    let Some(section) = reader.table(section, "tokens", help) else {
        return Tokens::default();
    };
    let keys = [
        "access_lifetime",
        "permissions",
        "max_bytes",
        "claims",
        "sessions_per_user",
    ];
    reader.unknown_keys(section, "[tokens]", &keys);
    Tokens {
        access_lifetime: access_lifetime(reader, section),
        permissions: permissions(reader, section),
        max_bytes: max_bytes(reader, section),
        claims: claims::claims(reader, section),
        sessions_per_user: sessions_per_user(reader, section),
    }
}

fn access_lifetime(reader: &mut Reader<'_>, tokens: &DeTable<'_>) -> Option<Duration> {
    value(reader, tokens, "access_lifetime", "5m", |text| {
        let Some(lifetime) = duration(text) else {
            return refuse(
                "`access_lifetime` must be a number and a unit",
                "write it like `30s`, `5m` or `1h`",
            );
        };
        if !ACCESS_LIFETIMES.contains(&lifetime) {
            return refuse(
                "`access_lifetime` must be from 10 s to 1 h",
                "the usual is `5m`: sessions live longer through their refresh token",
            );
        }
        Ok(lifetime)
    })
}

fn permissions(reader: &mut Reader<'_>, tokens: &DeTable<'_>) -> PermissionForm {
    let read = value(reader, tokens, "permissions", "names", |text| match text {
        "names" => Ok(PermissionForm::Names),
        "numbers" => Ok(PermissionForm::Numbers),
        _ => refuse(
            "`permissions` must be `names` or `numbers`",
            "write `names`, which every library reads; `numbers` is for gateways and services \
             that check tokens with doorward-verify",
        ),
    });
    read.unwrap_or_default()
}

fn sessions_per_user(reader: &mut Reader<'_>, tokens: &DeTable<'_>) -> Option<u32> {
    let sessions = count(reader, tokens, "sessions_per_user")?;
    if let Some(sessions) = u32::try_from(sessions)
        .ok()
        .filter(|it| *it <= MOST_SESSIONS)
    {
        return Some(sessions);
    }
    let place = tokens.get("sessions_per_user")?.span();
    let why = format!("`sessions_per_user` must be from 1 to {MOST_SESSIONS}");
    let help = "the usual is 100; one more ends the oldest, so that nobody is locked out";
    reader.fault(Fault::at(place, why).help(help));
    None
}

fn max_bytes(reader: &mut Reader<'_>, tokens: &DeTable<'_>) -> Option<usize> {
    let bytes = count(reader, tokens, "max_bytes")?;
    if (MIN_TOKEN_BYTES..=MAX_ACCESS_TOKEN_BYTES).contains(&bytes) {
        return Some(bytes);
    }
    let place = tokens.get("max_bytes")?.span();
    let why = format!("`max_bytes` must be from {MIN_TOKEN_BYTES} to {MAX_ACCESS_TOKEN_BYTES}");
    reader.fault(Fault::at(place, why).help(
        "the usual is 6144, or 1024 with `permissions = \"numbers\"`: proxies refuse header \
         fields of 8 KiB, and other fields need room too",
    ));
    None
}
