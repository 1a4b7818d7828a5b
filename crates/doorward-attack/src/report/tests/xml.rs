//! A strict reader of the XML that reports use: elements, attributes in double
//! quotes, text; no comments, no sections, no entities but the five.

use std::collections::HashMap;

/// One element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) parent: Option<String>,
    pub(super) attributes: HashMap<String, String>,
}

/// Every element, or what is not well-formed.
pub(super) fn elements(text: &str) -> Result<Vec<Element>, String> {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let mut rest = text.strip_prefix(declaration).ok_or("no declaration")?;
    let (mut open, mut found): (Vec<String>, Vec<Element>) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        checked(&rest[..start])?;
        let end = rest[start..].find('>').ok_or("a tag without its end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or("an end without a start")?;
            if last != name {
                return Err(format!("{last} ended by {name}"));
            }
            continue;
        }
        let element = element(tag, open.last().cloned())?;
        open.push(element.name.clone());
        found.push(element);
    }
    match (open.is_empty(), rest.trim().is_empty()) {
        (true, true) => Ok(found),
        _ => Err("something is left open".to_owned()),
    }
}

fn element(tag: &str, parent: Option<String>) -> Result<Element, String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = HashMap::new();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once("=\"")
            .ok_or("an attribute without quotes")?;
        let (value, after) = after.split_once('"').ok_or("an attribute without an end")?;
        if attributes
            .insert(key.to_owned(), checked(value)?.to_owned())
            .is_some()
        {
            return Err(format!("{key} twice"));
        }
        rest = after.trim_start();
    }
    Ok(Element {
        name: name.to_owned(),
        parent,
        attributes,
    })
}

/// Text without control characters (XML 1.0 section 2.2) and bare ampersands.
fn checked(text: &str) -> Result<&str, String> {
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        return Err("a control character".to_owned());
    }
    for after in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        if !known.iter().any(|entity| after.starts_with(entity)) {
            return Err("a bare ampersand".to_owned());
        }
    }
    Ok(text)
}
