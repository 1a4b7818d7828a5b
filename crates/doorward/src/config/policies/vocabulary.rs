//! `claims` and `headers` of `[policies]`.

use doorward_policy::cedar::{ClaimType, RESERVED_CLAIMS, Vocabulary};
use doorward_policy::role::Roles;
use http::HeaderName;
use toml::de::DeTable;

use super::super::document::{Reader, Word};
use super::super::problem::Fault;
use super::super::suggest;

/// How a type is called in the configuration.
const TYPES: [(&str, ClaimType); 4] = [
    ("string", ClaimType::Text),
    ("integer", ClaimType::Number),
    ("boolean", ClaimType::Truth),
    ("strings", ClaimType::Texts),
];

/// Fields with a credential in them: what is decided by them stands in records.
const SECRET: [&str; 5] = [
    "authorization",
    "cookie",
    "dpop",
    "proxy-authorization",
    "x-api-key",
];

pub(super) fn of(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    section: &DeTable<'_>,
    roles: Option<&Roles>,
) -> Vocabulary {
    let mut vocabulary = Vocabulary {
        roles: roles.map_or_else(Vec::new, |roles| {
            roles.iter().map(|role| role.name().to_string()).collect()
        }),
        foreign: table.contains_key("trusted_issuer"),
        ..Vocabulary::default()
    };
    claims(reader, section, &mut vocabulary);
    if let Some(value) = section.get("headers") {
        let words = reader.strings(value, "headers", "x-device");
        for word in &words {
            vocabulary.fields.extend(field(reader, word));
        }
        vocabulary.fields.sort();
        vocabulary.fields.dedup();
    }
    vocabulary
}

fn claims(reader: &mut Reader<'_>, section: &DeTable<'_>, vocabulary: &mut Vocabulary) {
    let shape = "write `claims = { department = \"string\" }`";
    let Some(value) = section.get("claims") else {
        return;
    };
    let Some(table) = reader.table(value, "claims", shape) else {
        return;
    };
    for (claim, value) in table.iter() {
        let name: &str = claim.get_ref();
        let is_plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
        if RESERVED_CLAIMS.contains(&name) {
            let fault = Fault::at(
                claim.span(),
                format!("policies know `principal.{name}` already"),
            );
            reader.fault(fault.help("take it out"));
        } else if !is_plain {
            let fault = Fault::at(
                claim.span(),
                "a claim's name is plain characters without blanks",
            );
            reader.fault(fault.help(shape));
        } else if let Some(word) = reader.string(value, name, "string") {
            vocabulary
                .claims
                .extend(kind(reader, &word).map(|kind| (name.to_owned(), kind)));
        }
    }
}

fn kind(reader: &mut Reader<'_>, word: &Word<'_>) -> Option<ClaimType> {
    let known = TYPES.iter().find(|(name, _)| *name == word.text);
    if known.is_none() {
        let names = TYPES.map(|(name, _)| name);
        let near = suggest(word.text, names);
        let fault = Fault::at(
            word.span.clone(),
            format!("`{}` is no type of a claim", word.text),
        );
        reader.fault(fault.did_you_mean(near, format!("write one of: {}", names.join(", "))));
    }
    known.map(|(_, kind)| *kind)
}

fn field(reader: &mut Reader<'_>, word: &Word<'_>) -> Option<String> {
    let Ok(name) = HeaderName::try_from(word.text) else {
        let fault = Fault::at(word.span.clone(), "this is no name of a header field");
        reader.fault(fault.help("write it like `x-device`"));
        return None;
    };
    if SECRET.contains(&name.as_str()) {
        let title = format!("`{name}` holds a credential, which no policy reads");
        reader.fault(
            Fault::at(word.span.clone(), title)
                .help("take it out; what it proves is in `principal`"),
        );
        return None;
    }
    Some(name.as_str().to_owned())
}
