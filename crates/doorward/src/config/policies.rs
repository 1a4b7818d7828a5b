//! `[policies]`: files of policies, and what they may speak of.
//!
//! The files are read with the configuration, and a fault in one of them is a
//! fault of the configuration: shown with its place, and the whole is refused.

use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::source;

#[cfg(feature = "cedar")]
mod governed;
#[cfg(feature = "cedar")]
mod vocabulary;
#[cfg(not(feature = "cedar"))]
mod without;

#[cfg(feature = "cedar")]
pub(super) use governed::govern;
#[cfg(not(feature = "cedar"))]
pub(super) use without::govern;

/// The files that a configuration names, seen from its folder. In the last part
/// of a path one `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyFiles(Vec<PathBuf>);

impl PolicyFiles {
    /// What the configuration at `path` names, whatever else is in it.
    pub(crate) fn of(path: &Path) -> Self {
        let text = source::read(path).unwrap_or_default();
        let (document, _) = DeTable::parse_recoverable(&text);
        let named = document.get_ref().get("policies");
        let named = named.and_then(|it| it.get_ref().as_table()?.get("files"));
        let named = named.and_then(|it| it.get_ref().as_array());
        let names = named.into_iter().flat_map(|it| it.iter());
        let names = names.filter_map(|name| name.get_ref().as_str());
        Self(names.map(|name| beside(path, name)).collect())
    }

    /// Those that are there now.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let found = self
            .0
            .iter()
            .flat_map(|it| expanded(it).unwrap_or_default());
        found.collect()
    }
}

fn beside(config: &Path, name: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(name)
}

/// The files that `pattern` stands for, in the order of their names. Files whose
/// names begin with a dot are those of editors.
fn expanded(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().and_then(|name| name.to_str());
    let Some((before, after)) = name.and_then(|name| name.split_once('*')) else {
        return Ok(vec![pattern.to_path_buf()]);
    };
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let listed = match folder.as_os_str().is_empty() {
        true => std::fs::read_dir(".")?,
        false => std::fs::read_dir(folder)?,
    };
    let fits = |name: &str| {
        let inner = name.strip_prefix(before);
        inner.is_some_and(|rest| rest.ends_with(after)) && !name.starts_with('.')
    };
    let mut found = Vec::new();
    for entry in listed {
        let name = entry?.file_name();
        if name.to_str().is_some_and(fits) {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}
