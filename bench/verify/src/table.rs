//! The figures as Markdown.

use std::fmt::Write as _;

use contest::{measure::Figure, token::CLAIMS_BYTES};

use crate::Results;

pub(crate) fn markdown(results: &[Results], rounds: usize) -> String {
    let mut text = format!(
        "Claims of {CLAIMS_BYTES} bytes; medians of {rounds} interleaved rounds; in brackets the median of the\n\
         rounds' ratios to the raw call, then the allocations made by Rust code.\n"
    );
    section(&mut text, "Verify", results, |results| &results.verify);
    section(&mut text, "Sign", results, |results| &results.sign);
    text
}

fn section(
    text: &mut String,
    title: &str,
    results: &[Results],
    figures: impl Fn(&Results) -> &[Figure],
) {
    let mut names: Vec<&str> = Vec::new();
    for figure in results.iter().flat_map(&figures) {
        if !names.contains(&figure.name) {
            names.push(figure.name);
        }
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n### {title}, microseconds\n");
    let _ = writeln!(text, "| | bytes | {} |", names.join(" | "));
    let _ = writeln!(text, "| --- | ---: |{}", " ---: |".repeat(names.len()));
    for results in results {
        let figures = figures(results);
        let cells: Vec<String> = names
            .iter()
            .map(|name| figures.iter().find(|figure| figure.name == *name))
            .map(|figure| figure.map_or("–".to_owned(), cell))
            .collect();
        let (algorithm, bytes) = (results.algorithm, results.token_bytes);
        let _ = writeln!(text, "| {algorithm} | {bytes} | {} |", cells.join(" | "));
    }
}

fn cell(figure: &Figure) -> String {
    let Figure {
        nanoseconds,
        ratio,
        allocations,
        ..
    } = figure;
    let microseconds = nanoseconds / 1000.0;
    let digits = match microseconds {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{microseconds:.digits$} ({ratio:.2}×, {allocations})")
}
