//! `[tokens.claims]`: which attributes of users others may read in their tokens.

use doorward_issuer::attribute::{
    AttributeName, AttributeNameError, ClaimName, ClaimNameError, MAX_ATTRIBUTES, TokenClaims,
    linter::Kind,
};
use toml::de::DeTable;

use super::super::document::Reader;
use super::super::problem::Fault;

const SHAPE: &str = "write `[tokens.claims]`, and below it lines like `department = \"department\"`: \
                     the claim, and the attribute that it holds";

pub(super) fn claims(reader: &mut Reader<'_>, tokens: &DeTable<'_>) -> TokenClaims {
    let mut claims = TokenClaims::default();
    let Some(value) = tokens.get("claims") else {
        return claims;
    };
    let Some(table) = reader.table(value, "claims", SHAPE) else {
        return claims;
    };
    if table.len() > MAX_ATTRIBUTES {
        let title = format!("a token holds at most {MAX_ATTRIBUTES} attributes");
        let help = "name those that routes or policies ask about";
        reader.fault(Fault::at(value.span(), title).help(help));
    }
    for (name, value) in table.iter() {
        let claim: &str = name.get_ref();
        let read = ClaimName::parse(claim).map_err(|error| {
            let help = match error {
                ClaimNameError::Kind(finding) => instead(finding.kind).to_owned(),
                ClaimNameError::Taken(_) => "choose another name for it".to_owned(),
                ClaimNameError::Characters => plainly(claim),
            };
            reader.fault(Fault::at(name.span(), error.to_string()).help(help));
        });
        let Some(word) = reader.string(value, claim, "department") else {
            continue;
        };
        let attribute = AttributeName::parse(word.text).map_err(|error| {
            let help = match error {
                AttributeNameError::Kind(finding) => instead(finding.kind).to_owned(),
                AttributeNameError::Characters => plainly(word.text),
            };
            reader.fault(Fault::at(word.span.clone(), error.to_string()).help(help));
        });
        if let (Ok(claim), Ok(attribute)) = (read, attribute) {
            claims.add(claim, attribute);
        }
    }
    claims
}

/// What to do without such a claim.
fn instead(kind: Kind) -> &'static str {
    match kind {
        Kind::PersonalData => {
            "leave it out: tokens are logged and passed on; an API that needs it asks for it by \
             `sub`"
        }
        Kind::Secret => "leave it out: whoever sees a token reads what is in it",
    }
}

/// The same in the characters that there may be, if that is a name.
fn plainly(text: &str) -> String {
    let plain = text.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    match ClaimName::parse(&plain) {
        Ok(_) => format!("did you mean `{plain}`?"),
        Err(_) => "write it like `cost_center`".to_owned(),
    }
}
