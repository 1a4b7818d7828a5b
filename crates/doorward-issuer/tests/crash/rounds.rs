//! The loop: start, check, work, die.

mod rotation;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{
    USERS, WITNESS,
    disk::{self, Disk, Fault, Loss},
    ledger::{Ledger, Order, done},
    node::{Answer, Node},
    postgres_server::PostgresServer,
    worker::setting,
};

/// 2026-11-21 00:00 UTC, in milliseconds.
const START: u64 = 1_795_219_200_000;

/// Orders that are under way at once.
const AT_ONCE: usize = 3;

/// What is to be noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mistake {
    #[default]
    None,
    /// A sign-out is answered before it is committed.
    AnswersEarly,
    /// A master key takes over before the database knows it.
    FileFirst,
    /// The disk says that it synced, and did not.
    DiskLies,
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// `kill -9` at any moment.
    Killed,
    /// At one change of the disk, or message to the server.
    AtAPoint,
    /// At one, and what was not synced is gone.
    PowerCut,
    /// EIO or ENOSPC for a while, and then `kill -9`.
    DiskError,
    /// The server's processes are gone.
    ServerGone,
}

/// What happened, so that a loop around nothing is noticed.
#[derive(Default)]
pub(crate) struct Told {
    /// By the place at which it died or failed.
    pub(crate) points: BTreeMap<String, u64>,
    ends: BTreeMap<End, u64>,
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    starts: Vec<Duration>,
}

impl Told {
    /// The start that half of them take longer than.
    pub(crate) fn usual_start(&self) -> Duration {
        let mut starts = self.starts.clone();
        starts.sort();
        starts[starts.len() / 2]
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (acknowledged, unknown) = (self.acknowledged, self.unknown);
        write!(
            f,
            "{acknowledged} orders acknowledged, {unknown} in doubt, "
        )?;
        write!(f, "a start takes {:?}, ", self.usual_start())?;
        write!(f, "ends {:?}, at {:?}", self.ends, self.points)
    }
}

pub(crate) struct Loop {
    place: TempDir,
    postgres: Option<PostgresServer>,
    disk: Disk,
    mistake: Mistake,
    ledger: Ledger,
    now: u64,
    dice: u64,
    told: Told,
}

impl Loop {
    pub(crate) fn on_sqlite(seed: u64, mistake: Mistake) -> Self {
        Self::new(seed, mistake, None)
    }

    pub(crate) fn on_postgres(seed: u64, server: PostgresServer) -> Self {
        Self::new(seed, Mistake::None, Some(server))
    }

    fn new(seed: u64, mistake: Mistake, postgres: Option<PostgresServer>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut disk = Disk::new(place.path().join("orders"), &data);
        if postgres.is_some() {
            disk = disk.of_the_wire();
        }
        if mistake == Mistake::DiskLies {
            disk.lie();
        }
        Self {
            place,
            postgres,
            disk,
            mistake,
            ledger: Ledger::default(),
            now: START,
            dice: seed,
            told: Told::default(),
        }
    }

    /// So many rounds; the first thing that is not as it was acknowledged.
    pub(crate) fn run(mut self, rounds: u64) -> Result<Told, String> {
        self.set_up()?;
        for round in 0..rounds {
            if let Err(why) = self.round() {
                let history = self.ledger.history.join("\n");
                return Err(format!("round {round}: {why}, after\n{history}"));
            }
        }
        let mut node = self.start()?;
        self.ledger.check(&mut node, self.now)?;
        node.kill()?;
        self.told.acknowledged = self.ledger.kept;
        Ok(self.told)
    }

    fn set_up(&mut self) -> Result<(), String> {
        let mut node = self.start()?;
        done(node.ask(self.now, "set-up"))?;
        self.ledger.check(&mut node, self.now)?;
        node.kill()
    }

