//! How a person in this folder runs this very binary, so that printed
//! commands work when they are pasted.

use std::path::Path;

/// The data folder that needs no `--data`.
const DEFAULT_DATA: &str = ".doorward";

/// This binary, and `--data` when `data` is not the default.
#[expect(
    clippy::disallowed_methods,
    reason = "the printed lines must work where they are printed"
)]
pub(crate) fn command(data: &Path) -> String {
    let binary = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let command = match (&binary, &here) {
        (Some(binary), Some(here)) => nearby(binary, here),
        _ => "doorward".to_owned(),
    };
    if data == Path::new(DEFAULT_DATA) {
        return command;
    }
    format!("{command} --data {}", shell_word(data))
}

/// `binary` as a word that a shell in `here` runs.
fn nearby(binary: &Path, here: &Path) -> String {
    match binary.strip_prefix(here) {
        // Without a slash a shell would look for it on its PATH.
        Ok(relative) if relative.components().count() == 1 => {
            shell_word(&Path::new(".").join(relative))
        }
        Ok(relative) => shell_word(relative),
        Err(_) => shell_word(binary),
    }
}

/// `advice`, which names the binary as `doorward`, for pasting here.
pub(crate) fn localized(advice: &str, data: &Path) -> String {
    advice.replace("doorward ", &format!("{} ", command(data)))
}

/// A path as one word for a shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@".contains(&byte);
    if text.bytes().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{localized, nearby, shell_word};

    #[test]
    fn a_binary_is_named_so_that_a_shell_here_finds_it() {
        let here = Path::new("/home/a");
        assert_eq!(
            nearby(Path::new("/home/a/target/doorward"), here),
            "target/doorward"
        );
        assert_eq!(nearby(Path::new("/home/a/doorward"), here), "./doorward");
        assert_eq!(
            nearby(Path::new("/usr/bin/doorward"), here),
            "/usr/bin/doorward"
        );
    }

    #[test]
    fn paths_are_quoted_when_a_shell_would_split_them() {
        assert_eq!(
            shell_word(Path::new("target/release/doorward")),
            "target/release/doorward"
        );
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }

    #[test]
    fn advice_names_this_binary_and_folder() {
        let advice = localized("doorward role grant reader editor", Path::new("/tmp/d"));
        assert!(
            advice.ends_with(" --data /tmp/d role grant reader editor"),
            "{advice}"
        );
        assert!(!advice.starts_with("doorward "));
    }
}
