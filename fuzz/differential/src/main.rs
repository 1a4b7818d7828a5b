//! Doorward and other libraries judge the same mutated tokens. What we accept
//! everybody else must accept, with the same claims; what only others accept
//! is counted by our reason.
//!
//! ```text
//! differential TOKENS [SEED] [NUMBER]
//! ```
//!
//! With a number, only that token of the seed is made and shown. Python and
//! Node are those in the folder `ORACLES` (`clients/` of the build folder).

mod document;
mod keys;
mod oracle;
mod random;
mod tally;
mod token;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use doorward_jose::{
    algorithm::Algorithm,
    error::TokenError,
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken},
    validation::Validation,
    verifying_key::VerifyingKey,
};
use serde_json::Value;

use crate::{
    keys::{ALGORITHMS, Keys},
    oracle::{Jsonwebtoken, Oracle, Process, Question, Verdict},
    tally::Tally,
    token::{AUDIENCE, ISSUER, NOW, Token, make},
};

/// Tokens that are judged in one go.
const BATCH: u64 = 1000;

fn main() -> io::Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (count, seed, only) = (number().unwrap_or(10_000), number().unwrap_or(1), number());
    let keys = Keys::new();
    let judge = Judge::new(&keys);
    let mut oracles = oracles(&keys)?;
    if let Some(only) = only {
        show(&make(seed, only, &keys), &judge, &mut oracles)?;
        return Ok(ExitCode::SUCCESS);
    }

    let mut tallies: Vec<Tally> = oracles.iter().map(|_| Tally::default()).collect();
    for start in (0..count).step_by(BATCH as usize) {
        let numbers = start..count.min(start + BATCH);
        let tokens: Vec<Token> = numbers.map(|number| make(seed, number, &keys)).collect();
        compare(&tokens, &judge, &mut oracles, &mut tallies)?;
    }

    println!("{count} tokens of seed {seed}\n");
    println!(
        "| Oracle | both accept | both refuse | only it accepts | only we accept | claims differ |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let named = || oracles.iter().map(|(name, _)| name).zip(&tallies);
    named().for_each(|(name, tally)| tally.print(name));
    named().for_each(|(name, tally)| tally.print_stricter(name));
    let good = tallies.iter().all(Tally::is_good);
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

type Named = (&'static str, Box<dyn Oracle>);

fn oracles(keys: &Keys) -> io::Result<Vec<Named>> {
    let mut oracles: Vec<Named> = vec![("jsonwebtoken", Box::new(Jsonwebtoken::new(keys)))];
    let Some(folder) = env::var_os("ORACLES").map(PathBuf::from) else {
        return Ok(oracles);
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../oracles");
    let script = here.join("oracle.py").display().to_string();
    let python = folder.join("python/bin/python");
    for library in ["joserfc", "pyjwt"] {
        let process = Process::start(&python, &[&script, library], keys)?;
        oracles.push((library, Box::new(process)));
    }
    // Node looks for a library beside the script.
    let node = folder.join("node");
    if node.join("node_modules/jose").is_dir() {
        let script = node.join("oracle.mjs");
        std::fs::copy(here.join("oracle.mjs"), &script)?;
        let script = script.display().to_string();
        let process = Process::start(Path::new("node"), &[&script], keys)?;
        oracles.push(("jose", Box::new(process)));
    } else {
        eprintln!("*** SKIPPED: the library jose is not in {}", node.display());
    }
    Ok(oracles)
}

/// Our own verdict.
struct Judge(Vec<(Algorithm, VerifyingKey, Validation)>);

impl Judge {
    fn new(keys: &Keys) -> Self {
        let one = |(algorithm, _): &(Algorithm, usize)| {
            let validation = Validation::issuer(ISSUER)
                .audience(AUDIENCE)
                .algorithms([*algorithm]);
            (*algorithm, keys.of(*algorithm).verifying_key(), validation)
        };
        Self(ALGORITHMS.iter().map(one).collect())
    }

    fn verify(&self, token: &Token) -> Result<VerifiedToken, TokenError> {
        let mut all = self.0.iter();
        let one = all.find(|(algorithm, ..)| *algorithm == token.algorithm);
        let (_, key, validation) = one.expect("one for each algorithm");
        UnverifiedToken::parse(&token.text)?.verify(key, validation, UnixTime::from_secs(NOW))
    }
}

/// Ours first, then all oracles at once.
fn compare(
    tokens: &[Token],
    judge: &Judge,
    oracles: &mut [Named],
    tallies: &mut [Tally],
) -> io::Result<()> {
    let ours: Vec<_> = tokens.iter().map(|token| judge.verify(token)).collect();
    let questions = || {
        tokens
            .iter()
            .zip(&ours)
            .map(|(token, ours)| (token, ours.is_ok()))
    };
    let questions: Arc<[Question<'_>]> = questions().collect();
    std::thread::scope(|scope| {
        let asked = oracles
            .iter_mut()
            .zip(tallies)
            .map(|((name, oracle), tally)| {
                let (questions, ours) = (Arc::clone(&questions), &ours);
                scope.spawn(move || {
                    let verdicts = oracle.judge(&questions)?;
                    for (((token, _), ours), verdict) in questions.iter().zip(ours).zip(verdicts) {
                        count(name, token, ours, verdict, tally);
                    }
                    Ok(())
                })
            });
        let asked: Vec<_> = asked.collect();
        let mut answers = asked
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        answers.try_for_each(|answer| answer)
    })
}

fn count(
    name: &str,
    token: &Token,
    ours: &Result<VerifiedToken, TokenError>,
    theirs: Verdict,
    tally: &mut Tally,
) {
    match (ours, theirs) {
        (Ok(ours), Verdict::Accepted(theirs)) => {
            tally.both_accept += 1;
            let claims = serde_json::to_value(ours.claims()).expect("claims can be written");
            if let Some(claim) = other_claim(&claims, &theirs) {
                tally.other_claims += 1;
                println!("{name} reads `{claim}` otherwise: {}", describe(token));
            }
        }
        (Ok(_), Verdict::Refused(reason)) => {
            tally.only_we += 1;
            println!("{name} alone refuses ({reason}): {}", describe(token));
        }
        (Err(_), Verdict::Refused(_)) => tally.both_refuse += 1,
        (Err(error), Verdict::Accepted(_)) => {
            let class = format!("{error}; changed: {}", token.kind());
            tally.stricter(class, || describe(token));
        }
    }
}

fn describe(token: &Token) -> String {
    let Token {
        number,
        algorithm,
        changes,
        ..
    } = token;
    format!("token {number}, {algorithm}, {changes:?}")
}

/// The first of our claims that is another one there.
fn other_claim(ours: &Value, theirs: &Value) -> Option<String> {
    let members = ours.as_object()?;
    let differs = |(name, value): &(&String, &Value)| !is_same(value, &theirs[name.as_str()]);
    members.iter().find(differs).map(|(name, _)| name.clone())
}

/// The same value to a reader whose numbers are doubles; a single audience may
/// stand alone.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let same = |(name, value): (&String, &Value)| {
                theirs
                    .get(name)
                    .is_some_and(|theirs| is_same(value, theirs))
            };
            ours.len() == theirs.len() && ours.iter().all(same)
        }
        (Value::String(_), Value::Array(theirs)) => theirs.len() == 1 && *ours == theirs[0],
        (ours, theirs) => ours == theirs,
    }
}

fn show(token: &Token, judge: &Judge, oracles: &mut [Named]) -> io::Result<()> {
    println!("{}\n{}", describe(token), token.text);
    for part in token.text.split('.').take(2) {
        let bytes = doorward_jose::base64url::decode(part).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&bytes));
    }
    match judge.verify(token) {
        Ok(_) => println!("we: accepted"),
        Err(error) => println!("we: {error}"),
    }
    for (name, oracle) in oracles {
        for verdict in oracle.judge(&[(token, true)])? {
            match verdict {
                Verdict::Accepted(claims) => println!("{name}: {claims}"),
                Verdict::Refused(reason) => println!("{name}: {reason}"),
            }
        }
    }
    Ok(())
}
