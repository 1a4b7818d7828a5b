//! Other spellings of the same three parts, and too many of them (PAR).

use doorward_jose::base64url;

use super::{Workshop, text};

pub(super) fn forge(workshop: &mut Workshop<'_>) {
    other_alphabets(workshop);
    spare_bits(workshop);
    junk(workshop);
    counts(workshop);
    deep(workshop);
}

/// The three parts of the valid token with one of them replaced.
fn with_part(workshop: &Workshop<'_>, index: usize, part: &str) -> String {
    let mut parts = [
        workshop.header_part,
        workshop.payload_part,
        workshop.signature_part,
    ];
    parts[index] = part;
    parts.join(".")
}

const NAMES: [&str; 3] = ["header", "payload", "signature"];

fn other_alphabets(workshop: &mut Workshop<'_>) {
    let parts = [
        workshop.header_part,
        workshop.payload_part,
        workshop.signature_part,
    ];
    for (index, (name, part)) in NAMES.into_iter().zip(parts).enumerate() {
        for padding in ["=", "=="] {
            let token = with_part(workshop, index, &format!("{part}{padding}"));
            workshop.add("PAR-002", format!("{name} with {padding}"), token);
        }
        let standard = part.replace('-', "+").replace('_', "/");
        if standard != part {
            let token = with_part(workshop, index, &standard);
            workshop.add("PAR-002", format!("{name} in the standard alphabet"), token);
        }
    }
    let encoded = workshop.valid.replace('.', "%2E");
    workshop.add("PAR-002", "percent-encoded dots", encoded);
    let first = workshop.valid.chars().next().map_or(0, u32::from);
    let rest = workshop.valid.get(1..).unwrap_or_default();
    let percent = format!("%{first:02X}{rest}");
    workshop.add("PAR-002", "percent-encoded first character", percent);
}

/// A part whose length leaves bits over has as many spellings as those bits.
fn spare_bits(workshop: &mut Workshop<'_>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let parts = [
        workshop.header_part,
        workshop.payload_part,
        workshop.signature_part,
    ];
    for (index, (name, part)) in NAMES.into_iter().zip(parts).enumerate() {
        let spare = match part.len() % 4 {
            2 => 4,
            3 => 2,
            _ => continue,
        };
        let (head, last) = part.split_at(part.len() - 1);
        let value = ALPHABET.iter().position(|byte| last.as_bytes() == [*byte]);
        for bit in 0..spare {
            let Some(other) = value.and_then(|value| ALPHABET.get(value ^ (1 << bit))) else {
                continue;
            };
            let token = with_part(workshop, index, &format!("{head}{}", char::from(*other)));
            workshop.add("PAR-003", format!("{name}, spare bit {bit} set"), token);
        }
    }
}

fn junk(workshop: &mut Workshop<'_>) {
    let parts = [
        workshop.header_part,
        workshop.payload_part,
        workshop.signature_part,
    ];
    for (what, junk) in [
        ("space", " "),
        ("tab", "\t"),
        ("line feed", "\n"),
        ("CR LF", "\r\n"),
        ("NUL", "\0"),
        ("#", "#"),
        ("?", "?"),
        ("quote", "\""),
    ] {
        for (index, (name, part)) in NAMES.into_iter().zip(parts).enumerate() {
            let (start, end) = part.split_at(part.len() / 2);
            let token = with_part(workshop, index, &format!("{start}{junk}{end}"));
            workshop.add("PAR-004", format!("{what} inside the {name}"), token);
        }
        let between = format!("{}{junk}.{junk}{}", parts[0], &parts[1..].join("."));
        workshop.add("PAR-004", format!("{what} around the first dot"), between);
        // HTTP strips white space around a field's value: what arrives would be
        // the valid token, and accepting it no fault.
        if junk.trim().is_empty() {
            continue;
        }
        workshop.add(
            "PAR-004",
            format!("{what} before"),
            format!("{junk}{}", workshop.valid),
        );
        workshop.add(
            "PAR-004",
            format!("{what} after"),
            format!("{}{junk}", workshop.valid),
        );
    }
}

fn counts(workshop: &mut Workshop<'_>) {
    let (valid, header) = (workshop.valid, workshop.header_part);
    let (payload, signature) = (workshop.payload_part, workshop.signature_part);
    for (what, token) in [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{valid}.{signature}")),
        ("five parts", format!("{valid}.{signature}.{signature}")),
        ("six parts", format!("{valid}.{valid}")),
        ("leading dot", format!(".{valid}")),
        ("trailing dot", format!("{valid}.")),
        ("doubled dot", format!("{header}..{payload}.{signature}")),
        ("only dots", "..".to_owned()),
        ("one dot", ".".to_owned()),
    ] {
        workshop.add("PAR-005", what, token);
    }
    for count in [8 * 1024, 64 * 1024, 1024 * 1024] {
        workshop.add("PAR-006", format!("{count} dots"), ".".repeat(count));
        let tail = format!("{valid}{}", ".".repeat(count));
        workshop.add("PAR-006", format!("{count} dots after the token"), tail);
    }
}

fn deep(workshop: &mut Workshop<'_>) {
    for depth in [64, 1_000, 100_000] {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let inside = |object: String| format!("{},\"x\":{value}}}", &object[..object.len() - 1]);
        let header = workshop.with_header(inside(text(workshop.header.clone())));
        workshop.add("PAR-008", format!("header, {depth} levels"), header);
        let payload = workshop.with_payload(inside(text(workshop.claims.clone())));
        workshop.add("PAR-008", format!("payload, {depth} levels"), payload);
    }
    let open = base64url::encode("[".repeat(100_000));
    let token = with_part(workshop, 1, &open);
    workshop.add("PAR-008", "payload, 100000 levels never closed", token);
}
