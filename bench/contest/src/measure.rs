//! Rounds in which everybody runs for a moment, one after the other: what
//! disturbs the machine disturbs all of them, and the ratios of each round
//! stay true.

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

use crate::contender::Contender;

/// How long one contender runs in one round, in nanoseconds.
const TURN: u64 = 1_000_000;

/// What one contender needs for one call.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Whose.
    pub name: &'static str,
    /// Median of the rounds, in nanoseconds of this thread's CPU time.
    pub nanoseconds: f64,
    /// Median of the rounds' ratios to the first contender.
    pub ratio: f64,
    /// By Rust code, in one call with everything warm.
    pub allocations: u64,
}

/// Measures all of them side by side; the first is what the others are
/// compared with.
pub fn side_by_side(mut contenders: Vec<Contender>, rounds: usize) -> Vec<Figure> {
    let calls: Vec<u64> = contenders.iter_mut().map(calls_per_turn).collect();
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut state = 1;
    for _ in 0..rounds {
        // Nobody always inherits the caches of the same neighbour.
        shuffle(&mut order, &mut state);
        for who in &order {
            times[*who].push(contenders[*who].turn(calls[*who]));
        }
    }
    let floor = times[0].clone();
    contenders
        .iter_mut()
        .zip(times)
        .map(|(contender, times)| Figure {
            name: contender.name,
            ratio: median(times.iter().zip(&floor).map(|(time, floor)| time / floor)),
            nanoseconds: median(times),
            allocations: contender.allocations(),
        })
        .collect()
}

/// Fisher and Yates, with the generator of Knuth's MMIX: the same orders in
/// every run.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (*state >> 33) as usize % (last + 1));
    }
}

fn calls_per_turn(contender: &mut Contender) -> u64 {
    contender.turn(1);
    let mut calls = 1;
    loop {
        let time = contender.turn(calls) * calls as f64;
        if time > TURN as f64 / 2.0 {
            return (calls as f64 * TURN as f64 / time).ceil().max(1.0) as u64;
        }
        calls *= 2;
    }
}

/// This thread's CPU time: what others do on the core is not counted.
pub fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Keeps this thread on the last core that it may use.
pub fn stay_on_one_core() {
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    if let Some(last) = (0..CpuSet::MAX_CPU)
        .rev()
        .find(|core| allowed.is_set(*core))
    {
        let mut one = CpuSet::new();
        one.set(last);
        // Where it is not allowed the figures are a little noisier.
        let _ = sched_setaffinity(None, &one);
    }
}
