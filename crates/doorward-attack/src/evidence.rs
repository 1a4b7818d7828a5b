//! A request as it may be shown: with its tokens masked, and as a command
//! line that does the same.

use crate::{probe::Probe, target::Target, wire::Request};

/// Longest part of a header value that is shown.
const LONGEST: usize = 200;

/// The name that stands for the token: `$TOKEN` is the caller's own, `$FORGED`
/// one that was made from it.
const fn mask(probe: &Probe) -> &'static str {
    if probe.is_forged { "$FORGED" } else { "$TOKEN" }
}

/// Request lines and header fields, masked.
pub(crate) fn shown(probe: &Probe) -> String {
    let requests = probe.requests().map(|request| head(probe, request));
    requests.collect::<Vec<_>>().join("\nand then\n")
}

fn head(probe: &Probe, request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method, cleaned(probe, &request.target));
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {}\n", cleaned(probe, value)));
    }
    text
}

/// The value without tokens and control characters, and not too long.
fn cleaned(probe: &Probe, value: &[u8]) -> String {
    let mut text = masked(probe, &String::from_utf8_lossy(value));
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        let length = value.len();
        text.truncate(end);
        text.push_str(&format!("… ({length} bytes)"));
    }
    text.escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
}

fn masked(probe: &Probe, text: &str) -> String {
    let text = match &probe.hidden {
        Some(hidden) => text.replace(hidden, "$SECOND"),
        None => text.to_owned(),
    };
    let Some(token) = probe.token.as_deref().filter(|token| !token.is_empty()) else {
        return text;
    };
    let encoded = crate::probe::percent_encoded(token);
    text.replace(token, mask(probe))
        .replace(&encoded, mask(probe))
}

/// A curl command line that sends the same, as far as curl can.
pub(crate) fn curl(target: &Target, probe: &Probe) -> String {
    let requests = probe.requests().map(|request| one(target, probe, request));
    requests.collect::<Vec<_>>().join(" && ")
}

fn one(target: &Target, probe: &Probe, request: &Request) -> String {
    let path = masked(probe, &String::from_utf8_lossy(&request.target));
    let mut line = "curl -i".to_owned();
    if request.method == "HEAD" {
        line.push_str(" --head");
    } else if request.method != "GET" {
        line.push_str(&format!(" -X {}", quoted(&request.method)));
    }
    if !path.starts_with('/') {
        line.push_str(&format!(" --request-target {}", quoted(&path)));
    }
    for (name, value) in &request.headers {
        let is_curls_own = ["Host", "User-Agent", "Accept", "Connection"].contains(&name.as_str());
        let is_as_curl_sends = match name.as_str() {
            "Host" => value == target.authority.as_bytes(),
            "User-Agent" => value.starts_with(b"doorward-attack/"),
            _ => true,
        };
        if is_curls_own && is_as_curl_sends {
            continue;
        }
        let value = masked(probe, &String::from_utf8_lossy(value));
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    if !request.body.is_empty() {
        let body = masked(probe, &String::from_utf8_lossy(&request.body));
        line.push_str(&format!(" --data-binary {}", quoted(&body)));
    }
    let path = if path.starts_with('/') {
        path.as_str()
    } else {
        "/"
    };
    let url = format!("{}{path}", target.origin());
    format!("{line} --path-as-is {}", quoted(&url))
}

/// One word for a shell, in which `$TOKEN` and `$FORGED` are still filled in.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars().take(4_000) {
        match character {
            '"' | '\\' | '`' | '!' => out.extend(['\\', character]),
            // A dollar that is no placeholder stays a dollar.
            '$' => out.push('$'),
            _ if character.is_control() => out.extend(character.escape_default()),
            _ => out.push(character),
        }
    }
    for name in ["$TOKEN", "$FORGED", "$SECOND"] {
        out = out.replace(name, &format!("\u{0}{}", &name[1..]));
    }
    out = out.replace('$', "\\$").replace('\u{0}', "$");
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{curl, shown};
    use crate::{
        probe::{Expect, Probe},
        target::Target,
    };

    #[test]
    fn a_token_is_never_shown() {
        let target = Target::parse("http://127.0.0.1:4180/orders").expect("an address");
        let probe = Probe::forged(&target, "x", "aaa.bbb.ccc", Expect::Refused);
        let text = shown(&probe);
        assert!(text.contains("Authorization: Bearer $FORGED") && !text.contains("bbb"));
        assert_eq!(
            curl(&target, &probe),
            r#"curl -i -H "Authorization: Bearer $FORGED" --path-as-is "http://127.0.0.1:4180/orders""#
        );
    }

    #[test]
    fn odd_text_is_quoted_for_a_shell() {
        assert_eq!(
            super::quoted("a\"b`c$HOME$TOKEN"),
            r#""a\"b\`c\$HOME$TOKEN""#
        );
    }
}
