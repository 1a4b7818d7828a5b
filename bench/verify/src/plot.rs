//! The ratios as a drawing: one row per algorithm, one mark per contender, the
//! raw call at the left. SVG with classes, so that it follows the reader's
//! light or dark page.

use std::fmt::Write as _;

use contest::measure::Figure;

use crate::{Results, raw::RAW};

const WIDTH: f64 = 900.0;
const LABELS: f64 = 80.0;
const MARGIN: f64 = 24.0;
const ROW: f64 = 26.0;
const HEAD: f64 = 46.0;
const FOOT: f64 = 44.0;

/// The ratios at which a line is drawn; the axis is logarithmic.
const TICKS: [f64; 6] = [1.0, 1.5, 2.0, 4.0, 8.0, 16.0];
const LEAST: f64 = 0.9;
const MOST: f64 = 24.0;

const STYLE: &str = "\
svg { font: 13px system-ui, sans-serif; }
.page { fill: #ffffff; }
text { fill: #1f2328; }
.quiet { fill: #59636e; }
.title { font-size: 15px; font-weight: 600; }
.tick { stroke: #d1d9e0; }
.floor { stroke: #59636e; stroke-width: 1.5; }
.mark { stroke: #ffffff; stroke-width: 1; }
.c0 { fill: #0550ae; } .c1 { fill: #54aeff; } .c2 { fill: #80ccff; }
.c3 { fill: #bc4c00; } .c4 { fill: #d4a72c; } .c5 { fill: #8250df; } .c6 { fill: #57606a; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .tick { stroke: #30363d; }
  .floor { stroke: #9198a1; }
  .mark { stroke: #0d1117; }
  .c0 { fill: #58a6ff; } .c1 { fill: #388bfd; } .c2 { fill: #1f6feb; }
  .c3 { fill: #f0883e; } .c4 { fill: #e3b341; } .c5 { fill: #bc8cff; } .c6 { fill: #b1bac4; }
}
";

/// Verifying above, signing below.
pub(crate) fn svg(results: &[Results]) -> String {
    let names = names(results);
    let legend = 24.0 * (1 + names.len() / 4) as f64;
    let panel = HEAD + ROW * results.len() as f64 + FOOT;
    let height = MARGIN + legend + 2.0 * panel;
    let mut drawing = Drawing::default();
    drawing.legend(&names);
    let top = MARGIN + legend;
    drawing.panel(
        top,
        "Verify: time divided by the raw call's",
        results,
        &names,
        |results| &results.verify,
    );
    let top = top + panel;
    drawing.panel(
        top,
        "Sign: time divided by the raw call's",
        results,
        &names,
        |results| &results.sign,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"what\">\n<title id=\"what\">Verifying and signing tokens, as multiples of \
         the raw call of the cryptographic library; the figures are in the tables</title>\n\
         <style>\n{STYLE}</style>\n<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         {}</svg>\n",
        drawing.0
    )
}

/// Everybody but the floor, in the order in which they take part.
fn names(results: &[Results]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for figure in results.iter().flat_map(|results| &results.verify) {
        if figure.name != RAW && !names.contains(&figure.name) {
            names.push(figure.name);
        }
    }
    names
}

fn x(ratio: f64) -> f64 {
    let share = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LABELS + share * (WIDTH - LABELS - MARGIN)
}

#[derive(Default)]
struct Drawing(String);

impl Drawing {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn legend(&mut self, names: &[&str]) {
        let column = (WIDTH - 2.0 * MARGIN) / 4.0;
        for (who, name) in names.iter().enumerate() {
            let left = MARGIN + column * (who % 4) as f64;
            let middle = MARGIN + 24.0 * (who / 4) as f64;
            self.mark(who, left + 6.0, middle, name);
            let (left, middle) = (left + 18.0, middle + 4.0);
            self.line(format_args!(
                "<text x=\"{left}\" y=\"{middle}\">{name}</text>"
            ));
        }
    }

    fn panel(
        &mut self,
        top: f64,
        title: &str,
        results: &[Results],
        names: &[&str],
        figures: impl Fn(&Results) -> &[Figure],
    ) {
        let title_at = top + 20.0;
        self.line(format_args!(
            "<text class=\"title\" x=\"{MARGIN}\" y=\"{title_at}\">{title}</text>"
        ));
        let (first, last) = (
            top + HEAD - ROW / 2.0,
            top + HEAD + ROW * results.len() as f64 - ROW / 2.0,
        );
        for tick in TICKS {
            let class = if tick == 1.0 { "floor" } else { "tick" };
            let (at, under) = (x(tick), last + 18.0);
            self.line(format_args!(
                "<line class=\"{class}\" x1=\"{at:.1}\" y1=\"{first}\" x2=\"{at:.1}\" y2=\"{last}\"/>\
                 <text class=\"quiet\" x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{tick}×</text>"
            ));
        }
        for (row, results) in results.iter().enumerate() {
            let middle = top + HEAD + ROW * row as f64;
            let (algorithm, text) = (results.algorithm, middle + 4.0);
            self.line(format_args!(
                "<text x=\"{MARGIN}\" y=\"{text}\">{algorithm}</text>"
            ));
            // Ours last, on top of the others.
            for (who, name) in names.iter().enumerate().rev() {
                if let Some(figure) = figures(results).iter().find(|figure| figure.name == *name) {
                    let said = format!("{name}, {algorithm}: {:.2}×", figure.ratio);
                    self.mark(who, x(figure.ratio), middle, &said);
                }
            }
        }
    }

    /// Ours are round, the others differ in shape as well as in colour.
    fn mark(&mut self, who: usize, x: f64, y: f64, said: &str) {
        let shape = match who {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.5\""),
            1 | 2 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\""),
            3 => path(x, y, "l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z", (0.0, -5.5)),
            4 => path(x, y, "l6 10.5 h-12 z", (0.0, -7.0)),
            5 => path(x, y, "h10 v10 h-10 z", (-5.0, -5.0)),
            _ => path(x, y, "h12 l-6 10.5 z", (-6.0, -3.5)),
        };
        self.line(format_args!(
            "{shape} class=\"mark c{who}\"><title>{said}</title></{}>",
            if who < 3 { "circle" } else { "path" }
        ));
    }
}

fn path(x: f64, y: f64, shape: &str, from: (f64, f64)) -> String {
    format!("<path d=\"M{:.1} {:.1} {shape}\"", x + from.0, y + from.1)
}
