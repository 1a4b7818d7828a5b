//! Whether the time of an answer tells who has an account: the one case that
//! is judged by time, and therefore by statistics (BRU-008).
//!
//! Samples of an account and of nobody are taken in turn, each an honest wrong
//! password. The slower half of each is left out, as it measures the machine;
//! the error of the mean takes that into account (Yuen's form of Welch's t).
//! A finding takes two batches, each with a t of at least 4.5 and a difference
//! of at least one in a hundred, in the same direction; and the whole of it a
//! second time. "Safe" takes samples enough to exclude a
//! difference of one in a hundred.

use super::{
    Step,
    conversation::{Conversation, Guess, Halt},
    judge::{Came, Found},
};
use crate::wire::Answer;

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

/// Beyond it chance is no explanation.
const T: f64 = 4.5;
/// The difference that counts, as part of the mean.
const DIFFERENCE: f64 = 0.01;
/// Wrong passwords of the account between two right ones, which clear what was
/// counted.
const BETWEEN: usize = 6;
/// Wrong passwords from one address.
const FROM_ONE_ADDRESS: usize = 30;
/// Fewer prove nothing.
const FEWEST: usize = 8;

/// Two samples, compared.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Compared {
    /// Positive when the first takes longer.
    t: f64,
    /// Difference of the means, as part of the second.
    difference: f64,
    /// What the difference may be at the most, at this t.
    bound: f64,
}

pub(super) async fn play(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let count = talk.login.timing_samples as usize / 2;
    let one = batch(talk, count).await?;
    let two = batch(talk, count).await?;
    let proves =
        |compared: Compared| compared.t.abs() >= T && compared.difference.abs() >= DIFFERENCE;
    if proves(one) && proves(two) && one.t.signum() == two.t.signum() {
        return Ok(Found::proof(
            Step::SignIn,
            "the time that a wrong password takes, for an account and for nobody",
            format!(
                "{:+.0} % and {:+.0} % in two batches of {count} (t {:.1} and {:.1}): the \
                 time tells who has an account",
                one.difference * 100.0,
                two.difference * 100.0,
                one.t,
                two.t
            ),
        ));
    }
    let bound = one.bound.max(two.bound);
    match bound < DIFFERENCE {
        true => Ok(Came::HELD),
        false => Err(Halt::Unclear(format!(
            "no difference was seen, but {count} samples do not exclude one of {:.0} %; more of \
             them (`timing_samples`) may",
            bound * 100.0
        ))),
    }
}

/// Takes samples in turn, from as many addresses as need be.
async fn batch(talk: Talk<'_, '_, '_>, count: usize) -> Result<Compared, Halt> {
    let mut source = talk.memory.fresh_source();
    let account = talk.victim(source).await?;
    let (mut known, mut nobody) = (Vec::new(), Vec::new());
    let mut first: Option<Answer> = None;
    for number in 0..count {
        if number > 0 && number % FROM_ONE_ADDRESS == 0 {
            source = talk.memory.fresh_source();
        }
        if number > 0 && number % BETWEEN == 0 {
            talk.enters(&account, source).await?;
        }
        let stranger = talk.word(12);
        let pair = match number % 2 {
            0 => [(&account.username, true), (&stranger, false)],
            _ => [(&stranger, false), (&account.username, true)],
        };
        let mut taken = [None; 2];
        for (name, is_known) in pair {
            let values = talk.wrong(name);
            if let Guess::Wrong(answer) = talk.guess(&values, source, first.as_ref()).await? {
                taken[usize::from(is_known)] = Some(answer.elapsed.as_secs_f64());
                first.get_or_insert(answer);
            }
        }
        let [Some(of_nobody), Some(of_known)] = taken else {
            break;
        };
        nobody.push(of_nobody);
        known.push(of_known);
    }
    talk.enters(&account, source).await?;
    match known.len() >= FEWEST {
        true => Ok(compare(&known, &nobody)),
        false => Err(Halt::Unclear(format!(
            "after {} samples an answer was another refusal than the first: guessing is slowed, \
             or names are told apart by the answer (BRU-007); too few to compare",
            known.len()
        ))),
    }
}

fn compare(known: &[f64], nobody: &[f64]) -> Compared {
    let (mean_known, error_known) = mean_and_error(known);
    let (mean_nobody, error_nobody) = mean_and_error(nobody);
    let error = (error_known + error_nobody).sqrt().max(f64::MIN_POSITIVE);
    let difference = mean_known - mean_nobody;
    Compared {
        t: difference / error,
        difference: difference / mean_nobody,
        bound: (difference.abs() + T * error) / mean_nobody,
    }
}

/// The mean of the faster half, and the squared error of it: by the variance of
/// all, in which the slower half counts as the slowest of the faster.
fn mean_and_error(samples: &[f64]) -> (f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = (sorted.len() / 2).max(1);
    let middle = sorted[half - 1];
    let count = number(sorted.len());
    let kept = number(half);
    let mean = sorted[..half].iter().sum::<f64>() / kept;
    let all = || sorted.iter().map(|sample| sample.min(middle));
    let of_all = all().sum::<f64>() / count;
    let squares: f64 = all().map(|sample| (sample - of_all).powi(2)).sum();
    (mean, squares / (kept * (kept - 1.0).max(1.0)))
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::{T, compare};

    fn around(mean: f64, spread: f64) -> Vec<f64> {
        let steps = [0.1, 0.7, 0.3, 0.9, 0.5, 0.2, 0.8, 0.4, 0.6, 0.0];
        let all = steps.iter().cycle().take(60);
        all.map(|step| mean + spread * (step - 0.5)).collect()
    }

    #[test]
    fn a_hash_that_is_left_out_is_seen_and_noise_is_not() {
        let hashed = around(0.030, 0.004);
        let compared = compare(&hashed, &around(0.002, 0.001));
        assert!(compared.t > T && compared.difference > 1.0, "{compared:?}");
        let compared = compare(&hashed, &around(0.0301, 0.004));
        assert!(
            compared.t.abs() < T && compared.bound > 0.01,
            "{compared:?}"
        );
        let compared = compare(&around(0.030, 0.000_1), &around(0.030, 0.000_1));
        assert!(compared.bound < 0.01, "{compared:?}");
    }

    #[test]
    fn one_slow_answer_proves_nothing() {
        let mut lucky = around(0.030, 0.004);
        lucky[7] = 9.0;
        let compared = compare(&lucky, &around(0.030, 0.004));
        assert!(compared.t.abs() < T, "{compared:?}");
    }
}
