//! The command line.

use std::path::PathBuf;

use doorward_jose::algorithm::Algorithm;

/// What to measure and where to put it.
pub(crate) struct Options {
    pub rounds: usize,
    pub algorithms: Vec<Algorithm>,
    pub svg: Option<PathBuf>,
}

/// Ed25519 under the name that the peers know.
const ALL: [Algorithm; 13] = [
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
];

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 101,
            algorithms: ALL.to_vec(),
            svg: None,
        };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--rounds" => options.rounds = rounds(&value)?,
                "--only" => options.algorithms = algorithms(&value)?,
                "--svg" => options.svg = Some(value.into()),
                _ => {
                    return Err(format!(
                        "unknown option {flag}; there are --rounds, --only, --svg"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds @ 1..) => Ok(rounds),
        _ => Err(format!("{text} is no number of rounds")),
    }
}

fn algorithms(text: &str) -> Result<Vec<Algorithm>, String> {
    let named = |name: &str| name.parse().map_err(|error| format!("{name}: {error}"));
    text.split(',').map(named).collect()
}
