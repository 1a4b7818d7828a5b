//! BRU-008: whether the time of an answer tells who has an account.

#![expect(clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use doorward_issuer::password::Hashing;

use crate::harness::House;

/// Of each kind.
const SAMPLES: usize = 2_000;

/// Mean and variance, without the slowest twentieth: what the machine did
/// besides.
struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(times: &mut [f64]) -> Self {
        times.sort_by(f64::total_cmp);
        let kept = &times[..times.len() - times.len() / 20];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let squares = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
        Self {
            count,
            mean,
            variance: squares / (count - 1.0),
        }
    }
}

#[tokio::test]
#[ignore = "minutes, and a quiet machine: just sign-in-time"]
async fn bru_008_known_and_unknown_users_take_the_same_time() {
    let house = House::with(Hashing::default(), 1).await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for sample in 0..SAMPLES {
        // Past what was counted, so that nobody is slowed.
        if sample % 8 == 0 {
            house.turn_clock(3_600);
        }
        // In turn, so that a machine that grows warm meets both.
        for (name, times) in [("alice", &mut known), ("nobody", &mut unknown)] {
            let begun = Instant::now();
            let answer = house.try_sign_in(name, "not the password of anybody").await;
            times.push(begun.elapsed().as_secs_f64());
            assert_eq!(answer.verdict(), (401, "wrong_credentials"));
        }
    }
    let (known, unknown) = (Moments::of(&mut known), Moments::of(&mut unknown));
    let apart = known.mean - unknown.mean;
    let spread = known.variance / known.count + unknown.variance / unknown.count;
    let t = apart / spread.sqrt();
    let percent = 100.0 * apart / unknown.mean;
    println!(
        "known {:.3} ms, unknown {:.3} ms, {percent:+.2} %, Welch's t {t:+.2}",
        1e3 * known.mean,
        1e3 * unknown.mean,
    );
    assert!(percent.abs() < 1.0 && t.abs() < 4.5, "{percent} %, t {t}");
}
