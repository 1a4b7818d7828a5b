//! Does the time that a wrong HMAC takes tell how wrong it is?
//!
//! After dudect (Reparaz, Balasch, Verbauwhede, "Dude, is my code constant
//! time?", 2017): two classes of tokens in random order, one whose tag is wrong
//! in its first byte and one whose tag is wrong in its last, each verification
//! timed alone, and Welch's t over the two samples, uncropped and cropped at
//! several percentiles. |t| above 4.5 is called a leak. A comparison that stops
//! at the first difference stands beside it, to show that the method sees one.
//!
//! What judges is the long form, `just constant-time`; in `cargo test` only the
//! method itself is tested, with no demand on any clock.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is the failed test"
)]

use std::{borrow::Borrow as _, hint::black_box, time::Instant};

use doorward_jose::{
    algorithm::Algorithm, base64url, error::TokenErrorKind, jws::UnverifiedJws,
    signing_key::SigningKey, verifying_key::VerifyingKey,
};

/// Where dudect begins to speak of a leak.
const THRESHOLD: f64 = 4.5;

/// Measurements above these shares of all are left out, one at a time: an
/// interrupt is no information.
const CROPS: [f64; 4] = [1.0, 0.99, 0.9, 0.5];

/// Nanoseconds of the two classes.
type Samples = [Vec<f64>; 2];

struct Tokens {
    key: VerifyingKey,
    /// Wrong in the first byte of the tag, and in the last.
    wrong: [String; 2],
    tag: Vec<u8>,
}

impl Tokens {
    fn new() -> Self {
        let key = SigningKey::hmac(Algorithm::Hs256, &[7; 32]).expect("a long secret");
        let token = key.sign("at+jwt", &serde_json::json!({ "sub": "a" }));
        let token = token.expect("an object");
        let (input, tag) = token.rsplit_once('.').expect("three parts");
        let tag = base64url::decode(tag).expect("our own tag");
        let wrong = [0, tag.len() - 1].map(|at| {
            let mut wrong = tag.clone();
            wrong[at] ^= 0x55;
            format!("{input}.{}", base64url::encode(wrong))
        });
        Self {
            key: key.verifying_key(),
            wrong,
            tag,
        }
    }

    fn refuse(&self, wrong: &str) {
        let jws = UnverifiedJws::parse(black_box(wrong)).expect("a JWS");
        let refused = jws.verify(&self.key).expect_err("a wrong tag").kind();
        assert_eq!(refused, TokenErrorKind::BadSignature);
    }

    fn inputs(&self) -> [&str; 2] {
        self.wrong.each_ref().map(String::as_str)
    }

    fn wrong_tag(&self, class: usize) -> Vec<u8> {
        let (_, tag) = self.wrong[class].rsplit_once('.').expect("three parts");
        base64url::decode(tag).expect("our own tag")
    }
}

/// What must not be written anywhere: it stops at the first difference.
#[inline(never)]
fn leaky(one: &[u8], other: &[u8]) -> bool {
    one.iter()
        .zip(other)
        .all(|(one, other)| black_box(one) == black_box(other))
}

/// Times `call` with one of two inputs, in an order that nothing else follows.
/// Both are read from one place: where something lies has its own time.
fn measure<T: ?Sized + ToOwned>(
    count: usize,
    inputs: [&T; 2],
    mut call: impl FnMut(&T),
) -> Samples {
    let mut place = inputs[0].to_owned();
    let mut samples = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let class = usize::from(state & 1 == 1);
        inputs[class].clone_into(&mut place);
        let start = Instant::now();
        call(black_box(&place).borrow());
        samples[class].push(start.elapsed().as_nanos() as f64);
    }
    samples
}

/// The largest |t| of all crops.
fn worst(samples: &Samples) -> f64 {
    let mut all = samples.concat();
    all.sort_unstable_by(f64::total_cmp);
    let crops = CROPS.map(|share| all[(((all.len() - 1) as f64) * share) as usize]);
    let cropped = crops.map(|most| {
        let [one, other] = samples;
        let keep = |sample: &[f64]| -> Vec<f64> {
            sample
                .iter()
                .copied()
                .filter(|time| *time <= most)
                .collect()
        };
        welch(&keep(one), &keep(other)).abs()
    });
    cropped.into_iter().fold(0.0, f64::max)
}

/// Welch's t of two samples; zero where there is nothing to compare.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let [(mean, spread), (other_mean, other_spread)] = [one, other].map(|sample| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    });
    let t = (mean - other_mean) / (spread + other_spread).sqrt();
    if t.is_finite() { t } else { 0.0 }
}

#[test]
fn the_statistic_is_welchs() {
    // An example with unequal spreads, worked out by hand: means 3 and 6,
    // variances 2.5 and 10, five values each.
    let t = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]);
    assert!((t - -3.0 / 2.5_f64.sqrt()).abs() < 1e-12, "{t}");
    assert!(welch(&[], &[]).abs() < f64::EPSILON);
}

#[test]
fn a_difference_that_is_there_is_found_and_one_that_is_not_is_not() {
    // Times by recipe, no clock: noise of a fixed pattern, and three
    // nanoseconds more for one class.
    let noise = |index: usize| 1000.0 + (index * 7919 % 101) as f64;
    let same: Samples = [0, 1].map(|_| (0..20_000).map(noise).collect());
    assert!(worst(&same) < THRESHOLD);
    let mut slower = same.clone();
    slower[1].iter_mut().for_each(|time| *time += 3.0);
    assert!(worst(&slower) > THRESHOLD);
}

#[test]
fn sig_the_short_form_refuses_both_classes_and_judges_no_time() {
    let tokens = Tokens::new();
    let samples = measure(500, tokens.inputs(), |wrong| tokens.refuse(wrong));
    assert_eq!(samples.iter().map(Vec::len).sum::<usize>(), 500);
    assert!(samples.iter().all(|sample| sample.len() > 100));
    assert!(worst(&samples).is_finite());
    assert!(!leaky(&tokens.wrong_tag(0), &tokens.tag) && leaky(&tokens.tag, &tokens.tag));
}

#[test]
#[ignore = "measures time; run `just constant-time` on a quiet machine"]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn the_long_form_judges() {
    const COUNT: usize = 2_000_000;
    let tokens = Tokens::new();
    let wrong = [0, 1].map(|class| tokens.wrong_tag(class));
    let control = measure(COUNT / 4, wrong.each_ref().map(Vec::as_slice), |wrong| {
        assert!(!leaky(wrong, black_box(&tokens.tag)));
    });
    let control = worst(&control);
    println!("a comparison that stops early:  max |t| = {control:.1}  (must be above {THRESHOLD})");
    // A leak stays when it is measured again; a noisy neighbour does not.
    let runs = [(); 3].map(|()| {
        worst(&measure(COUNT, tokens.inputs(), |wrong| {
            tokens.refuse(wrong)
        }))
    });
    let [one, two, three] = runs;
    println!(
        "verifying an HS256 token:       max |t| = {one:.1}, {two:.1}, {three:.1}  \
         (one must be below {THRESHOLD})"
    );
    assert!(
        control > THRESHOLD,
        "the machine is too noisy to see a leak at all"
    );
    assert!(
        runs.into_iter().any(|t| t < THRESHOLD),
        "the time tells where a tag is wrong"
    );
}
