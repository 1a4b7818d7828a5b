//! `[[limit]]` and `trusted_proxies`: how much one caller may ask, and whose
//! word is taken for who it is.

use std::time::Duration;

use doorward_gateway::{
    address::Network,
    rate::{Per, RateLimit},
};
use toml::de::{DeTable, DeValue};

use super::bounds::{count, wait};
use super::document::{Reader, Value, wrong_type};
use super::problem::Fault;
use super::settings::{is_stated, refuse, value};

const PERS: [(&str, Per); 4] = [
    ("address", Per::Address),
    ("failure", Per::Failure),
    ("subject", Per::Subject),
    ("client", Per::Client),
];

const HELP: &str = "write `[[limit]]`, and `per`, `requests` and `window` in the lines below";

/// Whatever is not said otherwise.
const WINDOW: Duration = Duration::from_secs(60);

/// The rules, each called by what it counts by unless it has a name.
pub(super) fn limits(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<RateLimit> {
    let Some(value) = table.get("limit") else {
        return Vec::new();
    };
    let DeValue::Array(rules) = value.get_ref() else {
        let wrong = wrong_type(value, "limit", "an array of tables", value.get_ref());
        reader.fault(wrong.help(HELP));
        return Vec::new();
    };
    rules
        .iter()
        .filter_map(|rule| limit(reader, rule))
        .collect()
}

fn limit(reader: &mut Reader<'_>, rule: &Value<'_>) -> Option<RateLimit> {
    let table = reader.table(rule, "limit", HELP)?;
    reader.unknown_keys(table, "[[limit]]", &["name", "per", "requests", "window"]);
    for key in ["per", "requests"] {
        if table.get(key).is_none() {
            let missing = Fault::at(rule.span(), format!("[[limit]] lacks `{key}`"));
            reader.fault(missing.help(HELP));
        }
    }
    let per = value(reader, table, "per", "address", |text| {
        match PERS.iter().find(|(name, _)| *name == text) {
            Some(found) => Ok(*found),
            None => refuse(
                "`per` is none of address, failure, subject and client",
                "`address` counts every request of an address, `failure` its refused tokens, \
                 `subject` and `client` those of a proven caller",
            ),
        }
    });
    let name = value(reader, table, "name", "calls", |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match !text.is_empty() && text.chars().all(plain) {
            true => Ok(text.to_owned()),
            false => refuse("`name` must be a word", "write it like `calls`"),
        }
    });
    let requests = count(reader, table, "requests");
    let window = wait(reader, table, "window").unwrap_or(WINDOW);
    let (word, per) = per?;
    Some(RateLimit {
        name: name.unwrap_or_else(|| word.to_owned()),
        per,
        requests: u32::try_from(requests?).unwrap_or(u32::MAX),
        window,
    })
}

/// Proxies whose word is taken.
pub(super) fn trusted_proxies(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<Network> {
    networks(reader, table, "trusted_proxies", "10.0.0.0/8").unwrap_or_default()
}

/// The addresses and ranges at `key`, if it is there.
pub(super) fn networks(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
    example: &str,
) -> Option<Vec<Network>> {
    let value = table.get(key)?;
    let mut networks = Vec::new();
    for word in reader.strings(value, key, example) {
        match word.text.parse() {
            Ok(network) => networks.push(network),
            Err(error) => {
                let fault = Fault::at(word.span, "this is neither an address nor a range");
                reader.fault(fault.help(format!("{error}")));
            }
        }
    }
    Some(networks)
}

/// Without a proxy nobody could introduce anybody.
pub(super) fn proxy_protocol(reader: &mut Reader<'_>, table: &DeTable<'_>) -> bool {
    let is_stated = is_stated(reader, table, "proxy_protocol");
    if is_stated && table.get("trusted_proxies").is_none() {
        let place = table.get("proxy_protocol").map_or(0..0, Value::span);
        let alone = Fault::at(
            place,
            "`proxy_protocol` without `trusted_proxies` means nothing",
        );
        reader.fault(alone.help("write `trusted_proxies = [\"10.0.0.1\"]` as well"));
    }
    is_stated
}
