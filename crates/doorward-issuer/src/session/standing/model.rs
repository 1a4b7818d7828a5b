//! Every order of events, with the rule that production runs.
//!
//! One session, two clients (an honest one and a second holder of its tokens),
//! two nodes that each work on one request at a time, time that passes in
//! steps of one overlap. For a request the row and the clock are read, then a
//! transaction runs, then it is answered; between any two of these the node may
//! crash, and an answer may be lost. What a transaction does is [`transact`], which says in a few lines
//! what `Exchange::run` says in SQL; what it *decides* is [`decide`] itself.
//!
//! The checker walks the whole space. To show that it would see a mistake, the
//! two that were made elsewhere can be built in ([`Flaw`]), and are found.
//!
//! An honest client here does what the product asks of one: it tries again
//! within the overlap when it heard nothing, and asks for the next generation
//! only when none of its requests is under way any more.

use doorward_verify::clock::Timestamp;
use stateright::{Checker, Model, Property};

use super::{Presentation, Rules, Standing, Verdict, decide};

/// One overlap, and the step in which time passes.
const OVERLAP: u8 = 1;
const RULES: Rules = Rules {
    overlap: OVERLAP as u64,
    patience: 2,
    idle: 100,
};
/// Time at the end of all runs.
const END: u8 = 4;
/// Generations that the clients go through.
const GENERATIONS: u32 = 3;
/// Crashes and lost answers in one run.
const FAULTS: u8 = 2;

/// What the second client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Second {
    /// Another window of the honest client: one storage, two requests.
    Window,
    /// Somebody who copies the token once.
    Thief,
    /// Another client, who got hold of the token.
    Foreign,
}

/// A mistake that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Flaw {
    None,
    /// Check and update apart: what was decided is written whatever happened
    /// since (CVE-2026-1035).
    BlindWrite,
    /// A node that started after the rotation knows nothing of it
    /// (CVE-2026-9802).
    ForgetsAtStart,
    /// The parent is accepted for ever.
    ParentForEver,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    row: Standing,
    nodes: [Node; 2],
    honest: Holder,
    second: Option<Holder>,
    /// Crashes and lost answers until now.
    faults: u8,
    /// When each generation was first exchanged.
    exchanged_at: [Option<u8>; GENERATIONS as usize + 1],
    /// What must never be, seen when it happened.
    broken: Option<Broken>,
    /// What should be possible, in the state in which it happened.
    repeated: bool,
    caught: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    /// Looked at by a flaw only.
    started_at: u8,
    work: Option<Work>,
}

/// A request on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Work {
    by: Who,
    presented: Presentation,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The row as the node saw it before the transaction.
    Read(Standing),
    /// Durable, and not answered: the generation that was given, if any.
    Done(Option<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Honest,
    Second,
}

