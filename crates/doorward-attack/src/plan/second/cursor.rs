//! The places where one page of a list says where the next one begins.

use doorward_jose::{base64url, json::Value};
use serde_json::from_slice;

use super::{super::Planner, Theirs, claim};
use crate::{
    probe::{Probe, percent_encoded},
    wire::Answer,
};

/// Names under which APIs give the next page, in lower case.
const MEMBERS: [&str; 12] = [
    "next",
    "next_cursor",
    "nextcursor",
    "cursor",
    "next_page_token",
    "nextpagetoken",
    "next_token",
    "after",
    "end_cursor",
    "endcursor",
    "continuation",
    "continuation_token",
];

/// A cursor, and the parameter by which it is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    parameter: String,
    value: String,
}

/// The second caller's cursors, and the first one's own with something changed.
pub(super) fn cursors(planner: &Planner<'_>, theirs: &Theirs) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut add = |what: &str, cursor: &Cursor, value: &str| {
        let target = planner.with_query(&cursor.parameter, value);
        let what = format!("{what}, as {}", cursor.parameter);
        probes.push(theirs.probe(planner, &what, planner.at(&target, Some(planner.token))));
    };
    for cursor in found(&theirs.answer) {
        add("the second caller's cursor", &cursor, &cursor.value);
    }
    for cursor in found(&planner.calibration.answers[0]) {
        for (what, value) in edited(planner, &cursor.value) {
            add(what, &cursor, &value);
        }
    }
    probes
}

fn found(answer: &Answer) -> Vec<Cursor> {
    let mut cursors = Vec::new();
    if let Ok(value) = from_slice::<Value>(&answer.body) {
        walk(&value, &mut cursors);
    }
    let links = answer.header("link").unwrap_or_default().split(',');
    for link in links.filter(|link| link.contains("rel=\"next\"") || link.contains("rel=next")) {
        let address = link
            .trim()
            .strip_prefix('<')
            .and_then(|rest| rest.split('>').next());
        cursors.extend(address.and_then(of_address));
    }
    cursors.dedup();
    cursors
}

fn walk(value: &Value, cursors: &mut Vec<Cursor>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if MEMBERS.contains(&name.to_lowercase().as_str()) => {
                        cursors.extend(of_member(name, text));
                    }
                    _ => walk(value, cursors),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, cursors)),
        _ => {}
    }
}

fn of_member(name: &str, text: &str) -> Option<Cursor> {
    if text.is_empty() {
        return None;
    }
    if text.starts_with('/') || text.contains("://") {
        return of_address(text);
    }
    let parameter = ["next_", "end_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    let parameter = match (parameter, name) {
        (Some(parameter), _) => parameter,
        (None, "next" | "nextCursor" | "endCursor") => "cursor",
        (None, "nextPageToken") => "pageToken",
        (None, name) => name,
    };
    Some(Cursor {
        parameter: parameter.to_owned(),
        value: text.to_owned(),
    })
}

fn of_address(address: &str) -> Option<Cursor> {
    let (_, query) = address.split_once('?')?;
    let names = [
        "cursor",
        "after",
        "page_token",
        "pageToken",
        "next",
        "token",
        "continuation",
    ];
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        names.contains(&name).then(|| Cursor {
            parameter: name.to_owned(),
            value: value.replace("%3D", "=").replace("%3d", "="),
        })
    })
}

/// A cursor says more than it should when what is inside it is believed.
fn edited(planner: &Planner<'_>, value: &str) -> Vec<(&'static str, String)> {
    let second = planner.extras.second_token.as_deref().unwrap_or_default();
    let injected = "' OR '1'='1";
    let mut variants = vec![
        (
            "the cursor with a quote behind",
            format!("{value}{injected}"),
        ),
        ("a quote for a cursor", injected.to_owned()),
        ("the cursor cut", value.chars().skip(1).collect()),
        ("nothing for a cursor", String::new()),
    ];
    let inside = base64url::decode(value.trim_end_matches('='));
    let Some(inside) = inside.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return variants;
    };
    let coded = |text: String| base64url::encode(text);
    variants.push((
        "the cursor with a quote inside",
        coded(format!("{inside}{injected}")),
    ));
    for name in ["sub", "tenant", "tid", "org_id"] {
        if let (Some(own), Some(other)) = (claim(planner.token, name), claim(second, name))
            && own != other
            && inside.contains(&own)
        {
            let changed = coded(inside.replace(&own, &other));
            variants.push(("the cursor with the second caller's name inside", changed));
        }
    }
    variants
}

impl Planner<'_> {
    /// The route's address with one more parameter.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> String {
        let target = self.target.request_target();
        let separator = if self.target.query.is_some() {
            '&'
        } else {
            '?'
        };
        format!(
            "{target}{separator}{}={}",
            percent_encoded(name),
            percent_encoded(value)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, found};
    use crate::wire::Answer;

    #[test]
    fn cursors_are_found_where_apis_put_them() {
        let of = |body: &str| {
            let answer = Answer {
                status: 200,
                body: body.as_bytes().to_vec(),
                ..Answer::default()
            };
            found(&answer)
        };
        let cursor = |parameter: &str, value: &str| Cursor {
            parameter: parameter.to_owned(),
            value: value.to_owned(),
        };
        assert_eq!(
            of(r#"{"items":[],"next_cursor":"ab"}"#),
            [cursor("cursor", "ab")]
        );
        assert_eq!(
            of(r#"{"meta":{"next":"/orders?after=ab&n=1"}}"#),
            [cursor("after", "ab")]
        );
        assert_eq!(of(r#"{"next":null}"#), []);
    }
}
