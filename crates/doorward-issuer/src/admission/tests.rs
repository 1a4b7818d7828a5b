#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use doorward_verify::clock::Timestamp;

use super::{
    Admission, Network, Refused, Ticket,
    counters::{
        ACCOUNT_FAILURES, FAMILIAR, MINUTE, NETWORK_FAILURES, PAIR_FAILURES, SECOND, WINDOW,
    },
};

const START: u64 = 1_800_000_000_000;

/// An admission with a clock that the test turns.
struct Gate {
    admission: Admission,
    now: u64,
}

impl Gate {
    fn new() -> Self {
        Self {
            admission: Admission::new(1_000),
            now: START,
        }
    }

    fn ask(&self, username: &str, network: Network) -> Result<Ticket, Refused> {
        let now = Timestamp::from_millis(self.now);
        self.admission.admit(username, network, now)
    }

    fn fail(&self, username: &str, network: Network) {
        self.ask(username, network).unwrap().failed();
    }

    fn retry_after(&self, username: &str, network: Network) -> Option<u64> {
        match self.ask(username, network) {
            Ok(ticket) => {
                ticket.withdrawn();
                None
            }
            Err(Refused::Throttled {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            Err(Refused::Busy { .. }) => panic!("busy"),
        }
    }
}

fn network(number: u64) -> Network {
    Network::V6(number)
}

const CAFE: Network = Network::V6(1);
const HOME: Network = Network::V6(2);

#[test]
fn bru_001_ten_failures_slow_the_network_and_not_the_owner_elsewhere() {
    let gate = Gate::new();
    for _ in 0..PAIR_FAILURES {
        gate.fail("alice", CAFE);
    }
    assert_eq!(gate.retry_after("alice", CAFE), Some(30));
    assert_eq!(gate.retry_after("alice", HOME), None);
    assert_eq!(gate.retry_after("bob", CAFE), None);
}

#[test]
fn bru_001_the_delay_doubles_and_ends_when_it_is_quiet() {
    let mut gate = Gate::new();
    for _ in 0..PAIR_FAILURES {
        gate.fail("alice", CAFE);
    }
    for wanted in [30, 60, 120, 240, 480, 900, 900, 900] {
        assert_eq!(gate.retry_after("alice", CAFE), Some(wanted));
        gate.now += wanted * SECOND - 1;
        assert_eq!(gate.retry_after("alice", CAFE), Some(1));
        gate.now += 1;
        gate.fail("alice", CAFE);
    }
    gate.now += WINDOW;
    for _ in 0..PAIR_FAILURES {
        gate.fail("alice", CAFE);
    }
}

#[test]
fn bru_002_parallel_guesses_are_counted_one_by_one() {
    let mut gate = Gate::new();
    let tickets: Vec<_> = (0..100)
        .filter_map(|_| gate.ask("alice", CAFE).ok())
        .collect();
    assert_eq!(tickets.len(), PAIR_FAILURES as usize);
    drop(tickets);
    assert_eq!(
        gate.retry_after("alice", CAFE),
        Some(30),
        "hanging up was free"
    );
    gate.now += 30 * SECOND;
    let tickets: Vec<_> = (0..100)
        .filter_map(|_| gate.ask("alice", CAFE).ok())
        .collect();
    assert_eq!(
        tickets.len(),
        1,
        "a slowed pair got more than one try at a time"
    );
}

#[test]
fn bru_003_spellings_of_a_name_share_one_counter() {
    let gate = Gate::new();
    for spelling in ["alice", "ALICE", " Alice ", "aLiCe\t", "alicE"]
        .iter()
        .cycle()
        .take(10)
    {
        gate.fail(spelling, CAFE);
    }
    assert!(gate.retry_after("alice", CAFE).is_some());
}

#[test]
fn a_right_password_clears_the_account_but_not_the_network() {
    let gate = Gate::new();
    for guess in 0..NETWORK_FAILURES {
        if guess % 9 == 0 {
            gate.ask("mallory", CAFE).unwrap().succeeded();
        }
        gate.fail("mallory", CAFE);
    }
    assert_eq!(gate.retry_after("mallory", CAFE), Some(18));
}

#[test]
fn bru_005_one_password_on_many_accounts_exhausts_the_network() {
    let mut gate = Gate::new();
    for account in 0..NETWORK_FAILURES {
        gate.fail(&format!("user{account}"), CAFE);
    }
    assert_eq!(gate.retry_after("another", CAFE), Some(18));
    assert_eq!(gate.retry_after("another", HOME), None);
    gate.now += 18 * SECOND;
    gate.fail("another", CAFE);
    assert!(
        gate.retry_after("another", CAFE).is_some(),
        "more than one was forgotten"
    );
    gate.now += WINDOW;
    assert_eq!(gate.retry_after("another", CAFE), None);
}

#[test]
fn bru_001_a_thousand_networks_get_a_hundred_guesses_and_the_owner_still_enters() {
    let mut gate = Gate::new();
    gate.ask("alice", HOME).unwrap().succeeded();
    let guesses = (100..1100).filter(|number| match gate.ask("alice", network(*number)) {
        Ok(ticket) => {
            ticket.failed();
            true
        }
        Err(_) => false,
    });
    assert_eq!(guesses.count(), ACCOUNT_FAILURES as usize);
    assert_eq!(
        gate.retry_after("alice", network(5000)),
        Some(WINDOW / SECOND)
    );
    assert_eq!(gate.retry_after("alice", HOME), None);
    gate.now += WINDOW - MINUTE;
    assert_eq!(gate.retry_after("alice", network(5000)), Some(60));
    gate.now += MINUTE;
    assert_eq!(gate.retry_after("alice", network(5000)), None);
}

#[test]
fn a_network_stays_familiar_for_thirty_days() {
    let mut gate = Gate::new();
    gate.ask("alice", HOME).unwrap().succeeded();
    gate.now += FAMILIAR;
    for number in 100..200 {
        gate.fail("alice", network(number));
    }
    assert!(gate.retry_after("alice", HOME).is_some());
}

#[test]
fn dos_001_one_network_holds_at_most_half_of_what_may_be_under_way() {
    let admission = Admission::new(8);
    let ask = |number: u64, from| {
        let now = Timestamp::from_millis(START);
        admission.admit(&format!("user{number}"), from, now)
    };
    let flood: Vec<_> = (0..500)
        .filter_map(|number| ask(number, CAFE).ok())
        .collect();
    assert_eq!(flood.len(), 4);
    let honest: Vec<_> = (0..4).map(|number| ask(number, HOME).unwrap()).collect();
    let busy = Refused::Busy {
        retry_after_seconds: 1,
    };
    assert_eq!(ask(9, network(9)).err(), Some(busy));
    drop((flood, honest));
    assert!(ask(9, network(9)).is_ok());
}

#[test]
fn dos_012_a_clock_that_goes_back_makes_nobody_wait_longer() {
    let mut gate = Gate::new();
    for _ in 0..PAIR_FAILURES {
        gate.fail("alice", CAFE);
    }
    gate.now -= 60 * MINUTE;
    assert_eq!(gate.retry_after("alice", CAFE), Some(30));
}
