//! Who speaks TLS with callers: this server, with these files, or somebody in
//! front of it.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::document::{Reader, Value, wrong_type};
use super::problem::Fault;

/// What the word for it is.
const ELSEWHERE: &str = "terminated-elsewhere";

/// Who speaks TLS with callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// This server. The first certificate is shown where no other fits.
    Here(Vec<TlsFiles>),
    /// A proxy in front of it, stated by the operator.
    Elsewhere,
}

/// A certificate chain and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// The files, seen from the folder that the configuration is in.
    pub(crate) fn beside(&self, config: Option<&Path>) -> Self {
        let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
        Self {
            certificate: folder.join(&self.certificate),
            key: folder.join(&self.key),
        }
    }
}

pub(super) fn tls(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<Tls> {
    let value = table.get("tls")?;
    match value.get_ref() {
        DeValue::String(word) if word == ELSEWHERE => Some(Tls::Elsewhere),
        DeValue::String(_) => {
            let unknown = Fault::at(value.span(), "`tls` is either two files or one word");
            reader.fault(unknown.help(format!(
                "write `[tls]` with `certificate` and `key`, or `tls = \"{ELSEWHERE}\"` where a \
                 proxy in front speaks TLS"
            )));
            None
        }
        DeValue::Table(one) => Some(Tls::Here(vec![files(reader, value, one)?])),
        DeValue::Array(several) => {
            let mut all = Vec::new();
            for value in several.iter() {
                let one = reader.table(value, "tls", HELP)?;
                all.extend(files(reader, value, one));
            }
            (!all.is_empty()).then_some(Tls::Here(all))
        }
        other => {
            let wrong = wrong_type(value, "tls", "a table", other);
            reader.fault(wrong.help(HELP));
            None
        }
    }
}

const HELP: &str = "write `[tls]`, and `certificate` and `key` in the lines below";

fn files(reader: &mut Reader<'_>, value: &Value<'_>, table: &DeTable<'_>) -> Option<TlsFiles> {
    reader.unknown_keys(table, "[tls]", &["certificate", "key"]);
    let certificate = file(reader, value, table, "certificate", "fullchain.pem");
    let key = file(reader, value, table, "key", "key.pem");
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

fn file(
    reader: &mut Reader<'_>,
    whole: &Value<'_>,
    table: &DeTable<'_>,
    key: &str,
    example: &str,
) -> Option<PathBuf> {
    let Some(value) = table.get(key) else {
        let missing = Fault::at(whole.span(), format!("[tls] lacks `{key}`"));
        reader.fault(missing.help(format!("write `{key} = \"{example}\"`, a PEM file")));
        return None;
    };
    let word = reader.string(value, key, example)?;
    if word.text.contains("-----BEGIN") || word.text.is_empty() {
        let no_file = Fault::at(word.span, format!("`{key}` must name a PEM file"));
        reader.fault(
            no_file
                .hidden()
                .help(format!("write `{key} = \"{example}\"`")),
        );
        return None;
    }
    Some(PathBuf::from(word.text))
}
