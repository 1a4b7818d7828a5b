//! When two answers are the same answer: by status, media type and the shape
//! of the content, never by time.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::Answer;

/// What is remembered of an answer in order to know it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprint {
    /// What may be shown of it.
    pub shown: Shown,
    json: Option<Value>,
    hash: u64,
    /// Two answers to the same request differed byte for byte.
    is_lively: bool,
}

/// An answer as reports show it: no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Status code; 0 if nothing came.
    pub status: u16,
    /// Media type, or what happened instead of an answer.
    pub kind: String,
    /// Length of the content in bytes.
    pub length: usize,
}

impl From<&Answer> for Shown {
    fn from(answer: &Answer) -> Self {
        Self {
            status: answer.status,
            kind: answer.media_type(),
            length: answer.body.len(),
        }
    }
}

impl Fingerprint {
    /// Of two answers to the same request.
    pub fn of(first: &Answer, second: &Answer) -> Self {
        Self {
            shown: Shown::from(first),
            json: serde_json::from_slice(&first.body).ok(),
            hash: hash(&first.body),
            is_lively: first.body != second.body,
        }
    }

    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.shown.status >= 200 && self.shown.status < 300
    }

    /// Whether `answer` shows the same content, whatever its status within
    /// the class.
    pub fn is_like(&self, answer: &Answer) -> bool {
        if self.shown.status / 100 != answer.status / 100 || self.shown.kind != answer.media_type()
        {
            return false;
        }
        if self.hash == hash(&answer.body) {
            return true;
        }
        match (&self.json, serde_json::from_slice::<Value>(&answer.body)) {
            // `{}` and `[]` are the shape of anything and prove nothing.
            (Some(known), Ok(value)) => says_something(known) && alike(known, &value),
            (None, Err(_)) => self.is_lively && is_near(self.shown.length, answer.body.len()),
            _ => false,
        }
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// The same members and types, down to the first item of each list.
fn alike(known: &Value, value: &Value) -> bool {
    match (known, value) {
        (Value::Object(known), Value::Object(members)) => {
            known.len() == members.len()
                && known
                    .iter()
                    .all(|(name, known)| members.get(name).is_some_and(|value| alike(known, value)))
        }
        (Value::Array(known), Value::Array(items)) => match (known.first(), items.first()) {
            (Some(known), Some(value)) => alike(known, value),
            _ => true,
        },
        (Value::Null, _) | (_, Value::Null) => true,
        _ => std::mem::discriminant(known) == std::mem::discriminant(value),
    }
}

fn is_near(one: usize, other: usize) -> bool {
    one.abs_diff(other) * 5 <= one.max(other)
}

/// FNV-1a: only to know the same bytes again.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;
    use crate::wire::Answer;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: vec![(
                "content-type".to_owned(),
                "application/json; charset=utf-8".to_owned(),
            )],
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        }
    }

    fn is_like(known: &str, other: &Answer) -> bool {
        Fingerprint::of(&answer(200, known), &answer(200, known)).is_like(other)
    }

    #[test]
    fn shape_counts_and_values_do_not() {
        let known = r#"{"orders":[{"id":1,"item":"a"}],"next":null}"#;
        assert!(is_like(
            known,
            &answer(
                200,
                r#"{"next":"x","orders":[{"id":2,"item":"b"},{"id":3,"item":"c"}]}"#
            )
        ));
        assert!(is_like(known, &answer(206, r#"{"next":null,"orders":[]}"#)));
        assert!(!is_like(known, &answer(401, known)));
        assert!(!is_like(known, &answer(200, r#"{"error":"no"}"#)));
        assert!(!is_like(known, &answer(200, r#"{"next":1,"orders":"x"}"#)));
        assert!(!is_like("{}", &answer(200, r#"{"a":1}"#)));
    }

    #[test]
    fn text_is_the_same_or_alive_and_near() {
        let text = |body: &str| Answer {
            status: 200,
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        let still = Fingerprint::of(&text("hello 12"), &text("hello 12"));
        assert!(still.is_like(&text("hello 12")) && !still.is_like(&text("hello 13")));
        let lively = Fingerprint::of(&text("hello 12"), &text("hello 13"));
        assert!(lively.is_like(&text("hello 14")) && !lively.is_like(&text("no")));
    }
}
