//! From bytes to one JSON value, whichever of the two ways it is written in.

use doorward_verify::jose::json::{Limits, Object, parse_object};

use super::{Fault, yaml};

/// Objects and lists inside one another.
pub(super) const MAX_DEPTH: usize = 128;

/// Reads `bytes`. JSON begins with a brace; all else is taken for YAML.
pub(super) fn read(bytes: &[u8]) -> Result<Object, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::new("the file", "is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with('{') {
        return yaml::read(text);
    }
    // For the place: the strict reader tells none.
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let place = format!("line {}, column {}", error.line(), error.column());
        return Err(Fault::new(place, format!("this is not JSON: {error}")));
    }
    let limits = Limits {
        max_bytes: text.len(),
        max_depth: MAX_DEPTH,
    };
    parse_object(text.as_bytes(), limits).map_err(|_| {
        let what = "is JSON with more than one reading: a member is there twice, or a number \
                    cannot be held exactly";
        Fault::new("the file", what)
    })
}
