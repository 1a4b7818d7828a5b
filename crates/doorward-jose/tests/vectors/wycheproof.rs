//! The JOSE vectors of Wycheproof, from a folder that is given.
//!
//! They are in no package, so they are not here: fetch the repository
//! `C2SP/wycheproof` and name its folder `testvectors_v1`.

use std::{fs, path::Path};

use doorward_jose::jws::UnverifiedJws;
use serde_json::Value;

use super::{Vector, misjudged, tell, vectors};

/// Vectors of `json_web_signature_test.json` whose label contradicts their own
/// text, with what the right label is and why.
const CORRECTED: [(u64, bool, Why); 8] = [
    (367, true, Why::SameTextAs(357)),
    (370, true, Why::SameTextAs(357)),
    (372, false, Why::NotBase64url),
    (373, false, Why::NotBase64url),
    (346, false, Why::OtherAlgorithmThanTheKey),
    (350, false, Why::OtherAlgorithmThanTheKey),
    (347, false, Why::KeyOfNoAlgorithm),
    (351, false, Why::KeyOfNoAlgorithm),
];

/// Each reason can be seen in the vector, and the test looks.
enum Why {
    /// Labelled invalid for its padding, but the padding was lost: the text is
    /// that of this valid vector, character by character.
    SameTextAs(u64),
    /// Labelled valid with a `?` inside a part, which no base64url has
    /// (RFC 7515 section 2).
    NotBase64url,
    /// Labelled valid, while the key says `PS256` and the text `PS384`: a key
    /// that names its algorithm is for that one (RFC 7517 section 4.4).
    OtherAlgorithmThanTheKey,
    /// Labelled valid under a key for `ES521`, which is not registered; the
    /// text says `ES512` (RFC 7518 section 3.1).
    KeyOfNoAlgorithm,
}

impl Why {
    fn is_so(&self, vector: &Vector<'_>, all: &[Vector<'_>]) -> bool {
        let says = || {
            let jws = UnverifiedJws::parse(vector.text).expect("a good header");
            jws.algorithm().name()
        };
        match self {
            Self::SameTextAs(other) => {
                let other = all.iter().find(|vector| vector.id == *other);
                let other = other.expect("it is there");
                other.is_valid && other.text == vector.text && other.keys == vector.keys
            }
            Self::NotBase64url => vector.text.contains('?'),
            Self::OtherAlgorithmThanTheKey => vector.keys["alg"] == "PS256" && says() == "PS384",
            Self::KeyOfNoAlgorithm => vector.keys["alg"] == "ES521" && says() == "ES512",
        }
    }
}

fn read(folder: &Path, name: &str) -> Value {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).expect("the vectors of Wycheproof");
    serde_json::from_str(&text).expect("JSON")
}

fn check(name: &str, vectors: &[Vector<'_>]) {
    let wrong = misjudged(vectors);
    assert!(wrong.is_empty(), "{name}, otherwise:\n{}", tell(&wrong));
    report(&format!(
        "{name}: {} of {}, {} of them valid",
        vectors.len(),
        vectors.len(),
        vectors.iter().filter(|vector| vector.is_valid).count()
    ));
}

#[expect(clippy::print_stderr, reason = "the figures are what it is run for")]
fn report(text: &str) {
    eprintln!("{text}");
}

#[test]
#[ignore = "wants the folder of the vectors: just wycheproof FOLDER"]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder is known to whoever runs it"
)]
fn all_vectors_are_judged_rightly() {
    let folder = std::env::var_os("WYCHEPROOF").expect("WYCHEPROOF names the folder");
    let folder = Path::new(&folder);

    let file = read(folder, "json_web_signature_test.json");
    let mut signatures = vectors(&file);
    assert_eq!(signatures.len(), 401);
    for (id, is_valid, why) in CORRECTED {
        let place = signatures.iter().position(|vector| vector.id == id);
        let place = place.expect("it is there");
        let vector = &signatures[place];
        assert!(
            vector.is_valid != is_valid && why.is_so(vector, &signatures),
            "{id} was mended"
        );
        signatures[place].is_valid = is_valid;
    }
    check("json_web_signature, eight labels corrected", &signatures);

    let file = read(folder, "json_web_key_test.json");
    check("json_web_key", &vectors(&file));
    let file = read(folder, "json_web_crypto_test.json");
    check("json_web_crypto, signatures", &vectors(&file));

    // Encryption is not for us: none is taken for anything.
    let mut count = 0;
    for name in ["json_web_crypto_test.json", "json_web_encryption_test.json"] {
        let file = read(folder, name);
        let groups = file["testGroups"].as_array().expect("groups");
        let tests = groups.iter().map(|group| group["tests"].as_array());
        for text in tests.flat_map(|tests| tests.expect("tests")) {
            let Some(text) = text.get("jwe") else {
                continue;
            };
            let text = text
                .as_str()
                .map_or_else(|| text.to_string(), str::to_owned);
            assert!(UnverifiedJws::parse(&text).is_err(), "{text}");
            count += 1;
        }
    }
    report(&format!("encrypted texts: {count} of {count} refused"));
}
