//! Rows in columns, for people. `--json` is for programs.

use crate::{
    output,
    paint::{Tone, paint, safe},
};

/// Prints `rows` under `head`, or `empty` when there are none.
pub(super) fn print<const N: usize>(head: [&str; N], rows: &[[String; N]], empty: &str) {
    if rows.is_empty() {
        output::note(empty);
        return;
    }
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| safe(cell)))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    output::data(paint(Tone::Strong, line(&head.map(str::to_owned))));
    for row in &rows {
        output::data(line(row));
    }
}
