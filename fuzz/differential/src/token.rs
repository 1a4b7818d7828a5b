//! Tokens, changed in some of the places where something could be changed:
//! header and claims before they are signed, the key that signs them, and the
//! text afterwards.

use doorward_jose::{algorithm::Algorithm, base64url, dangerous};

use crate::{
    document::Document,
    keys::{ALGORITHMS, KEY_ID, Keys, public},
    random::Random,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";

/// The moment of judgement. Every oracle is told: none asks the clock.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) struct Token {
    pub(crate) number: u64,
    /// Whose key is asked.
    pub(crate) algorithm: Algorithm,
    pub(crate) text: String,
    /// What was changed.
    pub(crate) changes: Vec<String>,
}

impl Token {
    /// What kind of thing was changed; `several` if more than one was.
    pub(crate) fn kind(&self) -> String {
        let change = match &self.changes[..] {
            [] => return "nothing".to_owned(),
            [only] => only,
            _ => return "several".to_owned(),
        };
        let Some((place @ ("header" | "claims"), rest)) = change.split_once(' ') else {
            return change.clone();
        };
        let whats = [
            "absent", "again", "escaped", "space", "around", "depth", "length", "order",
        ];
        let is_it = |what: &&&str| rest.starts_with(**what) || rest.ends_with(**what);
        let what = whats.iter().find(is_it).unwrap_or(&"value");
        format!("{place} {what}")
    }
}

const HEADER_NAMES: [&str; 24] = [
    "alg", "alg", "alg", "typ", "typ", "kid", "kid", "crit", "b64", "zip", "enc", "cty", "jwk",
    "jku", "x5u", "x5c", "x5t", "x5t#S256", "iss", "epk", "p2c", "nonce", "url", "foo",
];

const HEADER_VALUES: [&str; 24] = [
    "\"HS256\"",
    "\"HS384\"",
    "\"ES256\"",
    "\"EdDSA\"",
    "\"Ed25519\"",
    "\"RS256\"",
    "\"PS256\"",
    "\"none\"",
    "\"None\"",
    "\"hs256\"",
    "\"ES256K\"",
    "\"RSA-OAEP\"",
    "\"at+jwt\"",
    "\"AT+JWT\"",
    "\"application/at+jwt\"",
    "\"JWT\"",
    "\"key-1\"",
    "\"../key\"",
    "[\"exp\"]",
    "[\"b64\"]",
    "[\"foo\"]",
    "\"DEF\"",
    "\"A128GCM\"",
    "\"AA\"",
];

const CLAIM_NAMES: [&str; 24] = [
    "iss",
    "iss",
    "sub",
    "aud",
    "aud",
    "exp",
    "exp",
    "iat",
    "nbf",
    "nbf",
    "jti",
    "client_id",
    "scope",
    "sid",
    "tenant",
    "roles",
    "permissions",
    "auth_time",
    "acr",
    "amr",
    "cnf",
    "azp",
    "",
    "__proto__",
];

const CLAIM_VALUES: [&str; 20] = [
    "\"https://id.example\"",
    "\"https://id.example/\"",
    "\"HTTPS://ID.EXAMPLE\"",
    "[\"https://id.example\"]",
    "\"https://api.example\"",
    "\"https://api.example \"",
    "[\"https://api.example\",\"b\"]",
    "[\"a\",\"b\"]",
    "4000000000",
    "4000000000.0",
    "4e9",
    "3900000000",
    "1700000000",
    "1600000000",
    "\"user-1\"",
    "\"a:b c:d\"",
    "[\"admin\"]",
    "{\"jkt\":\"AA\"}",
    "\"1700000000\"",
    "1700000000.25",
];

