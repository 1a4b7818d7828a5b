//! Other libraries as judges.
//!
//! One in this process; the others as child processes that read lines of JSON:
//! first what is wanted, answered with `"ready"`, then batches of `[algorithm,
//! token, whether to tell more]`, each answered with a list of verdicts: whether
//! it is accepted, or, where more is to be told, the claims or the reason.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use doorward_jose::{algorithm::Algorithm, validation::DEFAULT_LEEWAY_SECONDS};
use jsonwebtoken::{Algorithm as Theirs, DecodingKey, Validation, decode};
use serde_json::{Map, Value, json};

use crate::{
    keys::Keys,
    token::{AUDIENCE, ISSUER, NOW, Token},
};

/// What an oracle says of a token.
pub(crate) enum Verdict {
    Accepted(Value),
    Refused(String),
}

/// A token, and whether more than a verdict is of interest.
pub(crate) type Question<'t> = (&'t Token, bool);

pub(crate) trait Oracle: Send {
    fn judge(&mut self, batch: &[Question<'_>]) -> io::Result<Vec<Verdict>>;
}

/// The Rust library that most use, with cryptography in Rust.
pub(crate) struct Jsonwebtoken(Vec<(Algorithm, DecodingKey, Validation)>);

impl Jsonwebtoken {
    pub(crate) fn new(keys: &Keys) -> Self {
        let one = |key: &doorward_jose::signing_key::SigningKey| {
            let theirs: Theirs = key.algorithm().name().parse().expect("they know it");
            let mut validation = Validation::new(theirs);
            validation.set_issuer(&[ISSUER]);
            validation.set_audience(&[AUDIENCE]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            // They ask the clock; see `is_alive`.
            validation.validate_exp = false;
            let der = key.verifying_key().to_der().unwrap_or_default();
            // They want the bare key, which is what a `SubjectPublicKeyInfo`
            // ends with: the point, or PKCS #1 after 24 bytes of wrapping.
            let decoding = match key.algorithm() {
                Algorithm::Hs256 => DecodingKey::from_secret(&key.secret().expect("a secret")),
                Algorithm::EdDsa => DecodingKey::from_ed_der(&der[der.len() - 32..]),
                Algorithm::Es256 => DecodingKey::from_ec_der(&der[der.len() - 65..]),
                _ => DecodingKey::from_rsa_der(&der[24..]),
            };
            (key.algorithm(), decoding, validation)
        };
        Self(keys.ours.iter().map(one).collect())
    }
}

impl Oracle for Jsonwebtoken {
    fn judge(&mut self, batch: &[Question<'_>]) -> io::Result<Vec<Verdict>> {
        let judge = |(token, _): &Question<'_>| {
            let mut all = self.0.iter();
            let one = all.find(|(algorithm, ..)| *algorithm == token.algorithm);
            let (_, key, validation) = one.expect("one for each algorithm");
            match decode::<Map<String, Value>>(&token.text, key, validation) {
                Ok(decoded) if !is_alive(&decoded.claims) => {
                    Verdict::Refused("lifetime".to_owned())
                }
                Ok(decoded) => Verdict::Accepted(Value::Object(decoded.claims)),
                Err(error) => Verdict::Refused(error.to_string()),
            }
        };
        Ok(batch.iter().map(judge).collect())
    }
}

/// The lifetime at our moment, in place of theirs.
fn is_alive(claims: &Map<String, Value>) -> bool {
    let (now, leeway) = (NOW as f64, DEFAULT_LEEWAY_SECONDS as f64);
    let date = |name: &str| claims.get(name).map(Value::as_f64);
    let is_over = date("exp").flatten().is_none_or(|exp| exp <= now - leeway);
    let is_early = match date("nbf") {
        None => false,
        Some(nbf) => nbf.is_none_or(|nbf| nbf > now + leeway),
    };
    !is_over && !is_early
}

/// An oracle in a child process, which ends with it.
pub(crate) struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(program: &Path, arguments: &[&str], keys: &Keys) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut process = Self {
            child,
            requests,
            answers: BufReader::new(answers),
        };
        let wanted = json!({
            "keys": keys.to_json(), "issuer": ISSUER, "audience": AUDIENCE, "now": NOW,
            "leeway": DEFAULT_LEEWAY_SECONDS,
        });
        match process.ask(&wanted)? {
            Value::String(ready) if ready == "ready" => Ok(process),
            other => Err(io::Error::other(format!("the oracle says {other}"))),
        }
    }

    fn ask(&mut self, request: &Value) -> io::Result<Value> {
        writeln!(self.requests, "{request}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).map_err(io::Error::other)
    }
}

impl Oracle for Process {
    fn judge(&mut self, batch: &[Question<'_>]) -> io::Result<Vec<Verdict>> {
        let question = |(token, tell): &Question<'_>| json!([token.algorithm, token.text, tell]);
        let request = Value::Array(batch.iter().map(question).collect());
        let Value::Array(verdicts) = self.ask(&request)? else {
            return Err(io::Error::other("the answer is no list"));
        };
        if verdicts.len() != batch.len() {
            return Err(io::Error::other("the answer has another length"));
        }
        let verdict = |value: Value| match value {
            Value::Bool(false) => Verdict::Refused(String::new()),
            Value::String(reason) => Verdict::Refused(reason),
            claims => Verdict::Accepted(claims),
        };
        Ok(verdicts.into_iter().map(verdict).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
