//! `[timeouts]`, `[limits]` and `[health]`: how long the gateway waits, how
//! much it holds, and whom it asks how they are.

use std::{ops::RangeInclusive, time::Duration};

use doorward_gateway::Limits;
use http::uri::PathAndQuery;
use toml::de::{DeTable, DeValue};

use super::document::{Reader, wrong_type};
use super::problem::Fault;
use super::settings::{duration, refuse, value};

/// From a connection that is as good as refused to a day of silence.
const WAITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

type Wait = (&'static str, fn(&mut Limits) -> &mut Duration);
type Count = (&'static str, fn(&mut Limits) -> &mut usize);

/// What `[timeouts]` sets.
const TIMEOUTS: [Wait; 11] = [
    ("handshake", |limits| &mut limits.handshake_timeout),
    ("head", |limits| &mut limits.head_timeout),
    ("idle", |limits| &mut limits.idle_timeout),
    ("body", |limits| &mut limits.body_timeout),
    ("write", |limits| &mut limits.write_timeout),
    ("connect", |limits| &mut limits.connect_timeout),
    ("answer", |limits| &mut limits.answer_timeout),
    ("answer_stall", |limits| &mut limits.answer_stall_timeout),
    ("tunnel_idle", |limits| &mut limits.tunnel_idle_timeout),
    ("upstream_idle", |limits| &mut limits.upstream_idle_timeout),
    ("drain", |limits| &mut limits.drain_timeout),
];

const PER_ADDRESS: &str = "connections_per_address";

/// What `[limits]` sets besides.
const COUNTS: [Count; 3] = [
    ("connections", |limits| &mut limits.connections),
    ("slowest", |limits| &mut limits.slowest),
    ("upstream_requests", |limits| &mut limits.upstream_requests),
];

/// The bounds of the gateway, where the file says something else than usual.
pub(super) fn limits(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Limits {
    let mut limits = Limits::default();
    if let Some(timeouts) = section(reader, table, "timeouts", &TIMEOUTS.map(|(key, _)| key)) {
        for (key, field) in TIMEOUTS {
            if let Some(wait) = wait(reader, timeouts, key) {
                *field(&mut limits) = wait;
            }
        }
    }
    let keys = ["connections", "upstream_requests", "slowest", PER_ADDRESS];
    if let Some(counts) = section(reader, table, "limits", &keys) {
        limits.connections_per_address = count(reader, counts, PER_ADDRESS);
        for (key, field) in COUNTS {
            if let Some(count) = count(reader, counts, key) {
                *field(&mut limits) = count;
            }
        }
    }
    limits
}

/// The path that tells an upstream's health, and how often it is asked for.
pub(super) fn health(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    limits: &mut Limits,
) -> Option<PathAndQuery> {
    let health = section(reader, table, "health", &["path", "interval"])?;
    if let Some(interval) = wait(reader, health, "interval") {
        limits.health_interval = interval;
    }
    if health.get("path").is_none() {
        let place = table.get("health")?.span();
        let missing = Fault::at(place, "[health] lacks `path`");
        reader.fault(missing.help("write `path = \"/healthz\"`, which the upstreams answer"));
    }
    value(reader, health, "path", "/healthz", |text| {
        let path = text.parse::<PathAndQuery>();
        match path
            .ok()
            .filter(|_| text.starts_with('/') && !text.contains('#'))
        {
            Some(path) => Ok(path),
            None => refuse("`path` must be a path", "write it like `/healthz`"),
        }
    })
}

fn section<'d, 'v>(
    reader: &mut Reader<'_>,
    table: &'d DeTable<'v>,
    name: &str,
    keys: &[&str],
) -> Option<&'d DeTable<'v>> {
    let help = format!("write `[{name}]`, and its keys in the lines below");
    let section = reader.table(table.get(name)?, name, &help)?;
    reader.unknown_keys(section, &format!("[{name}]"), keys);
    Some(section)
}

pub(super) fn wait(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str) -> Option<Duration> {
    value(reader, table, key, "30s", |text| match duration(text) {
        Some(wait) if WAITS.contains(&wait) => Ok(wait),
        Some(_) => refuse(
            format!("`{key}` must be from 1 s to 1 d"),
            "write it like `30s`, `5m` or `1h`",
        ),
        None => refuse(
            format!("`{key}` must be a number and a unit"),
            "write it like `30s`, `5m` or `1h`",
        ),
    })
}

pub(super) fn count(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str) -> Option<usize> {
    let value = table.get(key)?;
    let DeValue::Integer(number) = value.get_ref() else {
        let wrong = wrong_type(value, key, "a number", value.get_ref());
        reader.fault(wrong.help(format!("write `{key} = 1000`")));
        return None;
    };
    let count = number.as_str().parse().ok().filter(|count| *count > 0);
    if count.is_none() {
        let fault = Fault::at(value.span(), format!("`{key}` must be 1 or more"));
        reader.fault(fault.help("leave it out for the usual"));
    }
    count
}