    fn round(&mut self) -> Result<(), String> {
        let mut node = self.start()?;
        self.ledger.check(&mut node, self.now)?;
        if self.roll(20) == 0 {
            // Long enough for a new key to be used. Not before: who comes for a
            // lost answer that late is one who comes with a stolen token.
            self.now += 2 * 3_600_000;
            done(node.ask(self.now, "poll"))?;
            self.ledger.check(&mut node, self.now)?;
        }
        self.steal(&mut node)?;
        let end = self.how_to_end();
        self.ledger.history.push(format!("{end:?}"));
        *self.told.ends.entry(end).or_default() += 1;
        let hits = self.disk.hits().0;
        match end {
            End::Killed => self.work_and_kill(&mut node)?,
            End::AtAPoint => self.work_until_it_dies(&mut node, Loss::Nothing)?,
            End::PowerCut => {
                let loss = [Loss::All, Loss::Some][self.roll(2)];
                self.work_until_it_dies(&mut node, loss)?;
            }
            End::DiskError => self.work_on_a_failing_disk(&mut node)?,
            End::ServerGone => self.work_until_the_server_goes(&mut node)?,
        }
        node.kill()?;
        let (now, what) = self.disk.hits();
        if now > hits {
            *self.told.points.entry(what).or_default() += 1;
        }
        Ok(())
    }

    fn how_to_end(&mut self) -> End {
        match (self.postgres.is_some(), self.roll(8)) {
            (_, 0 | 1) => End::Killed,
            (false, 2 | 3) | (true, 2..=5) => End::AtAPoint,
            (false, 4 | 5) => End::PowerCut,
            (false, _) => End::DiskError,
            (true, _) => End::ServerGone,
        }
    }

    fn start(&mut self) -> Result<Node, String> {
        self.disk.heal();
        self.now += 7_000;
        let database = self.postgres.as_ref().map(|server| server.url("public"));
        let folder: PathBuf = self.place.path().join("data");
        let mistake = match self.mistake {
            Mistake::AnswersEarly => Some(setting::EARLY),
            Mistake::FileFirst => Some(setting::FILE_FIRST),
            Mistake::None | Mistake::DiskLies => None,
        };
        let mut node = Node::start(&folder, database.as_deref(), &self.disk, mistake, self.now)?;
        self.told.starts.push(node.started_in);
        done(node.ask(self.now, "poll"))?;
        Ok(node)
    }

    /// A refresh token that was used long ago comes back: its session is over,
    /// and stays so.
    fn steal(&mut self, node: &mut Node) -> Result<(), String> {
        if self.roll(4) > 0 {
            return Ok(());
        }
        let others = self.ledger.sessions.values();
        let others: Vec<_> = others.filter(|session| session.user != WITNESS).collect();
        if others.is_empty() {
            return Ok(());
        }
        let stolen = others[self.dice as usize % others.len()].clone();
        let next = format!("refresh {}", stolen.refresh);
        done(node.ask(self.now, &next))?;
        self.now += 30_000;
        match node.ask(self.now, &next) {
            // The next check looks that it is over.
            Answer::No(why) if why == "reused" => {
                self.ledger.stolen(&stolen.id);
                Ok(())
            }
            other => Err(format!("a stolen refresh token: {other:?}")),
        }
    }

    fn work_and_kill(&mut self, node: &mut Node) -> Result<(), String> {
        for _ in 0..self.roll(3) {
            self.batch(node, Node::wait_for)?;
        }
        let after = Duration::from_micros(self.roll(6_000) as u64);
        self.batch(node, |node, ids| node.wait_and_kill(ids, after))
    }

    fn work_until_it_dies(&mut self, node: &mut Node, loss: Loss) -> Result<(), String> {
        let fault = [Fault::DieBefore, Fault::DieAfter, Fault::Tear][self.roll(3)];
        let commits = self.roll(2) == 0;
        let order = disk::Order {
            fault,
            loss,
            commits,
            skipped: self.roll(if commits { 6 } else { 30 }) as u64,
            failing: u64::MAX / 2,
            seed: self.dice,
        };
        self.disk.order(order);
        let hits = self.disk.hits().0;
        for _ in 0..40 {
            self.batch(node, Node::wait_for)?;
            if self.disk.hits().0 > hits {
                return Ok(());
            }
        }
        Err("it works without a disk".to_owned())
    }

