//! `[[trusted_issuer]]`: others whose tokens the gateway accepts.
//!
//! Nothing about them is guessed: issuer, audience, algorithms and the place of
//! the keys are named, and none of their claims grants anything unless a key of
//! this table says so.

use std::{ops::Range, path::PathBuf};

use doorward_verify::{
    jose::algorithm::Algorithm,
    jwks::{address::AddressKind, url::JwksUrl},
};
use toml::de::{DeTable, DeValue};

use super::{
    document::{Reader, Value, wrong_type},
    problem::Fault,
    settings::{self, refuse, value, without_user},
    suggest,
};

const SHAPE: &str = "write `[[trusted_issuer]]`, with two brackets, above each issuer";

const KEYS: [&str; 12] = [
    "issuer",
    "audience",
    "algorithms",
    "jwks_uri",
    "jwks_file",
    "allow_addresses",
    "ca_file",
    "token_type",
    "permissions_claim",
    "roles_claim",
    "tenant_claim",
    "where_claims",
];

/// An issuer that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherIssuer {
    /// `iss` of its tokens.
    pub(crate) issuer: String,
    /// `aud` that its tokens must have.
    pub(crate) audience: String,
    /// The algorithms that it signs with.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Its keys.
    pub(crate) keys: KeyPlace,
    /// `typ` of its tokens, where that is not `at+jwt`.
    pub(crate) token_type: Option<String>,
    /// The claim with permissions.
    pub(crate) permissions_claim: Option<String>,
    /// The claim with names of our roles.
    pub(crate) roles_claim: Option<String>,
    /// The claim with the tenant.
    pub(crate) tenant_claim: Option<String>,
    /// Claims that a route's `where` may compare.
    pub(crate) where_claims: Vec<String>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// Behind a URL, and whose certificates are believed there.
    Uri(Box<JwksUrl>, Option<PathBuf>),
    /// In a file.
    File(PathBuf),
}

