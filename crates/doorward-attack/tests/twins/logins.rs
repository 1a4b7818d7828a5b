//! Twins with a sign-in (`python/logins.py`), and the cases of `--login`.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use doorward_attack::{
    case::{self, Extra, Tier},
    login::{Login, LoginFile, Secret, SecretSource},
    report::{End, Report},
    verdict::Verdict,
};
use serde_json::{Value, json};

use crate::harness::{Twin, Twins, why};

/// How the twin is signed in at.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// Endpoints that the file describes one by one.
    Json,
    /// The preset of OAuth 2, with a client that has a secret.
    OAuth2,
    /// Like the first, an account with a second factor.
    Factor,
}
use By::{Factor, Json, OAuth2};

/// Name of the twin, how it is signed in at, the case that is proven (or
/// suspect), and other cases that the same fault makes true.
type Row = (&'static str, By, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("sound", Json, "", &[]),
    ("sound_with_clients", OAuth2, "", &[]),
    ("sound_with_codes", Factor, "", &[]),
    ("used_tokens_stay_good", Json, "RFT-001", &[]),
    (
        "one_refresh_token_for_ever",
        Json,
        "RFT-001",
        &["RFT-004", "RFT-005"],
    ),
    ("a_retry_makes_a_branch", Json, "RFT-002", &["RFT-003"]),
    (
        "rotation_is_two_steps",
        Json,
        "RFT-003",
        &["RFT-001", "RFT-004"],
    ),
    (
        "any_ancestor_within_the_overlap",
        Json,
        "RFT-004",
        &["RFT-001"],
    ),
    (
        "order_by_the_clock",
        Json,
        "RFT-005",
        &["RFT-001", "RFT-002", "RFT-004"],
    ),
    ("any_client_refreshes", OAuth2, "RFT-010", &[]),
    ("scope_as_asked", OAuth2, "RFT-011", &[]),
    ("client_id_is_enough", OAuth2, "RFT-012", &[]),
    ("refresh_token_by_its_beginning", Json, "RFT-014", &[]),
    ("sign_out_forgets_the_access_token", Json, "REV-001", &[]),
    ("sign_out_forgets_the_refresh_token", Json, "REV-002", &[]),
    ("everywhere_is_only_here", Json, "REV-003", &[]),
    ("password_change_keeps_sessions", Json, "REV-004", &[]),
    ("sign_up_takes_everything", Json, "ISS-001", &[]),
    ("sign_up_makes_administrators", Json, "ISS-001", &[]),
    ("issuer_from_host", Json, "ISS-021", &[]),
    ("mail_link_from_a_field", Json, "ISS-021", &[]),
    ("reset_token_stays_good", Json, "ISS-022", &[]),
    ("reset_is_two_steps", Json, "ISS-022", &[]),
    ("tenant_as_asked", Json, "ISS-036", &[]),
    ("names_as_they_are_typed", Json, "PAR-018", &[]),
    ("nobody_counts", Json, "BRU-001", &["BRU-005"]),
    ("slowed_after_fifty", Json, "BRU-001", &[]),
    ("owner_is_locked_out", Json, "BRU-001", &[]),
    ("counted_afterwards", Json, "BRU-002", &[]),
    ("a_counter_for_each_spelling", Json, "BRU-003", &[]),
    ("no_bound_for_an_address", Json, "BRU-005", &[]),
    ("address_as_forwarded", Json, "BRU-006", &[]),
    ("tells_who_is_there", Json, "BRU-007", &["BRU-009"]),
    ("hashes_only_for_accounts", Json, "BRU-008", &[]),
    ("nobody_is_never_slowed", Json, "BRU-009", &["BRU-005"]),
    ("codes_are_not_counted", Factor, "BRU-010", &[]),
    ("cut_at_72_bytes", Json, "BRU-012", &[]),
    ("any_password_will_do", Json, "BRU-013", &[]),
    ("mails_without_end", Json, "BRU-014", &[]),
];

/// What is suspect and no more.
const SUSPICIONS: [&str; 3] = [
    "slowed_after_fifty",
    "owner_is_locked_out",
    "no_bound_for_an_address",
];

