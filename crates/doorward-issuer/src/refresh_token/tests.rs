#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use aws_lc_rs::hmac;
use proptest::prelude::{any, proptest};
use uuid::Uuid;

use super::{Presented, SessionKey};
use crate::session::SessionId;

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
