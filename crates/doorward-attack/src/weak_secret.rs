//! The secret of an HMAC, looked for offline: words that people use, words
//! that the token gives away, their usual variations, then every short string.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use doorward_jose::{algorithm::Algorithm, base64url, dangerous, json::Value, token::Inspected};

mod candidates;

use self::candidates::Candidates;

/// How long to look unless told otherwise.
pub const USUAL_TIME: Duration = Duration::from_secs(20);

/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);

/// Secrets that one thread takes at a time.
const BATCH: u64 = 4_096;

/// One search.
#[derive(Clone, Copy, Debug)]
pub struct Search<'s> {
    /// The token whose secret is looked for.
    pub token: &'s str,
    /// More words to try, before the known ones.
    pub words: &'s [String],
    /// Threads.
    pub cores: usize,
    /// Time at the most.
    pub time: Duration,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// With the secret; says where it was, not what it is.
    Secret(String),
    /// Without it.
    Nothing {
        /// How many were tried.
        tried: u64,
        /// Whether that was all of them.
        is_whole: bool,
    },
}

/// What every thread needs.
struct Shared {
    algorithm: Algorithm,
    input: String,
    signature: Vec<u8>,
    candidates: Candidates,
    next: AtomicU64,
    tried: AtomicU64,
    is_over: AtomicBool,
    found: Mutex<Option<u64>>,
}

impl Search<'_> {
    /// Looks for it, and tells now and then how many were tried.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> Found {
        let Some(shared) = self.shared() else {
            return Found::Nothing {
                tried: 0,
                is_whole: true,
            };
        };
        let deadline = Instant::now() + self.time;
        let (done, all_done) = mpsc::channel::<()>();
        thread::scope(|scope| {
            for _ in 0..self.cores {
                let (shared, done) = (&shared, done.clone());
                scope.spawn(move || {
                    shared.work(deadline);
                    drop(done);
                });
            }
            drop(done);
            while let Err(mpsc::RecvTimeoutError::Timeout) = all_done.recv_timeout(TELL) {
                progress(shared.tried.load(Ordering::Relaxed));
            }
        });
        let tried = shared.tried.load(Ordering::Relaxed);
        progress(tried);
        let found = *shared.found.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(index) => Found::Secret(shared.candidates.described(index)),
            None => Found::Nothing {
                tried,
                is_whole: tried >= shared.candidates.count(),
            },
        }
    }

    fn shared(&self) -> Option<Shared> {
        let jws = Inspected::parse(self.token).ok()?;
        let algorithm = Algorithm::from_name(jws.header.get("alg")?.as_str()?)?;
        let (input, signature) = self.token.rsplit_once('.')?;
        let told = ["iss", "aud", "sub", "client_id", "azp", "tenant"]
            .into_iter()
            .filter_map(|name| jws.payload.get(name))
            .chain(jws.header.get("kid"))
            .filter_map(Value::as_str);
        Some(Shared {
            algorithm: algorithm.is_symmetric().then_some(algorithm)?,
            input: input.to_owned(),
            signature: base64url::decode(signature).ok()?,
            candidates: Candidates::new(self.words, told),
            next: AtomicU64::new(0),
            tried: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            found: Mutex::new(None),
        })
    }
}

impl Shared {
    fn work(&self, deadline: Instant) {
        let mut secret = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let end = (start + BATCH).min(self.candidates.count());
            if start >= end {
                return;
            }
            for index in start..end {
                self.candidates.write(index, &mut secret);
                if self.signs(&secret) {
                    *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(index);
                    self.is_over.store(true, Ordering::Relaxed);
                    return;
                }
            }
            self.tried.fetch_add(end - start, Ordering::Relaxed);
        }
    }

    fn signs(&self, secret: &[u8]) -> bool {
        let tag = dangerous::hmac(self.algorithm, secret, self.input.as_bytes());
        tag.is_some_and(|tag| tag == self.signature)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_jose::{algorithm::Algorithm, base64url, dangerous};

    use super::{Found, Search};

    fn token(secret: &str) -> String {
        let part = |text: &str| base64url::encode(text);
        let input = format!(
            "{}.{}",
            part(r#"{"alg":"HS256","typ":"JWT"}"#),
            part(r#"{"iss":"https://shop.example","sub":"u"}"#)
        );
        let tag = dangerous::hmac(Algorithm::Hs256, secret.as_bytes(), input.as_bytes());
        format!("{input}.{}", base64url::encode(tag.expect("an HMAC")))
    }

    fn search(secret: &str, words: &[String]) -> Found {
        let token = token(secret);
        let search = Search {
            token: &token,
            words,
            cores: 2,
            time: Duration::from_secs(60),
        };
        search.run(&mut |_| {})
    }

    #[test]
    fn bru_015_words_variations_and_short_strings_are_found() {
        for secret in [
            "",
            "secret",
            "Secret123",
            "changeme!",
            "your-256-bit-secret",
            "shop.example",
            "zqx",
            "0042",
        ] {
            assert!(matches!(search(secret, &[]), Found::Secret(_)), "{secret}");
        }
        let words = ["correcthorsebatterystaple".to_owned()];
        assert!(matches!(search(&words[0], &words), Found::Secret(_)));
    }

    #[test]
    fn a_search_says_where_the_secret_was_and_not_what_it_is() {
        let Found::Secret(how) = search("zqx", &[]) else {
            panic!("not found");
        };
        assert!(!how.contains("zqx"), "{how}");
    }

    #[test]
    fn a_search_ends_in_time() {
        let token = token("A long enough secret, 0123456789!");
        let search = Search {
            token: &token,
            words: &[],
            cores: 2,
            time: Duration::from_millis(50),
        };
        let found = search.run(&mut |_| {});
        assert!(
            matches!(
                found,
                Found::Nothing {
                    is_whole: false,
                    ..
                }
            ),
            "{found:?}"
        );
    }
}
