//! Two hundred clients and two nodes, on a turned clock, from a seed.
//!
//! Clients refresh as clients do: when their access token runs out, now and
//! then from two windows at once, and again when the answer was lost. Nodes are
//! restarted. Thieves copy refresh tokens and use them at once, late, one step
//! behind, or in step with the owner. Two things must come out of every seed:
//! no honest client is ever signed out, and every theft is caught.
//!
//! `DOORWARD_SIMULATION=SEEDS,STEPS` makes it longer (`just simulate`).

use doorward_issuer::{
    Issuer, RefreshError,
    refresh_token::ReuseKind,
    session::{EndCause, FIRST_PARTY_CLIENT, Refreshed},
};

use crate::harness::{World, new_user, sign_in};

const CLIENTS: usize = 200;
const USERS: usize = 8;
/// Seconds for which a lost answer can be had again.
const OVERLAP: u64 = 20;

/// The same rolls for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Town {
    world: World,
    nodes: Vec<Issuer>,
    /// The newest refresh token of each client.
    tokens: Vec<String>,
    dice: Dice,
    told: Told,
}

/// What happened, so that a simulation of nothing is noticed.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    refreshes: usize,
    repeated: usize,
    restarts: usize,
    sign_outs: usize,
    thefts: usize,
    caught: usize,
}

#[tokio::test]
async fn rft_021_honest_clients_are_never_signed_out_and_every_thief_is_caught() {
    let (seeds, steps) = length();
    for seed in 1..=seeds {
        let told = run(seed, steps).await;
        assert_eq!(told.thefts, told.caught, "seed {seed}: {told:?}");
        let everything_happened = told.thefts > 0
            && told.repeated > 0
            && told.restarts > 0
            && told.sign_outs > 0
            && told.refreshes > steps;
        assert!(everything_happened, "seed {seed}: {told:?}");
        say(&format!("seed {seed}, {steps} steps: {told:?}"));
    }
}

#[expect(clippy::print_stderr, reason = "a long run says how it went")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's length is set from outside"
)]
fn length() -> (u64, usize) {
    let set = std::env::var("DOORWARD_SIMULATION").unwrap_or_default();
    let (seeds, steps) = set.split_once(',').unwrap_or(("1", "400"));
    (seeds.parse().unwrap(), steps.parse().unwrap())
}

async fn run(seed: u64, steps: usize) -> Told {
    let (world, issuer) = World::with_alice().await;
    for user in 1..USERS {
        let user = new_user(&name(user));
        issuer.admin().add_user(user).await.unwrap();
    }
    let nodes = vec![issuer, world.open().await];
    let mut town = Town {
        world,
        nodes,
        tokens: Vec::new(),
        dice: Dice(seed),
        told: Told::default(),
    };
    for client in 0..CLIENTS {
        let token = town.sign_in(client).await;
        town.tokens.push(token);
    }
    for step in 0..steps {
        let client = town.roll(CLIENTS);
        // Ten minutes and more, in steps that are now and then a pause.
        let pause = [0, 0, 1, 2, 3, 40][town.roll(6)];
        town.world.clock.turn(pause);
        match town.roll(24) {
            0..=9 => town.refresh(client).await,
            10..=14 => town.two_windows(client).await,
            15..=18 => town.lost_answers(client).await,
            19 => town.restart().await,
            20 => town.sign_out(client).await,
            _ => town.theft(client, step).await,
        }
    }
    // Whoever is still there goes on.
    for client in 0..CLIENTS {
        town.refresh(client).await;
    }
    town.told
}

fn name(user: usize) -> String {
    match user {
        0 => "alice".to_owned(),
        _ => format!("user{user}"),
    }
}

impl Town {
    fn roll(&mut self, sides: usize) -> usize {
        let rolled = self.dice.roll(sides as u64);
        usize::try_from(rolled).unwrap()
    }

    fn node(&mut self) -> Issuer {
        let node = self.roll(2);
        self.nodes[node].clone()
    }

    async fn sign_in(&mut self, client: usize) -> String {
        let node = self.node();
        sign_in(&node, &name(client % USERS)).await.refresh_token
    }

    async fn ask(&mut self, token: &str) -> Result<Refreshed, RefreshError> {
        let node = self.node();
        node.refresh(token, FIRST_PARTY_CLIENT).await
    }

    /// What an honest client sends is answered.
    async fn honest(&mut self, token: &str) -> Refreshed {
        let refreshed = self.ask(token).await;
        let refreshed = refreshed.unwrap_or_else(|error| {
            panic!("an honest client was refused: {error}; {:?}", self.told)
        });
        self.told.refreshes += 1;
        self.told.repeated += usize::from(refreshed.repeated);
        refreshed
    }

    async fn refresh(&mut self, client: usize) {
        let token = self.tokens[client].clone();
        let refreshed = self.honest(&token).await;
        assert!(!refreshed.repeated);
        self.tokens[client] = refreshed.answer.refresh_token;
    }

