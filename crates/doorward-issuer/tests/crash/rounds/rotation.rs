//! A change of the master key that ends at its first step, at its second, and
//! so on, until one comes through.

use super::{Loop, Told};
use crate::{
    disk::{self, Fault, Loss},
    ledger::{Order, done},
    node::{Answer, Node},
};

/// How it ends: the process alone, or with what was not synced, or the disk
/// refuses and the process lives until later. On a server the first two are
/// all that differs.
const ENDS: [(Fault, Loss, u64); 4] = [
    (Fault::DieBefore, Loss::Nothing, u64::MAX / 2),
    (Fault::DieAfter, Loss::All, u64::MAX / 2),
    (Fault::Tear, Loss::Some, u64::MAX / 2),
    (Fault::Full, Loss::Nothing, 1),
];

/// How much fewer steps one may have than the one before: what a commit writes
/// depends on what is in the database.
const FEWER: u64 = 3;

impl Loop {
    /// Each end at each step; the first thing that is not as it was
    /// acknowledged.
    pub(crate) fn run_rotations(mut self) -> Result<Told, String> {
        self.set_up()?;
        let ends = match self.postgres {
            Some(_) => &ENDS[..2],
            None => &ENDS,
        };
        for end in ends {
            let (mut skipped, mut missed) = (0, 0);
            while missed < FEWER {
                let is_hit = self.rotation(*end, skipped).map_err(|why| {
                    let history = self.ledger.history.join("\n");
                    format!("{end:?} at step {skipped}: {why}, after\n{history}")
                })?;
                missed = if is_hit { 0 } else { missed + 1 };
                skipped += 1;
            }
        }
        let mut node = self.start()?;
        self.ledger.check(&mut node, self.now)?;
        node.kill()?;
        self.told.acknowledged = self.ledger.kept;
        Ok(self.told)
    }

    /// One that meets its end after so many steps, and the next, which goes on
    /// with it; whether there was such a step.
    fn rotation(
        &mut self,
        (fault, loss, failing): (Fault, Loss, u64),
        skipped: u64,
    ) -> Result<bool, String> {
        let mut node = self.start()?;
        self.ledger.check(&mut node, self.now)?;
        self.witness(&mut node)?;
        let hits = self.disk.hits().0;
        self.disk.order(disk::Order {
            fault,
            loss,
            commits: false,
            skipped,
            failing,
            seed: self.dice,
        });
        self.obey(&mut node, Order::ChangeMasterKey)?;
        let (now, what) = self.disk.hits();
        let is_hit = now > hits;
        if is_hit {
            *self.told.points.entry(what).or_default() += 1;
        }
        self.disk.heal();
        node.kill()?;

        let mut node = self.start()?;
        self.ledger.check(&mut node, self.now)?;
        for order in [Order::ChangeMasterKey, Order::RetireMasterKeys] {
            done(self.obey(&mut node, order)?)?;
        }
        node.kill()?;
        Ok(is_hit)
    }

    fn obey(&mut self, node: &mut Node, order: Order) -> Result<Answer, String> {
        let answer = node.ask(self.now, &order.text());
        self.ledger.enter(&order, &answer)?;
        Ok(answer)
    }
}
