//! Who takes part.

use crate::{allocations, measure::cpu_time};

/// One way of doing the thing that is measured.
pub struct Contender {
    /// How it is called in the table.
    pub name: &'static str,
    turns: Box<dyn Turns>,
}

/// Somebody who can take a turn.
pub trait Turns {
    /// Makes so many calls; nanoseconds of CPU time per call.
    fn turn(&mut self, calls: u64) -> f64;

    /// Allocations by Rust code in one call.
    fn allocations(&mut self) -> u64;
}

impl Contender {
    /// In this process. A call that fails must panic, so that nobody is fast
    /// by refusing.
    pub fn new(name: &'static str, call: impl FnMut() + 'static) -> Self {
        Self::elsewhere(name, Call(call))
    }

    /// Wherever its turns are taken.
    pub fn elsewhere(name: &'static str, turns: impl Turns + 'static) -> Self {
        let turns = Box::new(turns);
        Self { name, turns }
    }

    /// See [`Turns::turn`].
    pub fn turn(&mut self, calls: u64) -> f64 {
        self.turns.turn(calls)
    }

    /// See [`Turns::allocations`].
    pub fn allocations(&mut self) -> u64 {
        self.turns.allocations()
    }
}

struct Call<F>(F);

impl<F: FnMut()> Turns for Call<F> {
    fn turn(&mut self, calls: u64) -> f64 {
        let start = cpu_time();
        for _ in 0..calls {
            (self.0)();
        }
        (cpu_time() - start) as f64 / calls as f64
    }

    fn allocations(&mut self) -> u64 {
        allocations::of(&mut self.0)
    }
}