pub(crate) fn make(seed: u64, number: u64, keys: &Keys) -> Token {
    let mut random = Random::new(seed, number);
    let algorithm = algorithm(&mut random);
    let mut changes = Vec::new();
    let mut header = Document::new(&[
        ("alg", format!("\"{algorithm}\"")),
        ("typ", "\"at+jwt\"".to_owned()),
        ("kid", format!("\"{KEY_ID}\"")),
    ]);
    let mut claims = claims(&mut random);
    // None one time in eight, one mostly, up to four.
    let count = [0, 1, 1, 1, 1, 2, 2, 3][random.below(8)];
    let mut after = 0;
    for _ in 0..count {
        match random.below(8) {
            0 | 1 => {
                let change = header.mutate(&HEADER_NAMES, &HEADER_VALUES, &mut random);
                changes.push(format!("header {change}"));
            }
            2..=5 => {
                let change = claims.mutate(&CLAIM_NAMES, &CLAIM_VALUES, &mut random);
                changes.push(format!("claims {change}"));
            }
            _ => after += 1,
        }
    }
    let mut payload = claims.text().into_bytes();
    if random.once_in(60) {
        let at = random.below(payload.len());
        payload[at] = random.next() as u8;
        changes.push("payload byte".to_owned());
    }
    let mut signer = Signer {
        keys,
        random,
        changes,
    };
    let mut text = signer.sign(algorithm, header.text().as_bytes(), &payload);
    for _ in 0..after {
        text = signer.spoil(algorithm, &text);
    }
    Token {
        number,
        algorithm,
        text,
        changes: signer.changes,
    }
}

fn algorithm(random: &mut Random) -> Algorithm {
    let mut at = random.below(16);
    for (algorithm, share) in ALGORITHMS {
        if at < share {
            return algorithm;
        }
        at -= share;
    }
    Algorithm::Hs256
}

fn claims(random: &mut Random) -> Document {
    let text = |text: &str| format!("\"{text}\"");
    let mut members = vec![
        ("iss", text(ISSUER)),
        ("sub", text("user-1")),
        ("aud", text(AUDIENCE)),
        ("exp", "4000000000".to_owned()),
        ("iat", "1700000000".to_owned()),
        ("jti", text("t-1")),
        ("client_id", text("cli")),
    ];
    if random.once_in(2) {
        members.push(("nbf", "1700000000".to_owned()));
        members.push(("scope", text("orders:read carts:read")));
        members.push(("roles", "[\"editor\"]".to_owned()));
        members.push(("other", "{\"a\":[1,-2,1.5,null,true,\"\\n\"]}".to_owned()));
    }
    Document::new(&members)
}

struct Signer<'k> {
    keys: &'k Keys,
    random: Random,
    changes: Vec<String>,
}

