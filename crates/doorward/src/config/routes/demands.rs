//! `audience`, `issuer`, `acr` and `max_age` of a route, and beside them its
//! `internal_token`.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use doorward_policy::route::demands::{Demands, StepUp};
use toml::de::{DeTable, DeValue};

use super::super::document::{Reader, Word};
use super::super::problem::Fault;
use super::super::settings::{self, duration, refuse, value};
use super::super::suggest;

/// The keys, as they may stand in a route.
pub(super) const KEYS: [&str; 4] = ["audience", "issuer", "acr", "max_age"];

/// Shorter would send people to sign in for ever, longer than any session lasts
/// means nothing.
const MAX_AGES: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(30 * 24 * 60 * 60);

/// `acr` of the tokens that are issued here.
const OWN_ACR: [&str; 2] = ["aal1", "aal2"];

/// The issuers whose tokens are taken, as far as the file names them.
pub(super) struct Issuers<'d> {
    names: Vec<&'d str>,
    /// Whether others than ours are among them.
    has_others: bool,
}

impl<'d> Issuers<'d> {
    /// Those of the whole file.
    pub(super) fn of(table: &'d DeTable<'_>) -> Self {
        let others = match table.get("trusted_issuer").map(|value| value.get_ref()) {
            Some(DeValue::Array(items)) => items.iter().collect(),
            _ => Vec::new(),
        };
        let named = |table: &'d DeTable<'_>| table.get("issuer")?.get_ref().as_str();
        let named_others = others
            .iter()
            .filter_map(|other| other.get_ref().as_table().and_then(named));
        Self {
            names: named(table).into_iter().chain(named_others).collect(),
            has_others: !others.is_empty(),
        }
    }
}

/// What the route `table` asks of the token, and where the first of it stands.
pub(super) fn demands(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    issuers: &Issuers<'_>,
) -> (Demands, Option<Range<usize>>) {
    let demands = Demands {
        audience: settings::audience(reader, table, "audience"),
        issuer: issuer(reader, table, issuers),
        step_up: StepUp {
            acr: acr(reader, table, issuers),
            max_age: max_age(reader, table),
        },
        internal_audience: settings::audience(reader, table, "internal_token"),
    };
    let spans = KEYS
        .iter()
        .filter_map(|key| table.get(*key).map(|value| value.span()));
    (demands, spans.min_by_key(|span| span.start))
}

/// An issuer that is not trusted makes a route that nobody can call.
fn issuer(reader: &mut Reader<'_>, table: &DeTable<'_>, issuers: &Issuers<'_>) -> Option<String> {
    let word = reader.string(table.get("issuer")?, "issuer", "https://id.example.com")?;
    if !issuers.names.contains(&word.text) {
        let near = suggest(word.text, issuers.names.iter().copied());
        let title = format!("no issuer `{}` is trusted", word.text);
        let help = "name one of `[[trusted_issuer]]`, or the `issuer` at the top of the file";
        reader.fault(
            Fault::at(word.span, title)
                .label("nobody could call this route")
                .did_you_mean(near, help),
        );
    }
    Some(word.text.to_owned())
}

/// One value, or several of which any will do.
fn acr(reader: &mut Reader<'_>, table: &DeTable<'_>, issuers: &Issuers<'_>) -> Vec<String> {
    let Some(value) = table.get("acr") else {
        return Vec::new();
    };
    let words = match value.get_ref() {
        DeValue::String(text) => vec![Word {
            text,
            span: value.span(),
        }],
        _ => reader.strings(value, "acr", "aal2"),
    };
    if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
        let fault = Fault::at(value.span(), "`acr` is empty: no sign-in would do");
        reader.fault(fault.help("name what will do, like `acr = \"aal2\"`, or leave it out"));
    }
    for word in &words {
        is_an_acr(reader, word, issuers);
    }
    words.iter().map(|word| word.text.to_owned()).collect()
}

fn is_an_acr(reader: &mut Reader<'_>, word: &Word<'_>, issuers: &Issuers<'_>) {
    // They are told to callers between quotes, with blanks between them.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    if word.text.is_empty() || word.text.len() > 255 || !word.text.bytes().all(is_plain) {
        let title = "an `acr` is 1 to 255 plain characters without blanks and quotes";
        let help = "write it as it stands in the tokens, like `aal2`";
        reader.fault(Fault::at(word.span.clone(), title).help(help));
    } else if !issuers.has_others && !OWN_ACR.contains(&word.text) {
        let title = format!("no token carries the `acr` `{}`", word.text);
        let help = "`aal1` is any sign-in, `aal2` one with two factors";
        let near = suggest(word.text, OWN_ACR);
        reader.fault(Fault::at(word.span.clone(), title).did_you_mean(near, help));
    }
}

/// In seconds.
fn max_age(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<u64> {
    value(reader, table, "max_age", "15m", |text| {
        let help = "write it like `5m`, `1h` or `7d`: how long ago the sign-in may be";
        match duration(text) {
            None => refuse("`max_age` must be a number and a unit", help),
            Some(age) if !MAX_AGES.contains(&age) => {
                refuse("`max_age` must be from 10 s to 30 d", help)
            }
            Some(age) => Ok(age.as_secs()),
        }
    })
}