    /// Both at once, on whatever nodes.
    async fn two_windows(&mut self, client: usize) {
        let token = self.tokens[client].clone();
        let (one, other) = (self.node(), self.node());
        let (one, other) = tokio::join!(
            one.refresh(&token, FIRST_PARTY_CLIENT),
            other.refresh(&token, FIRST_PARTY_CLIENT)
        );
        let (one, other) = (one.ok().unwrap(), other.ok().unwrap());
        assert_eq!(one.answer.refresh_token, other.answer.refresh_token);
        assert!(one.repeated != other.repeated, "one of them rotated");
        self.told.refreshes += 2;
        self.told.repeated += 1;
        self.tokens[client] = one.answer.refresh_token;
    }

    /// Answers that never arrive, then one that does, all within the overlap;
    /// a node may be restarted in between.
    async fn lost_answers(&mut self, client: usize) {
        let token = self.tokens[client].clone();
        let lost = self.honest(&token).await.answer.refresh_token;
        let mut left = OVERLAP;
        for _ in 0..1 + self.roll(3) {
            let pause = self.dice.roll(left + 1);
            left -= pause;
            self.world.clock.turn(pause);
            if self.roll(8) == 0 {
                self.restart().await;
            }
            let again = self.honest(&token).await;
            assert!(again.repeated);
            assert_eq!(again.answer.refresh_token, lost, "a second branch");
        }
        self.tokens[client] = lost;
    }

    async fn restart(&mut self) {
        let node = self.roll(2);
        self.nodes[node] = self.world.open().await;
        self.told.restarts += 1;
    }

    async fn sign_out(&mut self, client: usize) {
        let token = self.tokens[client].clone();
        let node = self.node();
        let session = node.session_of(&token, FIRST_PARTY_CLIENT).await;
        let session = session.unwrap().unwrap();
        let ended = node.end_session(session, EndCause::SignOut).await;
        assert!(ended.unwrap());
        let refused = self.ask(&token).await;
        assert!(matches!(refused, Err(RefreshError::Invalid)));
        self.told.sign_outs += 1;
        self.tokens[client] = self.sign_in(client).await;
    }

    /// One theft from beginning to end; the owner signs in again after it.
    async fn theft(&mut self, client: usize, step: usize) {
        self.told.thefts += 1;
        let stolen = self.tokens[client].clone();
        let kind = match step % 4 {
            0 => self.used_late(client, &stolen).await,
            1 => self.used_first(&stolen).await,
            2 => self.a_grandparent(client, &stolen).await,
            _ => self.in_step(client, stolen).await,
        };
        assert!(kind.is_some(), "a theft was not seen: {:?}", self.told);
        // Both are out.
        let token = self.tokens[client].clone();
        let refused = self.ask(&token).await;
        assert!(matches!(refused, Err(RefreshError::Invalid)));
        self.told.caught += 1;
        self.tokens[client] = self.sign_in(client).await;
    }

    async fn reuse_of(&mut self, token: &str) -> Option<ReuseKind> {
        match self.ask(token).await {
            Err(RefreshError::Reused(kind)) => Some(kind),
            _ => None,
        }
    }

    /// The copy comes when the owner has gone on.
    async fn used_late(&mut self, client: usize, stolen: &str) -> Option<ReuseKind> {
        self.refresh(client).await;
        let late = OVERLAP + 1 + self.dice.roll(600);
        self.world.clock.turn(late);
        self.reuse_of(stolen).await
    }

    /// The thief goes on, and the owner comes with what was used.
    async fn used_first(&mut self, stolen: &str) -> Option<ReuseKind> {
        let taken = self.honest(stolen).await.answer.refresh_token;
        let late = OVERLAP + 1 + self.dice.roll(240);
        self.world.clock.turn(late);
        let kind = self.reuse_of(stolen).await;
        assert!(self.ask(&taken).await.is_err(), "the thief is out as well");
        kind
    }

    /// Two generations behind, and inside the overlap.
    async fn a_grandparent(&mut self, client: usize, stolen: &str) -> Option<ReuseKind> {
        self.refresh(client).await;
        self.refresh(client).await;
        let kind = self.reuse_of(stolen).await;
        assert_eq!(kind, Some(ReuseKind::Theft));
        kind
    }

    /// The thief stays inside the overlap for a while, where nobody could tell
    /// him from a second window, and misses it once.
    async fn in_step(&mut self, client: usize, mut stolen: String) -> Option<ReuseKind> {
        for _ in 0..1 + self.roll(3) {
            self.world.clock.turn(240);
            self.refresh(client).await;
            let pause = self.dice.roll(OVERLAP + 1);
            self.world.clock.turn(pause);
            let taken = self.honest(&stolen).await;
            assert!(taken.repeated);
            stolen = taken.answer.refresh_token;
        }
        self.world.clock.turn(240);
        self.used_late(client, &stolen).await
    }
}
