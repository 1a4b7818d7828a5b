//! The few colours of the terminal. `anstream` strips them when the output is
//! a pipe or `NO_COLOR` is set, so nothing here asks what the output is.

use anstyle::{AnsiColor, Style};

/// What a piece of text means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    /// It held, it was allowed.
    Good,
    /// It failed, it was denied.
    Bad,
    /// It could not be served.
    Warn,
    /// Beside the point.
    Quiet,
    /// To be seen first.
    Strong,
}

/// `text` in `tone`.
pub(crate) fn paint(tone: Tone, text: impl std::fmt::Display) -> String {
    let style = match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::Warn => AnsiColor::Yellow.on_default(),
        Tone::Quiet => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// `text` with everything escaped that could move the cursor, change colours
/// or forge a line. Names, paths and claims come from strangers.
pub(crate) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_bidi_mark(character) || is_line_end(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Line and paragraph separators, which some readers of logs end a line at.
const fn is_line_end(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

/// Marks that reorder what is shown (Unicode TR 9).
const fn is_bidi_mark(character: char) -> bool {
    matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn sec_003_controls_and_bidi_marks_are_escaped() {
        assert_eq!(
            safe("a\r\n\u{1b}[31mb\0"),
            "a\\u{d}\\u{a}\\u{1b}[31mb\\u{0}"
        );
        assert_eq!(safe("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(safe("grüße"), "grüße");
    }
}
