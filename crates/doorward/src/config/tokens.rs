//! `[tokens]`: how long access tokens live, what they say, and how large they
//! may be.

use std::time::Duration;

use doorward_issuer::{
    PermissionForm, access_token::MAX_ACCESS_TOKEN_BYTES, config::MIN_TOKEN_BYTES,
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

/// What `[tokens]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// How long an access token lives.
    pub(crate) access_lifetime: Option<Duration>,
    /// How it says what its holder may do.
    pub(crate) permissions: PermissionForm,
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
}

pub(super) fn tokens(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Tokens {
    let Some(section) = table.get("tokens") else {
        return Tokens::default();
    };
    let help = "write `[tokens]`, and its keys in the lines below";
    let Some(section) = reader.table(section, "tokens", help) else {
        return Tokens::default();
    };
    let keys = ["access_lifetime", "permissions", "max_bytes"];
    reader.unknown_keys(section, "[tokens]", &keys);
    Tokens {
        access_lifetime: access_lifetime(reader, section),
        permissions: permissions(reader, section),
        max_bytes: max_bytes(reader, section),
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
