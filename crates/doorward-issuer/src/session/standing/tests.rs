//! Each answer of the refresh rule, alone.

use doorward_verify::clock::Timestamp;

use super::{Presentation, ReuseKind, Rules, Standing, Verdict, decide};

const NOW: u64 = 1_000_000;
const RULES: Rules = Rules {
    overlap: 20_000,
    patience: 300_000,
    idle: 604_800_000,
};

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn standing(generation: u32, rotated_at: u64) -> Standing {
    Standing {
        generation,
        rotated_at: at(rotated_at),
        idle_until: at(NOW + 1),
        absolute_until: at(NOW + 1),
        ended: false,
    }
}

fn decided(standing: &Standing, generation: u32) -> Verdict {
    let presented = Presentation {
        generation,
        is_its_client: true,
        now: at(NOW),
    };
    decide(standing, presented, RULES)
}

#[test]
fn the_newest_goes_on_and_changes_nothing_but_three_numbers() {
    let before = standing(5, NOW - 60_000);
    let after = Standing {
        generation: 6,
        rotated_at: at(NOW),
        idle_until: at(NOW + RULES.idle),
        ..before
    };
    assert_eq!(decided(&before, 5), Verdict::Rotate(after));
    let last = standing(u32::MAX, NOW);
    assert_eq!(decided(&last, u32::MAX), Verdict::Refuse);
}

#[test]
fn the_parent_is_repeated_inside_the_overlap_only() {
    for (age, wanted) in [
        (0, Verdict::Repeat),
        (20_000, Verdict::Repeat),
        (20_001, Verdict::Reuse(ReuseKind::LostResponse)),
        (300_000, Verdict::Reuse(ReuseKind::LostResponse)),
        (300_001, Verdict::Reuse(ReuseKind::Replay)),
    ] {
        assert_eq!(decided(&standing(5, NOW - age), 4), wanted, "{age} ms");
    }
}

#[test]
fn rft_004_the_grandparent_is_theft_even_inside_the_overlap() {
    for presented in [0, 1, 3] {
        let theft = Verdict::Reuse(ReuseKind::Theft);
        assert_eq!(decided(&standing(5, NOW), presented), theft);
    }
}

#[test]
fn rft_018_a_clock_that_went_back_does_not_stretch_the_overlap() {
    let rotated_in_the_future = standing(5, NOW + 60_000);
    assert!(matches!(
        decided(&rotated_in_the_future, 4),
        Verdict::Reuse(_)
    ));
}

#[test]
fn what_is_over_or_foreign_is_refused_without_a_trace_of_why() {
    let over = [
        Standing {
            ended: true,
            ..standing(5, NOW)
        },
        Standing {
            idle_until: at(NOW),
            ..standing(5, NOW)
        },
        Standing {
            absolute_until: at(NOW),
            ..standing(5, NOW)
        },
    ];
    for standing in over {
        for presented in [3, 4, 5, 6] {
            assert_eq!(decided(&standing, presented), Verdict::Refuse);
        }
    }
    assert_eq!(decided(&standing(5, NOW), 6), Verdict::Ahead);
    for generation in [4, 5, 6] {
        let presented = Presentation {
            generation,
            is_its_client: false,
            now: at(NOW),
        };
        let verdict = decide(&standing(5, NOW), presented, RULES);
        assert_eq!(verdict, Verdict::WrongClient);
    }
}
