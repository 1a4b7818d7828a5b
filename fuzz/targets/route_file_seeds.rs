//! Configuration files to begin with.

use std::collections::BTreeSet;

/// The template with every line of it taken in.
pub(crate) fn taken_in(template: &str) -> String {
    let lines = template.lines().map(|line| match line.strip_prefix('#') {
        Some(code) if !code.starts_with(' ') => code,
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Inputs to begin with: good files, each of their lines left out, doubled and
/// cut, and one value after the other replaced.
pub(crate) fn all(files: &[&str]) -> BTreeSet<Vec<u8>> {
    const ODD: [&str; 12] = [
        "\"\"",
        "1",
        "true",
        "[]",
        "[\"a\"]",
        "{ a = 1 }",
        "\"GET /a\"",
        "\"GET /{a}/{*b}\"",
        "\"* /...\"",
        "\"\u{e9}\\u0000\"",
        "'''\n'''",
        "\"orders:*\"",
    ];
    let mut seeds = BTreeSet::new();
    for file in files {
        let lines: Vec<&str> = file.lines().collect();
        let with = |at: usize, line: &str| {
            let mut lines = lines.clone();
            lines[at] = line;
            lines.join("\n").into_bytes()
        };
        seeds.insert(file.as_bytes().to_vec());
        for (at, line) in lines.iter().enumerate() {
            seeds.insert(with(at, ""));
            seeds.insert(with(at, &format!("{line}\n{line}")));
            let half = (0..=line.len() / 2)
                .rev()
                .find(|half| line.is_char_boundary(*half));
            seeds.insert(with(at, &line[..half.unwrap_or(0)]));
            if let Some((key, _)) = line.split_once(" = ") {
                seeds.extend(ODD.map(|value| with(at, &format!("{key} = {value}"))));
            }
        }
    }
    seeds
}