/// Every `[[trusted_issuer]]`.
pub(super) fn trusted(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<OtherIssuer> {
    let Some(written) = table.get("trusted_issuer") else {
        return Vec::new();
    };
    let DeValue::Array(items) = written.get_ref() else {
        let found = written.get_ref();
        let wrong = wrong_type(written, "trusted_issuer", "an array of tables", found);
        reader.fault(wrong.help(SHAPE));
        return Vec::new();
    };
    let own = table.get("issuer");
    let mut named: Vec<(String, Range<usize>)> = own
        .and_then(|own| Some((own.get_ref().as_str()?.to_owned(), own.span())))
        .into_iter()
        .collect();
    let mut issuers = Vec::new();
    for item in items.iter() {
        issuers.extend(issuer(reader, item, &mut named));
    }
    issuers
}

fn issuer(
    reader: &mut Reader<'_>,
    item: &Value<'_>,
    named: &mut Vec<(String, Range<usize>)>,
) -> Option<OtherIssuer> {
    let table = reader.table(item, "trusted_issuer", SHAPE)?;
    reader.unknown_keys(table, "[[trusted_issuer]]", &KEYS);
    for (key, why) in [
        (
            "issuer",
            "add `issuer = \"https://id.example.com\"`, as it is in `iss` of its tokens",
        ),
        (
            "audience",
            "add `audience = \"…\"`: tokens for others are not for this API",
        ),
        (
            "algorithms",
            "add `algorithms = [\"RS256\"]`, with what it signs with and no more",
        ),
    ] {
        if table.get(key).is_none() {
            let fault = Fault::at(item.span(), format!("a trusted issuer without `{key}`"));
            reader.fault(fault.help(why));
        }
    }
    let issuer = name(reader, table);
    if let (Some(name), Some(written)) = (&issuer, table.get("issuer")) {
        is_named_once(reader, name, written.span(), named);
    }
    let audience = settings::audience(reader, table, "audience");
    let algorithms = algorithms(reader, table);
    let keys = keys(reader, item, table);
    let where_claims = where_claims(reader, table);
    let claim = |reader: &mut Reader<'_>, key| claim(reader, table, key);
    Some(OtherIssuer {
        token_type: token_type(reader, table),
        permissions_claim: claim(reader, "permissions_claim"),
        roles_claim: claim(reader, "roles_claim"),
        tenant_claim: claim(reader, "tenant_claim"),
        where_claims,
        issuer: issuer?,
        audience: audience?,
        algorithms: algorithms?,
        keys: keys?,
    })
}

/// `iss`, which is a URL with or without a path; compared as it is written.
fn name(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<String> {
    value(reader, table, "issuer", "https://id.example.com", |text| {
        without_user(text, "issuer")?;
        let is_url = text.starts_with("https://") || text.starts_with("http://");
        match is_url && text.parse::<http::Uri>().is_ok() && !text.contains(['#', '?']) {
            true => Ok(text.to_owned()),
            false => refuse(
                "`issuer` must be an `https://` URL",
                "write it exactly as it is in `iss` of its tokens",
            ),
        }
    })
}

fn is_named_once(
    reader: &mut Reader<'_>,
    name: &str,
    span: Range<usize>,
    named: &mut Vec<(String, Range<usize>)>,
) {
    if let Some((_, first)) = named.iter().find(|(other, _)| other == name) {
        let fault = Fault::at(span, format!("the issuer `{name}` is there twice"));
        let help = "keep one of them: a token is checked against one issuer";
        reader.fault(
            fault
                .label("again")
                .related(first.clone(), "first here")
                .help(help),
        );
        return;
    }
    named.push((name.to_owned(), span));
}

fn algorithms(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<Vec<Algorithm>> {
    let before = reader.count();
    let words = reader.strings(table.get("algorithms")?, "algorithms", "RS256");
    let mut algorithms = Vec::new();
    for word in &words {
        let known = Algorithm::from_name(word.text).filter(|known| !known.is_symmetric());
        let Some(algorithm) = known else {
            let names = Algorithm::ALL.iter().filter(|known| !known.is_symmetric());
            // A shared secret is no spelling mistake.
            let near = match Algorithm::from_name(word.text) {
                Some(_) => None,
                None => suggest(word.text, names.clone().map(|known| known.name())),
            };
            let names: Vec<_> = names.map(|known| known.name()).collect();
            let title = format!("`{}` is not an algorithm with a public key", word.text);
            let others = format!("known: {}", names.join(", "));
            reader.fault(Fault::at(word.span.clone(), title).did_you_mean(near, others));
            continue;
        };
        algorithms.push(algorithm);
    }
    if words.is_empty() && reader.count() == before {
        let span = table.get("algorithms")?.span();
        let help = "write what it signs with, like `algorithms = [\"RS256\"]`";
        reader.fault(Fault::at(span, "`algorithms` is empty: no token would be good").help(help));
    }
    (!algorithms.is_empty()).then_some(algorithms)
}

/// One place, of the two that there are.
fn keys(reader: &mut Reader<'_>, item: &Value<'_>, table: &DeTable<'_>) -> Option<KeyPlace> {
    match (table.get("jwks_uri"), table.get("jwks_file")) {
        (None, None) => {
            let help = "add `jwks_uri = \"https://…\"` or `jwks_file = \"…\"`";
            reader.fault(Fault::at(item.span(), "a trusted issuer without keys").help(help));
            None
        }
        (Some(uri), Some(file)) => {
            reader.fault(
                Fault::at(
                    file.span(),
                    "an issuer with both `jwks_uri` and `jwks_file`",
                )
                .label("and here")
                .related(uri.span(), "keys from here")
                .help("keep one of them"),
            );
            None
        }
        (Some(_), None) => uri(reader, table),
        (None, Some(_)) => {
            only_with_uri(reader, table);
            let path = path(
                reader,
                table,
                "jwks_file",
                "/etc/doorward/id.example.jwks.json",
            );
            path.map(KeyPlace::File)
        }
    }
}

fn only_with_uri(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    for key in ["allow_addresses", "ca_file"] {
        if let Some(value) = table.get(key) {
            let fault = Fault::at(value.span(), format!("`{key}` without `jwks_uri`"));
            reader.fault(fault.help("leave it out: a file is not asked over the network"));
        }
    }
}

fn uri(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<KeyPlace> {
    let example = "https://id.example.com/.well-known/jwks.json";
    let url = value(reader, table, "jwks_uri", example, |text| {
        without_user(text, "jwks_uri")?;
        JwksUrl::parse(text).or_else(|error| {
            refuse(
                format!("`jwks_uri`: {error}"),
                format!("write it like `{example}`"),
            )
        })
    });
    let kinds = addresses(reader, table);
    let ca_file = path(reader, table, "ca_file", "/etc/doorward/ca.pem");
    let url = kinds.into_iter().fold(url?, JwksUrl::allow);
    Some(KeyPlace::Uri(Box::new(url), ca_file))
}

/// Kinds of addresses, besides public ones, that the keys may be fetched from.
fn addresses(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<AddressKind> {
    const KINDS: [AddressKind; 3] = [
        AddressKind::Loopback,
        AddressKind::Private,
        AddressKind::LinkLocal,
    ];
    let Some(value) = table.get("allow_addresses") else {
        return Vec::new();
    };
    let mut kinds = Vec::new();
    for word in reader.strings(value, "allow_addresses", "private") {
        match KINDS.iter().find(|kind| kind.name() == word.text) {
            Some(kind) => kinds.push(*kind),
            None => {
                let near = suggest(word.text, KINDS.iter().map(|kind| kind.name()));
                let title = format!("`{}` is not a kind of address", word.text);
                let known =
                    "public ones are allowed; others are `loopback`, `private`, `link-local`";
                reader.fault(Fault::at(word.span, title).did_you_mean(near, known));
            }
        }
    }
    kinds
}

fn path(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str, example: &str) -> Option<PathBuf> {
    value(reader, table, key, example, |text| match text {
        "" => refuse(
            format!("`{key}` is empty"),
            format!("write it like `{example}`"),
        ),
        _ => Ok(PathBuf::from(text)),
    })
}

fn token_type(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<String> {
    value(reader, table, "token_type", "at+jwt", |text| {
        let is_media = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&byte);
        match !text.is_empty() && text.bytes().all(is_media) {
            true => Ok(text.to_owned()),
            false => refuse(
                "`token_type` must be a media type",
                "write `typ` of its tokens, like `at+jwt` or `JWT`",
            ),
        }
    })
}

fn claim(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str) -> Option<String> {
    value(reader, table, key, "scope", |text| match text {
        "" => refuse(
            format!("`{key}` is empty"),
            "name a claim, like `scope`, or a place inside one, like `/realm_access/roles`",
        ),
        _ => Ok(text.to_owned()),
    })
}

/// Their names, as `where` uses them.
fn where_claims(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<String> {
    let Some(value) = table.get("where_claims") else {
        return Vec::new();
    };
    let words = reader.strings(value, "where_claims", "sub");
    words.iter().map(|word| word.text.to_owned()).collect()
}