impl Signer<'_> {
    fn sign(&mut self, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
        let input = format!(
            "{}.{}",
            base64url::encode(header),
            base64url::encode(payload)
        );
        let key = self.keys.of(algorithm);
        let signature = match self.random.below(32) {
            0 => {
                let stranger = &self.keys.strangers[self.random.below(3)];
                self.changes.push("a stranger's signature".to_owned());
                dangerous::sign(stranger, input.as_bytes())
            }
            1 => {
                let other = &self.keys.ours[self.random.below(self.keys.ours.len())];
                self.changes
                    .push(format!("signed with {}", other.algorithm()));
                dangerous::sign(other, input.as_bytes())
            }
            2 => {
                self.changes.push("HMAC with what is public".to_owned());
                let secret = self.public_secret(algorithm);
                Ok(dangerous::hmac(Algorithm::Hs256, &secret, input.as_bytes()).expect("an HMAC"))
            }
            _ => dangerous::sign(key, input.as_bytes()),
        };
        let signature = signature.expect("the library signs");
        format!("{input}.{}", base64url::encode(signature))
    }

    /// What an attacker would try as a secret.
    fn public_secret(&mut self, algorithm: Algorithm) -> Vec<u8> {
        let key = self.keys.of(algorithm);
        let der = key.verifying_key().to_der().unwrap_or_default();
        match self.random.below(3) {
            0 => der,
            1 if !algorithm.is_symmetric() => {
                let jwk = serde_json::to_vec(&public(key));
                jwk.expect("an object")
            }
            _ => Vec::new(),
        }
    }

    /// Changes the signed text.
    fn spoil(&mut self, algorithm: Algorithm, text: &str) -> String {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return text.to_owned();
        };
        let which = self.random.below(3);
        let (change, text) = match self.random.below(14) {
            0 => (
                "padding",
                self.edit(&parts, which, |part| {
                    format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4))
                }),
            ),
            1 => ("one =", self.edit(&parts, which, |part| format!("{part}="))),
            2 => (
                "other alphabet",
                self.edit(&parts, which, |part| {
                    part.replace('-', "+").replace('_', "/")
                }),
            ),
            3 => ("spare bits", self.edit(&parts, which, spare_bits)),
            4 => {
                let space = self
                    .random
                    .pick(&[" ", "\n", "\t", "\r\n", "\0", "\u{200b}", "%20"]);
                let at = self.place(text);
                ("space", format!("{}{space}{}", &text[..at], &text[at..]))
            }
            5 => {
                let at = self.place(text);
                let other = self
                    .random
                    .pick(&["A", "_", ".", "=", "a", "\u{ff21}", "0"]);
                (
                    "a character",
                    format!(
                        "{}{other}{}",
                        &text[..at],
                        &text[at..].get(1..).unwrap_or_default()
                    ),
                )
            }
            6 => {
                let at = self.place(text);
                ("cut", text[..at].to_owned())
            }
            7 => ("a part more", format!("{text}.{signature}")),
            8 => (
                "a dot more",
                self.random.pick(&[&".", &".."]).to_string() + text,
            ),
            9 => (
                "no signature",
                self.random
                    .pick(&[
                        &format!("{header}.{payload}."),
                        &format!("{header}.{payload}"),
                    ])
                    .clone(),
            ),
            10 => ("detached", format!("{header}..{signature}")),
            11 => (
                "JSON",
                format!(
                    r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#
                ),
            ),
            12 => ("around", {
                let before = self
                    .random
                    .pick(&["Bearer ", " ", "\u{feff}", "\"", "DPoP "]);
                format!("{before}{text}")
            }),
            _ => {
                let bytes = base64url::decode(signature).unwrap_or_default();
                let (change, bytes) = self.other_signature(algorithm, bytes);
                (
                    change,
                    format!("{header}.{payload}.{}", base64url::encode(bytes)),
                )
            }
        };
        self.changes.push(change.to_owned());
        text
    }

    /// Somewhere in the text, between two characters.
    fn place(&mut self, text: &str) -> usize {
        text.floor_char_boundary(self.random.below(text.len() + 1))
    }

    fn edit(&mut self, parts: &[&str], which: usize, edit: impl FnOnce(&str) -> String) -> String {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[which] = edit(&parts[which]);
        parts.join(".")
    }

    fn other_signature(
        &mut self,
        algorithm: Algorithm,
        mut bytes: Vec<u8>,
    ) -> (&'static str, Vec<u8>) {
        match self.random.below(9) {
            0 => ("signature of zeros", vec![0; bytes.len()]),
            1 => ("empty signature", Vec::new()),
            2 => {
                bytes.push(0);
                ("signature with a byte more", bytes)
            }
            3 => {
                bytes.pop();
                ("signature with a byte less", bytes)
            }
            4 => {
                bytes.insert(0, 0);
                ("signature with a zero before", bytes)
            }
            5 => {
                bytes.reverse();
                ("signature backwards", bytes)
            }
            6 if algorithm == Algorithm::Es256 && bytes.len() == 64 => {
                let (r, s) = bytes.split_at(32);
                ("r and n - s", [r, &order_minus(s)].concat())
            }
            7 if algorithm == Algorithm::Es256 && bytes.len() == 64 => ("DER", der(&bytes)),
            _ => {
                let bit = self.random.below(bytes.len().max(1) * 8);
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                ("a bit of the signature", bytes)
            }
        }
    }
}

/// The last character with the next value, if it has bits to spare.
fn spare_bits(part: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = |last: u8| ALPHABET.iter().position(|one| *one == last);
    let last = part.bytes().last().and_then(place);
    match last {
        Some(last) => format!(
            "{}{}",
            &part[..part.len() - 1],
            char::from(ALPHABET[last ^ 1])
        ),
        None => part.to_owned(),
    }
}

/// The order of P-256 minus `s`: the other signature of the same text, which
/// ECDSA accepts too.
fn order_minus(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0;
    let mut difference: Vec<u8> = ORDER
        .iter()
        .zip(s)
        .rev()
        .map(|(order, byte)| {
            let (first, one) = order.overflowing_sub(*byte);
            let (second, other) = first.overflowing_sub(borrow);
            borrow = u8::from(one || other);
            second
        })
        .collect();
    difference.reverse();
    difference
}

/// `r` and `s` as OpenSSL writes them.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let sign: &[u8] = if number[0] & 0x80 != 0 { &[0] } else { &[] };
        [&[2, (sign.len() + number.len()) as u8], sign, number].concat()
    };
    let (r, s) = signature.split_at(32);
    let numbers = [integer(r), integer(s)].concat();
    [vec![0x30, numbers.len() as u8], numbers].concat()
}