    fn work_on_a_failing_disk(&mut self, node: &mut Node) -> Result<(), String> {
        let witness = self.witness(node)?;
        let order = disk::Order {
            fault: [Fault::InputOutput, Fault::Full][self.roll(2)],
            loss: Loss::Nothing,
            commits: self.roll(3) == 0,
            skipped: self.roll(20) as u64,
            failing: 1 + self.roll(12) as u64,
            seed: 0,
        };
        self.disk.order(order);
        for _ in 0..3 {
            self.batch(node, Node::wait_for)?;
            done(node.ask(self.now, &format!("check {witness}")))
                .map_err(|why| format!("verification stopped: {why}"))?;
        }
        self.disk.heal();
        self.recovers(node)
    }

    fn work_until_the_server_goes(&mut self, node: &mut Node) -> Result<(), String> {
        let witness = self.witness(node)?;
        let orders = self.orders();
        let ids = self.send(node, &orders);
        let server = self.postgres.as_ref().unwrap();
        server.order("crash", "crashed");
        let answers = node.wait_for(&ids);
        self.enter(orders, &answers)?;
        done(node.ask(self.now, &format!("check {witness}")))
            .map_err(|why| format!("verification stopped: {why}"))?;
        let server = self.postgres.as_ref().unwrap();
        server.order("start", "started");
        self.recovers(node)
    }

    /// A token of somebody whom nothing happens to.
    fn witness(&mut self, node: &mut Node) -> Result<String, String> {
        if self.ledger.a_session_of(WITNESS).is_none() {
            let order = Order::SignIn(WITNESS);
            let answer = node.ask(self.now, &order.text());
            self.ledger.enter(&order, &answer)?;
        }
        let session = self
            .ledger
            .a_session_of(WITNESS)
            .ok_or("there is no witness")?;
        Ok(session.access.clone())
    }

    /// Nobody restarts it: when the fault is gone, it works again.
    fn recovers(&mut self, node: &mut Node) -> Result<(), String> {
        let order = Order::SignIn(WITNESS);
        let mut answer = Answer::Unknown(String::new());
        for _ in 0..10 {
            answer = node.ask(self.now, &order.text());
            self.ledger.enter(&order, &answer)?;
            if let Answer::Done(_) = answer {
                return Ok(());
            }
        }
        Err(format!("the fault is gone, and {answer:?}"))
    }

    /// A few orders side by side.
    fn batch(
        &mut self,
        node: &mut Node,
        wait: impl FnOnce(&mut Node, &[u64]) -> BTreeMap<u64, Answer>,
    ) -> Result<(), String> {
        let orders = self.orders();
        let ids = self.send(node, &orders);
        let answers = wait(node, &ids);
        self.enter(orders, &answers)
    }

    fn send(&self, node: &mut Node, orders: &[Order]) -> Vec<u64> {
        let send = |order: &Order| node.send(self.now, &order.text());
        orders.iter().map(send).collect()
    }

    fn enter(&mut self, orders: Vec<Order>, answers: &BTreeMap<u64, Answer>) -> Result<(), String> {
        for (order, answer) in orders.iter().zip(answers.values()) {
            if let Answer::Unknown(_) = answer {
                self.told.unknown += 1;
            }
            self.ledger.enter(order, answer)?;
        }
        Ok(())
    }

    /// Each concerns another user, so that what is in doubt is so for one
    /// reason.
    fn orders(&mut self) -> Vec<Order> {
        let first = self.roll(USERS.len());
        let users = (0..AT_ONCE).map(|n| USERS[(first + n) % USERS.len()]);
        let users: Vec<_> = users.filter(|user| *user != WITNESS).collect();
        users.into_iter().map(|user| self.order(user)).collect()
    }

    fn order(&mut self, user: &'static str) -> Order {
        if self.ledger.is_disabled(user) && self.roll(2) == 0 {
            return Order::Enable(user);
        }
        let theirs = self.ledger.a_session_of(user).cloned();
        match (self.roll(18), theirs) {
            (16, _) => Order::ChangeMasterKey,
            (17, _) => Order::RetireMasterKeys,
            (0, _) => Order::Rotate,
            (1, _) => Order::Grant(user),
            (2, _) => Order::Take(user),
            (3, _) => Order::Disable(user),
            (4 | 5, _) => Order::Enable(user),
            (6..=8, Some(session)) => Order::End(session.id),
            (9..=13, Some(session)) => Order::Refresh {
                session: session.id,
                user,
                token: session.refresh,
            },
            _ => Order::SignIn(user),
        }
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) as usize % sides
    }
}