/// What a client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holder {
    newest: u32,
    /// When it first presented that one.
    asked_at: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Broken {
    /// An answer names a generation that the row does not have.
    NotDurable,
    /// Two successors of one generation, or an old one went on.
    Branched,
    /// A generation was exchanged twice, further apart than the overlap.
    ReuseAccepted,
    /// An ended session gave something.
    RoseAgain,
    /// Another client got something.
    GivenAway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Event {
    Ask(Who, usize),
    Transact(usize),
    Answer(usize),
    Lose(usize),
    Crash(usize),
    Steal,
    Tick,
}

struct Sessions {
    second: Second,
    flaw: Flaw,
}

const fn at(time: u8) -> Timestamp {
    Timestamp::from_millis(1000 + time as u64)
}

impl Model for Sessions {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let first = Holder {
            newest: 0,
            asked_at: None,
        };
        vec![State {
            now: 0,
            row: Standing {
                generation: 0,
                rotated_at: at(0),
                idle_until: at(99),
                absolute_until: at(99),
                ended: false,
            },
            nodes: Default::default(),
            honest: first,
            second: None,
            faults: 0,
            exchanged_at: [None; GENERATIONS as usize + 1],
            broken: None,
            repeated: false,
            caught: false,
        }]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        if state.broken.is_some() {
            return;
        }
        for (at, node) in state.nodes.iter().enumerate() {
            match node.work {
                None => {
                    if self.may_ask(state, Who::Honest) {
                        events.push(Event::Ask(Who::Honest, at));
                    }
                    if self.may_ask(state, Who::Second) {
                        events.push(Event::Ask(Who::Second, at));
                    }
                }
                Some(work) => {
                    events.push(match work.step {
                        Step::Read(_) => Event::Transact(at),
                        Step::Done(_) => Event::Answer(at),
                    });
                    if state.faults < self.most_faults() {
                        events.push(Event::Crash(at));
                        events.push(Event::Lose(at));
                    }
                }
            }
        }
        if self.second != Second::Window && state.second.is_none() {
            events.push(Event::Steal);
        }
        if state.now < END && self.may_pass(state) {
            events.push(Event::Tick);
        }
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let mut state = State {
            repeated: false,
            caught: false,
            ..last.clone()
        };
        match event {
            Event::Ask(who, node) => self.ask(&mut state, who, node),
            Event::Transact(node) => self.transact(&mut state, node)?,
            Event::Answer(node) => {
                let work = state.nodes[node].work.take()?;
                self.answer(&mut state, work);
            }
            // Before the transaction nothing was done, after it the answer
            // is lost: the request, or the word of it, is gone either way.
            Event::Lose(node) => {
                state.nodes[node].work = None;
                state.faults += 1;
            }
            Event::Crash(node) => {
                state.nodes[node].work = None;
                if self.flaw == Flaw::ForgetsAtStart {
                    state.nodes[node].started_at = state.now;
                }
                state.faults += 1;
            }
            Event::Steal => state.second = Some(state.honest),
            Event::Tick => state.now += 1,
        }
        // The nodes are alike, so which of them is which is no difference.
        if self.flaw != Flaw::ForgetsAtStart && state.nodes[0].rank() > state.nodes[1].rank() {
            state.nodes.swap(0, 1);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing forbidden happens", |_, state: &State| {
                state.broken.is_none()
            }),
            Property::always(
                "a client never knows more than the row",
                |_, state: &State| state.honest.newest <= state.row.generation,
            ),
            Property::sometimes("a lost answer is had again", |_, state: &State| {
                state.repeated
            }),
        ];
        if self.second == Second::Thief {
            properties.push(Property::sometimes(
                "a thief is caught",
                |_, state: &State| state.caught,
            ));
        } else {
            properties.push(Property::always(
                "nobody honest is out",
                |_, state: &State| !state.row.ended,
            ));
        }
        properties
    }
}

/// Start, what was asked, and what was given.
type Rank = (u8, Option<Asked>, Option<Option<u32>>);
type Asked = (u32, bool, Timestamp);

impl Node {
    /// Some order.
    fn rank(&self) -> Rank {
        let asked = self.work.map(|work| {
            let presented = work.presented;
            let by = work.by == Who::Second;
            (presented.generation, by, presented.now)
        });
        let done = self.work.and_then(|work| match work.step {
            Step::Done(given) => Some(given),
            Step::Read(_) => None,
        });
        (self.started_at, asked, done)
    }
}

impl Sessions {
    /// A mistake shows after one fault; without one, two are not enough.
    fn most_faults(&self) -> u8 {
        match self.flaw {
            Flaw::None => FAULTS,
            _ => 1,
        }
    }

    fn may_ask(&self, state: &State, who: Who) -> bool {
        let own: Vec<_> = state.nodes.iter().filter_map(|node| node.work).collect();
        let windows = if self.second == Second::Window { 2 } else { 1 };
        match who {
            Who::Honest => {
                let holder = state.honest;
                let own = own.iter().filter(|work| work.by == who);
                let is_first = holder.asked_at.is_none();
                let in_time = holder
                    .asked_at
                    .is_some_and(|first| state.now - first <= OVERLAP);
                let busy = own.clone().count();
                holder.newest < GENERATIONS
                    && busy < windows
                    && (in_time || (is_first && busy == 0))
            }
            Who::Second => {
                state
                    .second
                    .is_some_and(|holder| holder.newest < GENERATIONS)
                    && !own.iter().any(|work| work.by == who)
            }
        }
    }

    /// Time waits for an honest client that is about to miss its overlap.
    fn may_pass(&self, state: &State) -> bool {
        let honest = state.honest;
        honest
            .asked_at
            .is_none_or(|first| state.now - first < OVERLAP)
    }

    fn ask(&self, state: &mut State, who: Who, node: usize) {
        let holder = match who {
            Who::Honest => &mut state.honest,
            Who::Second => match &mut state.second {
                Some(holder) => holder,
                None => return,
            },
        };
        holder.asked_at.get_or_insert(state.now);
        let presented = Presentation {
            generation: holder.newest,
            is_its_client: who == Who::Honest || self.second != Second::Foreign,
            now: at(state.now),
        };
        state.nodes[node].work = Some(Work {
            by: who,
            presented,
            step: Step::Read(state.row),
        });
    }

