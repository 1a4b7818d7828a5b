//! `[internal_tokens]`, and `internal_token` of a route: which APIs get a token
//! of their own in place of the caller's, and who makes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
};

use doorward_gateway::forward_auth::Proxy;
use doorward_policy::permission::PermissionPattern;
use doorward_policy::route::{Requirement, RouteSpec};
use http::Uri;
use toml::de::{DeTable, DeValue};

use super::{
    document::Reader,
    problem::Fault,
    settings::{self, refuse, value, without_user},
    suggest,
};

/// Longest name of an issuer.
const MAX_NAME: usize = 255;

/// What `[internal_tokens]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InternalTokens {
    /// For whom they are, on routes that name nobody.
    pub(crate) audience: Option<String>,
    /// `iss` in them.
    pub(crate) issuer: Option<String>,
    /// The PEM file with the key that signs them.
    pub(crate) key: Option<PathBuf>,
    /// By audience, the most that they say their caller may do; everything for
    /// those that are not here.
    pub(crate) permissions: BTreeMap<String, BTreeSet<PermissionPattern>>,
}

/// A route, and where its `internal_token` and its `issuer` stand.
pub(super) struct Asking<'r> {
    pub(super) route: &'r RouteSpec,
    pub(super) place: Option<Range<usize>>,
    pub(super) issuer: Option<Range<usize>>,
}

pub(super) fn internal_tokens(reader: &mut Reader<'_>, table: &DeTable<'_>) -> InternalTokens {
    let Some(written) = table.get("internal_tokens") else {
        return InternalTokens::default();
    };
    let help = "write `[internal_tokens]`, and its keys in the lines below";
    let Some(section) = reader.table(written, "internal_tokens", help) else {
        return InternalTokens::default();
    };
    let keys = ["audience", "issuer", "key", "permissions"];
    reader.unknown_keys(section, "[internal_tokens]", &keys);
    let audience = settings::audience(reader, section, "audience");
    if let (Some(audience), Some(place)) = (&audience, section.get("audience")) {
        is_for_no_caller(reader, table, audience, place.span());
    }
    InternalTokens {
        permissions: permissions(reader, table, section),
        audience,
        issuer: issuer(reader, table, section),
        key: value(reader, section, "key", "internal.pem", |text| match text {
            "" => refuse("`key` must name a PEM file", "write it like `internal.pem`"),
            text => Ok(PathBuf::from(text)),
        }),
    }
}

