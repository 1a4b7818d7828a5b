//! A key file that is replaced, broken and removed while it is followed.

use std::{fs, path::Path};

use doorward_jose::algorithm::Algorithm;
use doorward_verify::{
    jwks::file::{Change, KeyFile, KeyFileError},
    key_source::KeySource,
};

use crate::bench::{jwks, key};

fn ids(source: &KeySource) -> Vec<String> {
    let keys = source.current();
    let ids = keys.iter().filter_map(|key| key.key_id());
    ids.map(str::to_owned).collect()
}

fn open(path: &Path) -> Result<KeyFile, KeyFileError> {
    KeyFile::open(path, [Algorithm::Es256])
}

#[test]
fn a_changed_file_is_taken_over_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    assert!(matches!(open(&path), Err(KeyFileError::Read { .. })));
    fs::write(&path, r#"{"keys":[]}"#).unwrap();
    assert!(matches!(open(&path), Err(KeyFileError::Keys { .. })));

    fs::write(&path, jwks(&[&key("a")])).unwrap();
    let mut file = open(&path).unwrap();
    let source = file.source().clone();
    assert_eq!(ids(&source), ["a"]);
    assert_eq!(file.check().unwrap(), Change::None);

    // The same length and, for all we know, the same time stamp.
    fs::write(&path, jwks(&[&key("b")])).unwrap();
    assert_eq!(file.check().unwrap(), Change::Replaced);
    assert_eq!(ids(&source), ["b"]);

    let half = jwks(&[&key("c")]);
    for bad in [
        &half[..half.len() / 2],
        "",
        r#"{"keys":[]}"#,
        &" ".repeat(300 * 1024),
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(file.check(), Err(KeyFileError::Keys { .. })));
        assert!(file.check().is_err(), "told as long as it is so");
        assert_eq!(ids(&source), ["b"]);
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(file.check(), Err(KeyFileError::Read { .. })));
    assert_eq!(ids(&source), ["b"]);
    fs::write(&path, &half).unwrap();
    assert_eq!(file.check().unwrap(), Change::Replaced);
    assert_eq!(ids(&source), ["c"]);
}

#[test]
fn inline_keys_are_parsed_as_strictly() {
    let source = KeySource::inline(&jwks(&[&key("a")]), &[Algorithm::Es256]).unwrap();
    assert_eq!(ids(&source), ["a"]);
    assert!(KeySource::inline("{}", &[Algorithm::Es256]).is_err());
    assert!(KeySource::inline(&jwks(&[&key("a")]), &[Algorithm::Es384]).is_err());
}
