#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use aws_lc_rs::hmac;
use doorward_verify::clock::Timestamp;
use proptest::prelude::{any, proptest};
use uuid::Uuid;

use super::{Judgement, Presented, ReuseKind, Rules, SessionKey, judge};
use crate::{session::SessionId, store::SessionRow, tenant::TenantName, user::UserId};

fn outer() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &[9; 32])
}

fn session() -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes([3; 16]))
}

#[test]
fn a_token_names_its_session_and_generation() {
    let key = SessionKey::new(&[1; 32]);
    let text = key.token(&outer(), session(), 7);
    assert_eq!(text.len(), 64);
    let presented = Presented::parse(&text, &outer()).unwrap();
    assert_eq!((presented.session, presented.generation), (session(), 7));
    assert!(key.made(&presented));
    assert!(
        !SessionKey::new(&[2; 32]).made(&presented),
        "another session's key"
    );
    let other_pepper = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    assert!(Presented::parse(&text, &other_pepper).is_none());
}

#[test]
fn rft_014_a_cut_padded_or_case_changed_token_is_no_token() {
    let text = SessionKey::new(&[1; 32]).token(&outer(), session(), 1);
    let mut bad = vec![
        String::new(),
        "dwr_".to_owned(),
        text.to_uppercase(),
        text.to_lowercase(),
        format!("{text}="),
        format!("{text}A"),
        format!(" {text}"),
        format!("{text}\n"),
        text.replacen("dwr_", "DWR_", 1),
        text.repeat(2),
        "dwr_".to_owned() + &"A".repeat(60),
        "dwr_".to_owned() + &"é".repeat(30),
    ];
    bad.extend((0..text.len()).map(|end| text[..end].to_owned()));
    for (position, letter) in text.char_indices() {
        for other in ['A', 'B', '_', '-', '+', '/', '='] {
            let mut changed = text.clone();
            changed.replace_range(position..=position, &other.to_string());
            if letter != other {
                bad.push(changed);
            }
        }
    }
    for text in bad {
        assert!(Presented::parse(&text, &outer()).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Presented::parse(&text, &outer());
        let _ = Presented::parse(&format!("dwr_{text}"), &outer());
    }
}

const NOW: u64 = 1_000_000;
const RULES: Rules = Rules {
    overlap: 20_000,
    patience: 300_000,
};

fn row(generation: u32, rotated_at: u64) -> SessionRow {
    SessionRow {
        user: UserId::from_text("u".to_owned()),
        tenant: TenantName::parse("acme").unwrap(),
        client_id: "app".to_owned(),
        methods: Vec::new(),
        sealed_key: Vec::new(),
        generation,
        rotated_at: Timestamp::from_millis(rotated_at),
        idle_until: Timestamp::from_millis(NOW + 1),
        absolute_until: Timestamp::from_millis(NOW + 1),
        created_at: Timestamp::from_millis(0),
        ended: false,
    }
}

fn judged(row: &SessionRow, presented: u32, client: &str) -> Judgement {
    judge(row, presented, client, Timestamp::from_millis(NOW), RULES)
}

#[test]
fn the_parent_is_repeated_inside_the_overlap_only() {
    for (age, wanted) in [
        (0, Judgement::Repeat),
        (20_000, Judgement::Repeat),
        (20_001, Judgement::Reuse(ReuseKind::LostResponse)),
        (300_000, Judgement::Reuse(ReuseKind::LostResponse)),
        (300_001, Judgement::Reuse(ReuseKind::Replay)),
    ] {
        assert_eq!(judged(&row(5, NOW - age), 4, "app"), wanted, "{age} ms");
    }
}

#[test]
fn rft_004_the_grandparent_is_theft_even_inside_the_overlap() {
    for presented in [0, 1, 3] {
        let theft = Judgement::Reuse(ReuseKind::Theft);
        assert_eq!(judged(&row(5, NOW), presented, "app"), theft);
    }
}

#[test]
fn rft_018_a_clock_that_went_back_does_not_stretch_the_overlap() {
    let rotated_in_the_future = row(5, NOW + 60_000);
    assert!(matches!(
        judged(&rotated_in_the_future, 4, "app"),
        Judgement::Reuse(_)
    ));
}

#[test]
fn what_is_over_or_foreign_is_refused_without_a_trace_of_why() {
    let over = [
        SessionRow {
            ended: true,
            ..row(5, NOW)
        },
        SessionRow {
            idle_until: Timestamp::from_millis(NOW),
            ..row(5, NOW)
        },
        SessionRow {
            absolute_until: Timestamp::from_millis(NOW),
            ..row(5, NOW)
        },
    ];
    for row in over {
        for presented in [3, 4, 5, 6] {
            assert_eq!(judged(&row, presented, "app"), Judgement::Refuse);
        }
    }
    assert_eq!(judged(&row(5, NOW), 4, "other"), Judgement::WrongClient);
    assert_eq!(judged(&row(5, NOW), 6, "app"), Judgement::Ahead);
}