/// Refuses what could not work, or would open something here.
pub(super) fn check(reader: &mut Reader<'_>, table: &DeTable<'_>, asking: &[Asking<'_>]) {
    are_for_our_callers(reader, table, asking);
    are_handed_on(reader, table, asking);
    for Asking { route, place, .. } in asking {
        let (Some(audience), Some(place)) = (&route.demands.internal_audience, place) else {
            continue;
        };
        is_for_no_caller(reader, table, audience, place.clone());
        if route.requirement == Requirement::Public {
            let title = "a public route with `internal_token`";
            let help =
                "nobody is asked there, so there is nobody to make a token for; leave it out";
            reader.fault(Fault::at(place.clone(), title).help(help));
        }
    }
}

/// Where a token for `asking`'s upstream is asked for: at the route, or for all.
fn asked(table: &DeTable<'_>, asking: &Asking<'_>) -> Option<Range<usize>> {
    let for_all = || {
        let section = table.get("internal_tokens")?.get_ref().as_table()?;
        Some(section.get("audience")?.span())
    };
    let is_public = asking.route.requirement == Requirement::Public;
    let place = asking.place.clone();
    place.or_else(|| for_all().filter(|_| !is_public))
}

/// Nobody is vouched for whose subject is another issuer's, so of a route for
/// those alone nobody would get through.
fn are_for_our_callers(reader: &mut Reader<'_>, table: &DeTable<'_>, asking: &[Asking<'_>]) {
    let others = others(table);
    for asking in asking {
        let wanted = asking.route.demands.issuer.as_deref();
        let wanted = wanted.filter(|wanted| others.contains(wanted));
        let places = asking.issuer.clone().zip(asked(table, asking));
        if let (Some(wanted), Some((place, asked))) = (wanted, places) {
            let title = format!("internal tokens for callers of `{wanted}`");
            let help = "their subjects may have the names of users here, so none is made; name \
                        `internal_token` at other routes alone";
            reader.fault(
                Fault::at(place, title)
                    .label("nobody could call this route")
                    .related(asked, "asked for here")
                    .help(help),
            );
        }
    }
}

/// The issuers of `[[trusted_issuer]]`.
fn others<'d>(table: &'d DeTable<'_>) -> Vec<&'d str> {
    let Some(DeValue::Array(others)) = table.get("trusted_issuer").map(|it| it.get_ref()) else {
        return Vec::new();
    };
    let tables = others.iter().filter_map(|it| it.get_ref().as_table());
    let names = tables.filter_map(|it| it.get("issuer")?.get_ref().as_str());
    names.collect()
}

/// A proxy that asks here must have a way to hand them on.
fn are_handed_on(reader: &mut Reader<'_>, table: &DeTable<'_>, asking: &[Asking<'_>]) {
    let section = table.get("forward_auth").map(|it| it.get_ref().as_table());
    let Some(proxy) = section.flatten().and_then(|it| it.get("proxy")) else {
        return;
    };
    let name = proxy.get_ref().as_str().unwrap_or_default();
    let has_no_way = |(known, proxy): &(&str, Proxy)| *known == name && !proxy.hands_on_tokens();
    let first = asking.iter().find_map(|asking| asked(table, asking));
    if let (true, Some(asked)) = (Proxy::ALL.iter().any(has_no_way), first) {
        let help = "only nginx does so far, as docs/internal-tokens.md shows; leave \
                    `internal_token` out, or let the gateway forward";
        reader.fault(
            Fault::at(
                proxy.span(),
                format!("`{name}` hands on no internal tokens"),
            )
            .related(asked, "asked for here")
            .help(help),
        );
    }
}

/// What an API gets in place of a caller's token must not open anything here, or
/// the API could act for its callers. The gateway trusts another key and another
/// issuer; this is the third wall.
fn is_for_no_caller(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    audience: &str,
    place: Range<usize>,
) {
    let of = |table: &DeTable<'_>| {
        let audience = table.get("audience")?.get_ref();
        audience.as_str().map(str::to_owned)
    };
    let of_all = |name: &str| match table.get(name).map(|items| items.get_ref()) {
        Some(DeValue::Array(items)) => items
            .iter()
            .filter_map(|item| item.get_ref().as_table().and_then(of))
            .collect(),
        _ => Vec::new(),
    };
    let mut callers = of_all("route");
    callers.extend(of_all("trusted_issuer"));
    callers.extend(of(table));
    if callers.iter().any(|caller| caller == audience) {
        let title = format!("`{audience}` is an audience of callers' tokens");
        let help = "an internal token must open nothing here; name the API behind, by another name";
        reader.fault(Fault::at(place, title).help(help));
    }
}

/// `[internal_tokens.permissions]`: lists of permissions by audience.
fn permissions(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    section: &DeTable<'_>,
) -> BTreeMap<String, BTreeSet<PermissionPattern>> {
    let help =
        "write `[internal_tokens.permissions]`, and `orders-internal = [\"orders:*\"]` below";
    let Some(lists) = section
        .get("permissions")
        .and_then(|written| reader.table(written, "permissions", help))
    else {
        return BTreeMap::new();
    };
    let known = audiences(table, section);
    let mut read = BTreeMap::new();
    for (audience, list) in lists.iter() {
        let name: &str = audience.get_ref();
        if !known.contains(&name) {
            let title = format!("no route asks for internal tokens for `{name}`");
            let near = suggest(name, known.iter().copied());
            let help = "name an `internal_token` of a route, or the `audience` of this section";
            reader.fault(Fault::at(audience.span(), title).did_you_mean(near, help));
        }
        let mut patterns = BTreeSet::new();
        for word in reader.strings(list, name, "orders:*") {
            match PermissionPattern::parse(word.text) {
                Ok(pattern) => drop(patterns.insert(pattern)),
                Err(error) => reader.fault(Fault::at(word.span, error.to_string())),
            }
        }
        read.insert(name.to_owned(), patterns);
    }
    read
}

/// For whom tokens are asked, as far as it can be read.
fn audiences<'d>(table: &'d DeTable<'_>, section: &'d DeTable<'_>) -> Vec<&'d str> {
    let usual = section.get("audience").and_then(|it| it.get_ref().as_str());
    let routes = match table.get("route").map(|routes| routes.get_ref()) {
        Some(DeValue::Array(routes)) => routes.iter().collect(),
        _ => Vec::new(),
    };
    let named = routes.into_iter().filter_map(|route| {
        let named = route.get_ref().as_table()?.get("internal_token")?;
        named.get_ref().as_str()
    });
    usual.into_iter().chain(named).collect()
}

/// A URL that names the gateway as an issuer of its own.
fn issuer(reader: &mut Reader<'_>, table: &DeTable<'_>, section: &DeTable<'_>) -> Option<String> {
    let example = "https://api.example.com/internal";
    let issuer = value(reader, section, "issuer", example, |text| {
        without_user(text, "issuer")?;
        let parsed = text.parse::<Uri>().ok().filter(|uri| {
            let is_http = matches!(uri.scheme_str(), Some("https" | "http"));
            is_http && uri.query().is_none() && !text.contains('#') && text.len() <= MAX_NAME
        });
        match parsed {
            Some(_) => Ok(text.to_owned()),
            None => refuse(
                "`issuer` must be a URL without query and fragment",
                format!("write it like `{example}`"),
            ),
        }
    })?;
    let own = table.get("issuer").and_then(|it| it.get_ref().as_str());
    if own == Some(&*issuer) || others(table).contains(&&*issuer) {
        let title = format!("`{issuer}` is an issuer whose tokens open routes");
        let help = "internal tokens are of an issuer of their own; add `/internal`, for example";
        let place = section.get("issuer")?.span();
        reader.fault(Fault::at(place, title).help(help));
    }
    Some(issuer)
}
