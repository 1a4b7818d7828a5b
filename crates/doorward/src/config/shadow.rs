//! `[shadow]`: another configuration, whose routes, roles and policies judge
//! beside those that are served, without effect.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::document::Reader;
use super::problem::Fault;

const SHAPE: &str = "write `[shadow]`, and `config = \"next.toml\"` below it";

/// The file, seen from the folder of this one. It need not be there, and what is
/// in it is no business of this one. A file that names itself is the candidate
/// of another, or was.
pub(super) fn shadow(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<PathBuf> {
    let (key, section) = table.get_key_value("shadow")?;
    let section = reader.table(section, "shadow", SHAPE)?;
    reader.unknown_keys(section, "[shadow]", &["config"]);
    let Some(value) = section.get("config") else {
        let fault = Fault::at(key.span(), "[shadow] lacks `config`");
        reader.fault(fault.help("write `config = \"next.toml\"`"));
        return None;
    };
    let word = reader.string(value, "config", "next.toml")?;
    if word.text.is_empty() {
        let fault = Fault::at(word.span, "`config` names no file");
        reader.fault(fault.help("write `config = \"next.toml\"`"));
        return None;
    }
    let own = Path::new(reader.name());
    let file = own.parent().unwrap_or(Path::new("")).join(word.text);
    (file != own).then_some(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn it_lies_beside_and_is_not_the_file_itself() {
        let text = "[shadow]\nconfig = \"next.toml\"\n";
        let named = |own: &str| Config::parse(own, text).unwrap().shadow;
        let beside = named("etc/doorward.toml");
        assert_eq!(beside.as_deref(), Some(Path::new("etc/next.toml")));
        assert_eq!(named("etc/next.toml"), None);
    }
}
