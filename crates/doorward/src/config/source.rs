//! From a path to text: what is no readable text file is told with what to do.

use std::io::ErrorKind;
use std::path::Path;

use super::problem::{ConfigProblems, Fault};
use crate::bounded_file;

/// Largest file that is read. A thousand routes are about 100 KiB.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Reads the whole file at `path`, within [`MAX_BYTES`].
pub(super) fn read(path: &Path) -> Result<String, ConfigProblems> {
    let name = path.display().to_string();
    let bytes = bounded_file::read(path, MAX_BYTES)
        .map_err(|error| ConfigProblems::one(&name, "", unreadable(&name, &error)))?;
    decode(&name, bytes)
}

/// The text of a file's content.
pub(super) fn decode(name: &str, bytes: Vec<u8>) -> Result<String, ConfigProblems> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
        let fault = Fault::at(valid..valid, format!("{name} is not UTF-8"))
            .label(match bytes.get(valid) {
                Some(byte) => format!("byte 0x{byte:02X} after this is no text"),
                None => String::new(),
            })
            .help(match bytes.get(..2) {
                Some([0xff, 0xfe] | [0xfe, 0xff]) => "it looks like UTF-16; save it as UTF-8",
                _ => "save the file as UTF-8",
            });
        ConfigProblems::one(name, &text, fault)
    })
}

fn unreadable(name: &str, error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => Fault::whole(format!("{name} does not exist"))
            .help("write one with `doorward init`, or name another with `--config FILE`"),
        ErrorKind::IsADirectory => Fault::whole(format!("{name} is a folder")).help(format!(
            "name the file in it, like `--config {name}/doorward.toml`"
        )),
        ErrorKind::PermissionDenied => Fault::whole(format!("{name} may not be read"))
            .help("let the user that runs doorward read it"),
        ErrorKind::FileTooLarge => Fault::whole(format!("{name} is larger than 1 MiB"))
            .help("a configuration is a few kilobytes; is this the right file?"),
        _ => Fault::whole(format!("{name} cannot be read: {error}"))
            .help("check the path, or name another file with `--config FILE`"),
    }
}