#[test]
fn every_fault_around_signing_in_is_found_by_its_case() {
    let Some(twins) = Twins::serving(&[include_str!("python/logins.py")]) else {
        return;
    };
    let in_table: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    let missing: Vec<&str> = twins
        .names()
        .filter(|name| !in_table.contains(name))
        .collect();
    assert!(missing.is_empty(), "twins without a row: {missing:?}");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // Most of the time is spent in waiting, for overlaps and for hashes.
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(row) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let twin = twins.twin(row.0);
                    let complaint = twin.and_then(|twin| complaint(row, &attacked(&twin, row)));
                    failures.lock().unwrap().extend(complaint);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_case_that_needs_a_login_has_a_twin() {
    let all = case::all()
        .iter()
        .filter(|case| case.tier == Tier::Two(Extra::Login));
    for case in all {
        assert!(ROWS.iter().any(|row| row.2 == case.id), "{}", case.id);
    }
}

/// A token that has died is renewed, and what was sent meanwhile is sent again.
#[test]
fn a_token_that_died_is_renewed() {
    let Some(twins) = Twins::serving(&[include_str!("python/logins.py")]) else {
        return;
    };
    let twin = twins.twin("sound").unwrap();
    let report = twin.attack_with(|attack| {
        attack.extras.login = Some(login(Json));
        // Its session ends with REV-003, after which tokens are forged again.
        attack.only = ["SIG-001", "SIG-006", "REV-003", "SIG-010"]
            .map(str::to_owned)
            .to_vec();
    });
    assert_eq!(report.end, End::Complete, "{:#?}", why(&report));
    assert_eq!(report.ids(Verdict::Safe).len(), 4, "{:#?}", why(&report));
}

fn attacked(twin: &Twin, row: &Row) -> Report {
    twin.attack_with(|attack| {
        attack.extras.login = Some(login(row.1));
        attack.only = only(row);
    })
}

/// The case and what stands beside it; for a sound twin every one.
fn only((_, by, own, _): &Row) -> Vec<String> {
    if *by == Factor {
        return vec!["BRU-010".to_owned()];
    }
    let all = case::all()
        .iter()
        .filter(|case| case.tier == Tier::Two(Extra::Login));
    let is_near = |id: &str| match own.get(..3) {
        None => true,
        Some("BRU") => id == *own || id == "BRU-001" || id == "BRU-007",
        Some(group) => id.starts_with(group),
    };
    all.map(|case| case.id)
        .filter(|id| is_near(id))
        .map(str::to_owned)
        .collect()
}

fn login(by: By) -> Login {
    let file: LoginFile = serde_json::from_value(file(by)).unwrap();
    let fetch = |source: SecretSource<'_>| match source {
        SecretSource::Environment(name) => Ok(Secret::new(format!("{name}-Pass-9.word"))),
        SecretSource::File(name) => Err(format!("no {name}")),
    };
    file.read(&fetch).unwrap()
}

fn file(by: By) -> Value {
    let guessed: Vec<Value> = "abcdefgh"
        .chars()
        .map(|letter| json!({"username": format!("gina{letter}"), "password_env": format!("gina{letter}")}))
        .collect();
    let common = json!({
        "username": "ada", "password_env": "ada", "email": "ada@example.org",
        "may": ["guess", "change-password", "sign-up", "send-mail"],
        "guessed": guessed,
        "overlap_seconds": 1, "revocation_seconds": 0, "timing_samples": 40,
    });
    let sign_in =
        json!({"path": "/sign-in", "json": {"username": "{username}", "password": "{password}"}});
    let more = match by {
        Factor => json!({
            "username": "mia", "password_env": "mia", "sign_in": sign_in,
            "second_factor": {"path": "/code", "json": {"state": "{state}", "code": "{code}"}},
        }),
        OAuth2 => json!({
            "preset": "oauth2", "token_endpoint": "/token",
            "client_id": "web", "client_secret_env": "web",
            "other_client": {"client_id": "other", "client_secret_env": "other"},
        }),
        Json => json!({
            "sign_in": sign_in,
            "refresh": {"path": "/refresh", "json": {"refresh_token": "{refresh_token}"}},
            "sign_out": {"path": "/sign-out"},
            "sign_out_everywhere": {"path": "/sign-out-everywhere"},
            "change_password": {"path": "/password", "json": {"old": "{password}", "new": "{new_password}"}},
            "sign_up": {"path": "/sign-up", "json": {"username": "{username}", "password": "{password}"}},
            "reset_request": {"path": "/reset-request", "json": {"email": "{email}"}},
            "reset": {"path": "/reset", "json": {"token": "{reset_token}", "new": "{new_password}"}},
            "mailbox": {"path": "/mail"},
        }),
    };
    let (Value::Object(mut all), Value::Object(more)) = (common, more) else {
        unreachable!("both are objects")
    };
    all.extend(more);
    Value::Object(all)
}

/// What is wrong with the report; none if it is as it must be.
fn complaint((name, by, own, others): &Row, report: &Report) -> Option<String> {
    let (mut proven, mut suspect) = (report.found(), report.ids(Verdict::Suspect));
    let is_met = match own.is_empty() {
        true => true,
        false if SUSPICIONS.contains(name) => suspect.contains(own),
        false => proven.contains(own),
    };
    let is_other = |id: &&str| id != own && !others.contains(id);
    proven.retain(is_other);
    suspect.retain(is_other);
    let unjudged = unjudged(report);
    // Only the time of an honest answer may be left undecided.
    let is_judged =
        !own.is_empty() || *by == OAuth2 || unjudged == ["BRU-008"] || unjudged.is_empty();
    let is_fine = is_met
        && is_judged
        && proven.is_empty()
        && suspect.is_empty()
        && report.end == End::Complete;
    (!is_fine).then(|| {
        let whys: Vec<String> = report
            .cases
            .iter()
            .filter(|result| {
                !result.why.is_empty()
                    && result.verdict != Verdict::Skipped
                    && result.case.tier == Tier::Two(Extra::Login)
            })
            .map(|result| {
                format!(
                    "{} {}: {}",
                    result.case.id,
                    result.verdict.name(),
                    result.why
                )
            })
            .collect();
        format!(
            "{name}: {own} is met: {is_met}, beside it proven {proven:?}, suspect {suspect:?}, \
             unjudged {unjudged:?}: {:#?} {whys:#?}",
            why(report)
        )
    })
}

/// Cases that the file gives all that they need, and that have no verdict.
fn unjudged(report: &Report) -> Vec<&'static str> {
    let all = report.cases.iter().filter(|result| {
        result.case.tier == Tier::Two(Extra::Login)
            && matches!(result.verdict, Verdict::Inconclusive)
    });
    all.map(|result| result.case.id).collect()
}