    /// One transaction: decide on what was read before, swap if it is still
    /// so, else look again and decide on that.
    fn transact(&self, state: &mut State, node: usize) -> Option<()> {
        let work = state.nodes[node].work?;
        let Step::Read(seen) = work.step else {
            return None;
        };
        let (before, presented) = (state.row, work.presented);
        let started_at = state.nodes[node].started_at;
        let mut verdict = self.decide(&seen, presented, started_at);
        let is_stale = seen.generation != before.generation || before.ended;
        if !matches!(verdict, Verdict::Rotate(_)) || (is_stale && self.flaw != Flaw::BlindWrite) {
            verdict = self.decide(&before, presented, started_at);
        }
        let given = match verdict {
            Verdict::Rotate(after) => {
                state.row = after;
                Some(after.generation)
            }
            Verdict::Repeat => {
                state.repeated = true;
                Some(presented.generation + 1)
            }
            Verdict::Reuse(_) | Verdict::Ahead => {
                state.row.ended = true;
                state.caught = true;
                None
            }
            Verdict::Refuse | Verdict::WrongClient => None,
        };
        if given.is_some() {
            self.judge(state, &before, work);
        }
        state.nodes[node].work = Some(Work {
            step: Step::Done(given),
            ..work
        });
        Some(())
    }

    fn decide(&self, standing: &Standing, presented: Presentation, started_at: u8) -> Verdict {
        let verdict = decide(standing, presented, RULES);
        let is_parent = standing.generation.checked_sub(presented.generation) == Some(1);
        match (self.flaw, verdict) {
            (Flaw::ForgetsAtStart, Verdict::Reuse(_)) if standing.rotated_at < at(started_at) => {
                Verdict::Repeat
            }
            (Flaw::ParentForEver, Verdict::Reuse(_)) if is_parent => Verdict::Repeat,
            (_, verdict) => verdict,
        }
    }

    /// What was given, judged by what the product page says and not by the
    /// rule.
    fn judge(&self, state: &mut State, before: &Standing, work: Work) {
        let presented = work.presented.generation;
        let asked = u8::try_from(work.presented.now.millis() - 1000).unwrap_or(u8::MAX);
        let slot = &mut state.exchanged_at[presented as usize];
        let first = *slot.get_or_insert(asked);
        let broken = if before.ended {
            Some(Broken::RoseAgain)
        } else if !work.presented.is_its_client {
            Some(Broken::GivenAway)
        } else if state.row.generation < presented + 1 {
            Some(Broken::NotDurable)
        } else if state.row.generation != presented + 1 || state.row.generation < before.generation
        {
            Some(Broken::Branched)
        } else if asked.abs_diff(first) > OVERLAP {
            Some(Broken::ReuseAccepted)
        } else if state.row != *before && before.generation != presented {
            Some(Broken::Branched)
        } else {
            None
        };
        state.broken = state.broken.or(broken);
    }

    fn answer(&self, state: &mut State, work: Work) {
        let Step::Done(Some(given)) = work.step else {
            return;
        };
        let holder = match (work.by, &mut state.second) {
            (Who::Honest, _) => &mut state.honest,
            (Who::Second, Some(second)) => second,
            (Who::Second, None) => return,
        };
        if given > holder.newest {
            *holder = Holder {
                newest: given,
                asked_at: None,
            };
        }
    }
}

fn explored(second: Second, flaw: Flaw) -> impl Checker<Sessions> {
    Sessions { second, flaw }.checker().spawn_bfs().join()
}

/// How many states there are, so that a model that lost its events is noticed.
fn holds(second: Second, at_least: usize) {
    let checker = explored(second, Flaw::None);
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states >= at_least, "{second:?}: {states} states only");
}

#[test]
fn rft_008_windows_lost_answers_and_crashes_sign_nobody_out() {
    holds(Second::Window, 1000);
}

#[test]
fn rft_001_whoever_comes_late_with_a_copy_ends_the_session() {
    holds(Second::Thief, 1000);
}

#[test]
fn rft_010_another_client_gets_nothing_and_does_no_harm_in_any_order() {
    holds(Second::Foreign, 1000);
}

/// The checker is worth something only if it sees what went wrong elsewhere.
#[test]
fn cve_2026_1035_check_and_update_apart_would_be_found() {
    let checker = explored(Second::Thief, Flaw::BlindWrite);
    assert!(checker.discovery("nothing forbidden happens").is_some());
}

#[test]
fn cve_2026_9802_a_node_that_forgets_at_its_start_would_be_found() {
    let checker = explored(Second::Thief, Flaw::ForgetsAtStart);
    assert!(checker.discovery("nothing forbidden happens").is_some());
}

#[test]
fn walk_in_step_theft_with_a_parent_that_lives_for_ever_would_be_found() {
    let checker = explored(Second::Thief, Flaw::ParentForEver);
    assert!(checker.discovery("nothing forbidden happens").is_some());
}
