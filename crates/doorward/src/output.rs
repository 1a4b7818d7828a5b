//! Standard output and standard error, the only two places where the binary
//! prints.
//!
//! A reader that went away (`doorward … | head`) is not an error. A full disk
//! is: the command then ends with "cannot reach", whatever its answer was.

use std::{
    io::{ErrorKind, IsTerminal as _, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anstream::AutoStream;
use serde::Serialize;

use crate::{
    exit::Failure,
    paint::{Tone, paint, safe},
};

/// Prints data: one line, or several, on standard output.
pub(crate) fn data(text: impl std::fmt::Display) {
    lines(&format!("{text}\n"));
}

/// Prints lines, each with its end, on standard output at once.
pub(crate) fn lines(text: &str) {
    // Where nobody sees colours, what takes them away would write piece by piece.
    let colours = AutoStream::choice(&std::io::stdout());
    let mut shown = AutoStream::new(Vec::with_capacity(text.len()), colours);
    // A vector takes everything.
    let _ = shown.write_all(text.as_bytes());
    raw(&shown.into_inner());
}

/// Prints bytes as they are on standard output.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    finish(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Prints one JSON value on standard output.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => data(text),
        Err(error) => note(format!("cannot write JSON: {error}")),
    }
}

/// Prints one JSON value on one line of standard output.
pub(crate) fn json_line<T: Serialize>(value: &T) {
    if let Some(line) = to_json_line(value) {
        data(line);
    }
}

/// One JSON value as one line, without its end.
pub(crate) fn to_json_line<T: Serialize>(value: &T) -> Option<String> {
    let line = serde_json::to_string(value);
    line.inspect_err(|error| note(format!("cannot write JSON: {error}")))
        .ok()
}

/// Says something to the person, on standard error.
pub(crate) fn note(text: impl std::fmt::Display) {
    let mut err = anstream::stderr().lock();
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(err, "{text}");
}

/// Whether a person may be watching standard error.
pub(crate) fn has_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows one line on standard error, over the one that was shown before.
pub(crate) fn passing(text: &str) {
    let mut err = anstream::stderr().lock();
    let line: String = safe(text).chars().take(78).collect();
    // Nobody is left to tell when standard error is gone.
    let _ = write!(err, "\r{line:<78}\r{line}").and_then(|()| err.flush());
}

/// Says what failed and what to do, on standard error; as one line of JSON on
/// standard output too when that was asked for.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    note(format!(
        "{} {}",
        paint(Tone::Bad, "error:"),
        safe(&failure.message)
    ));
    if let Some(hint) = &failure.hint {
        note(format!("{}  {}", paint(Tone::Quiet, "help:"), safe(hint)));
    }
    if as_json {
        failure_json(failure);
    }
}

/// The shape of every failure: `{"error":{"code","message","hint"}}`, and
/// `problems` beside it when a configuration is to blame.
pub(crate) fn failure_json(failure: &Failure) {
    let mut answer = serde_json::json!({
        "error": {
            "code": failure.blame.code(),
            "message": failure.message,
            "hint": failure.hint,
        }
    });
    if !failure.problems.is_empty() {
        answer["problems"] = serde_json::json!(failure.problems);
    }
    json_line(&answer);
}

/// Whether something that was to be printed is lost.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

static LOST: AtomicBool = AtomicBool::new(false);

fn finish(written: std::io::Result<()>) {
    let Err(error) = written else { return };
    let is_lost = error.kind() != ErrorKind::BrokenPipe;
    // Said once, not for each line.
    if is_lost && !LOST.swap(true, Ordering::Relaxed) {
        note(format!(
            "{} cannot write to standard output: {error}",
            paint(Tone::Bad, "error:")
        ));
    }
}
