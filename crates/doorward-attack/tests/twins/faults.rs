//! One twin for each fault: every row of the table is a server of
//! `python/faults.py` that is wrong in one way, and the case that finds it.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use doorward_attack::{
    report::{End, Report},
    run::Attack,
    target::TokenPlace,
    verdict::Verdict,
};

use crate::{
    given,
    harness::{Twin, Twins, why},
};

/// What the attack has beyond the token.
#[derive(Clone, Copy)]
pub(crate) enum With {
    Token,
    Jwks,
    Key,
    Old,
    Other(&'static str),
    Second(&'static str),
    Echo,
    /// The token, in the query.
    Query,
    /// Whatever the function gives it.
    Given(fn(&Twin, &mut Attack)),
}
use With::{Echo, Given, Jwks, Key, Old, Other, Query, Second, Token};

/// What must come of it.
#[derive(Clone, Copy)]
pub(crate) enum Must {
    /// This case is proven.
    Prove(&'static str),
    /// This case is suspect.
    Suspect(&'static str),
    /// This case cannot be judged.
    Doubt(&'static str),
    /// Nothing is found.
    Hold,
    /// The same, and there is something to say about these cases.
    Note(&'static [&'static str]),
}
use Must::{Doubt, Hold, Note, Prove, Suspect};

/// Name of the twin, what the attack has, what must be found, and which other
/// cases the same fault makes true: they may be found as well, nothing else may.
pub(crate) type Row = (&'static str, With, Must, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("sound_hs256", Token, Suspect("LNT-003"), &[]),
    (
        "sound_hs256",
        Key,
        Note(&["HDR-023", "CLM-005", "CLM-019", "CLM-020", "CLM-024"]),
        &[],
    ),
    ("sound_hs256", Second("/colleague"), Note(&["PAR-016"]), &[]),
    ("sound_hs256", Echo, Hold, &[]),
    ("sound_hs256", Old, Hold, &[]),
    ("sound_es256", Key, Hold, &[]),
    ("sound_es256", Jwks, Note(&["SIG-017"]), &[]),
    ("sound_rs256", Key, Hold, &[]),
    ("sound_rs256", Jwks, Hold, &[]),
    ("sound_eddsa", Key, Hold, &[]),
    // The signature and its algorithm.
    ("alg_none", Token, Prove("SIG-001"), &[]),
    (
        "alg_none_only_one_spelling_refused",
        Token,
        Prove("SIG-001"),
        &[],
    ),
    ("alg_none_with_a_signature", Token, Prove("SIG-002"), &[]),
    (
        "unknown_alg_is_not_checked",
        Token,
        Prove("SIG-003"),
        &["SIG-010", "SIG-014", "HDR-001", "HDR-004", "HDR-015"],
    ),
    (
        "alg_of_another_type_is_not_checked",
        Token,
        Prove("SIG-004"),
        &[],
    ),
    ("empty_signature", Token, Prove("SIG-005"), &[]),
    ("signature_not_checked", Token, Prove("SIG-006"), &[]),
    (
        "cache_keyed_by_signature",
        Token,
        Prove("SIG-007"),
        &["SIG-008", "HDR-022", "PAR-008", "PAR-009"],
    ),
    (
        "header_not_signed",
        Token,
        Prove("SIG-008"),
        &["HDR-022", "PAR-008", "PAR-009"],
    ),
    ("key_confusion", Jwks, Prove("SIG-009"), &[]),
    ("key_confusion_elliptic", Jwks, Prove("SIG-009"), &[]),
    (
        "unknown_kid_means_an_empty_secret",
        Token,
        Prove("SIG-010"),
        &["HDR-006"],
    ),
    ("default_secret_left_in", Token, Prove("SIG-011"), &[]),
    ("every_hmac_for_one_key", Key, Prove("SIG-013"), &[]),
    ("pss_for_a_pkcs1_key", Key, Prove("SIG-013"), &[]),
    ("zero_signature", Token, Prove("SIG-014"), &[]),
    ("ecdsa_out_of_range", Key, Prove("SIG-015"), &[]),
    ("ecdsa_in_der", Token, Suspect("SIG-016"), &[]),
    ("eddsa_not_reduced", Token, Suspect("SIG-018"), &[]),
    ("rsa_by_hand", Token, Prove("SIG-020"), &[]),
    ("truncated_tag", Token, Prove("SIG-022"), &["SIG-006"]),
    ("any_curve_name", Key, Prove("SIG-023"), &[]),
    (
        "encrypted_is_not_signed",
        Jwks,
        Prove("SIG-024"),
        &["HDR-015"],
    ),
    ("nested_is_not_checked", Key, Prove("SIG-025"), &[]),
    ("flattened_json", Token, Prove("SIG-026"), &["SIG-027"]),
    ("polyglot", Token, Prove("SIG-027"), &[]),
    ("unprotected_alg", Token, Prove("SIG-028"), &[]),
    ("detached_payload", Token, Prove("SIG-029"), &[]),
    ("both_names_of_eddsa", Key, Note(&["SIG-031"]), &[]),
    // The header.
    ("embedded_key", Token, Prove("HDR-001"), &[]),
    ("own_certificate", Token, Prove("HDR-004"), &[]),
    ("genuine_certificate_is_enough", Jwks, Prove("HDR-005"), &[]),
    ("kid_is_a_path", Token, Prove("HDR-006"), &[]),
    ("kid_in_a_query", Token, Prove("HDR-007"), &[]),
    ("odd_kid_crashes", Token, Suspect("HDR-008"), &["HDR-007"]),
    ("kid_may_be_missing", Key, Note(&["HDR-009"]), &[]),
    ("every_kid_is_asked_for", Token, Suspect("HDR-010"), &[]),
    ("p2c_is_carried_out", Token, Suspect("HDR-015"), &[]),
    ("epk_off_the_curve_crashes", Token, Suspect("HDR-016"), &[]),
    ("long_typ_crashes", Key, Suspect("HDR-018"), &[]),
    ("unknown_cty_crashes", Key, Suspect("HDR-019"), &[]),
    ("crit_not_looked_at", Key, Prove("HDR-011"), &["HDR-012"]),
    ("crit_that_is_malformed", Key, Prove("HDR-012"), &[]),
    ("b64_not_looked_at", Key, Prove("HDR-013"), &[]),
    (
        "zip_opened_before_the_check",
        Token,
        Suspect("HDR-014"),
        &[],
    ),
    ("typ_not_looked_at", Key, Prove("HDR-017"), &[]),
    (
        "header_that_is_no_object_crashes",
        Token,
        Suspect("HDR-020"),
        &[],
    ),
    ("two_readings_of_the_header", Token, Prove("HDR-021"), &[]),
    ("no_limits", Token, Suspect("HDR-022"), &["PAR-008"]),
    ("odd_encodings_crash", Token, Suspect("PAR-009"), &[]),
    // The claims.
    ("exp_not_looked_at", Old, Prove("CLM-001"), &[]),
    ("exp_may_be_missing", Key, Prove("CLM-002"), &[]),
    ("exp_may_be_text", Key, Prove("CLM-003"), &[]),
    ("exp_of_another_type_is_ignored", Key, Prove("CLM-003"), &[]),
    ("nbf_not_compared", Key, Prove("CLM-004"), &[]),
    ("an_hour_of_leeway", Key, Prove("CLM-006"), &[]),
    ("iss_by_its_beginning", Key, Prove("CLM-008"), &[]),
    ("iss_inside", Key, Prove("CLM-008"), &[]),
    ("iss_may_be_missing", Key, Prove("CLM-008"), &[]),
    ("aud_not_looked_at", Key, Prove("CLM-010"), &[]),
    ("aud_inside", Key, Prove("CLM-010"), &[]),
    ("aud_empty_list", Key, Prove("CLM-010"), &[]),
    ("aud_not_looked_at", Other("/sister"), Prove("CLM-011"), &[]),
    (
        "typ_not_looked_at",
        Other("/identity"),
        Prove("CLM-012"),
        &[],
    ),
    (
        "typ_not_looked_at",
        Other("/refresh"),
        Prove("CLM-013"),
        &[],
    ),
    ("sub_not_looked_at", Key, Prove("CLM-015"), &[]),
    ("sub_in_a_header_field", Key, Prove("CLM-027"), &[]),
    ("claims_twice", Key, Prove("PAR-001"), &[]),
    ("exp_infinite", Key, Prove("PAR-010"), &[]),
    ("json_with_nan", Key, Prove("PAR-011"), &[]),
    ("roles_of_another_shape_crash", Key, Suspect("CLM-018"), &[]),
    ("long_chain_of_actors_crashes", Key, Suspect("CLM-025"), &[]),
    ("prototype_names_crash", Key, Suspect("PAR-012"), &[]),
    ("many_claims_crash", Key, Suspect("PAR-013"), &[]),
    // The spelling, and where the token stands.
    ("blanks_inside_taken", Token, Suspect("PAR-004"), &[]),
    ("many_dots_crash", Token, Suspect("PAR-006"), &[]),
    (
        "long_token_crashes",
        Token,
        Suspect("PAR-007"),
        &["HDR-022", "PAR-008"],
    ),
    ("deep_payload_crashes", Token, Suspect("PAR-008"), &[]),
    ("what_has_no_dots_is_a_key", Token, Prove("BRU-011"), &[]),
    ("token_in_the_query", Query, Prove("LNT-007"), &[]),
    ("padding_taken", Token, Suspect("PAR-002"), &[]),
    ("spare_bits_taken", Token, Suspect("PAR-003"), &[]),
    (
        "four_parts",
        Token,
        Prove("PAR-005"),
        &["PAR-006", "SIG-027"],
    ),
    ("scheme_not_looked_at", Token, Suspect("PAR-014"), &[]),
    ("last_of_two_fields", Token, Suspect("PAR-015"), &[]),
    ("token_in_the_query", Token, Prove("PAR-017"), &[]),
    ("folded_field", Token, Suspect("PAR-019"), &[]),
    ("odd_bytes_dropped", Token, Suspect("PAR-020"), &["PAR-004"]),
    // Who may, and around the check.
    ("open_route", Token, Prove("AUZ-001"), &[]),
    ("null_is_somebody", Token, Prove("AUZ-001"), &[]),
    ("no_owner", Second("/colleague"), Prove("AUZ-003"), &[]),
    ("no_owner", Second("/stranger"), Prove("AUZ-004"), &[]),
    ("method_override", Token, Prove("AUZ-010"), &[]),
    ("head_is_open", Token, Prove("AUZ-011"), &[]),
    ("slashes_merged", Token, Prove("GWY-001"), &[]),
    ("dots_resolved", Token, Prove("GWY-002"), &["GWY-004"]),
    ("percent_decoded", Token, Prove("GWY-003"), &[]),
    ("slash_at_the_end", Token, Prove("GWY-004"), &[]),
    ("letter_case_of_the_path", Token, Prove("GWY-005"), &[]),
    ("look_alike_slash", Token, Prove("GWY-006"), &[]),
    ("absolute_form", Token, Prove("GWY-007"), &[]),
    ("words_in_the_query", Token, Prove("GWY-009"), &[]),
    ("style_sheets_are_open", Token, Prove("GWY-009"), &[]),
    ("host_localhost", Token, Prove("GWY-011"), &[]),
    ("identity_of_the_caller", Echo, Prove("GWY-012"), &[]),
    ("forwarded_for_localhost", Token, Prove("GWY-014"), &[]),
    ("original_url", Token, Prove("GWY-015"), &[]),
    ("probes_are_exempt", Token, Prove("GWY-017"), &[]),
    ("debug_field", Token, Prove("GWY-017"), &[]),
    ("options_is_open", Token, Prove("GWY-017"), &[]),
    ("trailers_merged", Token, Prove("GWY-018"), &[]),
    ("metrics_in_public", Token, Prove("GWY-031"), &[]),
    ("environment_in_public", Token, Prove("GWY-031"), &[]),
    ("origin_reflected", Token, Prove("GWY-032"), &[]),
    ("origin_null", Token, Prove("GWY-032"), &[]),
    ("path_in_a_header_field", Token, Prove("SEC-003"), &[]),
    (
        "body_invited_before_the_check",
        Token,
        Note(&["GWY-030"]),
        &[],
    ),
    ("http2_in_the_clear", Token, Doubt("GWY-034"), &[]),
    ("deep_path_crashes", Token, Suspect("GWY-035"), &[]),
    ("type_may_be_guessed", Token, Suspect("CON-004"), &[]),
    (
        "page_that_may_be_framed",
        Token,
        Prove("CON-006"),
        &["CON-004"],
    ),
    ("cookie_without_flags", Token, Prove("CON-008"), &[]),
    ("trace_in_the_answer", Token, Prove("ISS-035"), &[]),
    ("opaque_by_its_beginning", Token, Prove("ISS-030"), &[]),
    // The token itself, the answers and the published keys.
    ("private_member_published", Jwks, Prove("KEY-001"), &[]),
    ("short_key_published", Jwks, Prove("KEY-003"), &[]),
    ("token_without_jti", Token, Suspect("LNT-001"), &[]),
    ("token_of_a_month", Token, Prove("LNT-002"), &[]),
    ("mail_in_the_token", Token, Suspect("LNT-004"), &[]),
    ("kid_is_a_number", Token, Suspect("LNT-005"), &[]),
    ("token_points_to_its_keys", Token, Suspect("LNT-006"), &[]),
    ("reason_in_the_answer", Token, Suspect("LNT-008"), &[]),
    ("no_challenge", Token, Suspect("LNT-009"), &[]),
    ("cache_told_to_keep", Token, Prove("LNT-010"), &[]),
    ("no_cache_control", Token, Suspect("LNT-010"), &[]),
];

#[test]
fn every_fault_is_found_by_its_case_and_by_no_other() {
    let Some(twins) = Twins::start() else { return };
    let rows: Vec<&Row> = ROWS.iter().chain(given::ROWS).collect();
    let in_table: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
    let missing: Vec<&str> = twins
        .names()
        .filter(|name| !in_table.contains(name))
        .collect();
    assert!(missing.is_empty(), "twins without a row: {missing:?}");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // Two work, two wait for the twins.
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let twin = twins.twin(row.0);
                    let complaint = twin.and_then(|twin| complaint(row, &attacked(&twin, row.1)));
                    failures.lock().unwrap().extend(complaint);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn attacked(twin: &Twin, with: With) -> Report {
    // The secret is not to be found; `kinds` has one that is.
    let short = Some(Duration::from_millis(10));
    let fetched = match with {
        Jwks => twin.fetch("/jwks"),
        Key => twin.fetch("/key"),
        Old => twin.fetch("/old"),
        Other(path) | Second(path) => twin.fetch(path),
        Token | Echo | Query | Given(_) => String::new(),
    };
    twin.attack_with(|attack| {
        attack.extras.crack_for = short;
        match with {
            Token => {}
            Jwks => attack.extras.jwks = Some(fetched),
            Key => Twin::give_key(attack, &fetched),
            Old => attack.extras.old_token = Some(fetched),
            Other(_) => attack.extras.other_tokens = vec![fetched],
            Second(_) => attack.extras.second_token = Some(fetched),
            Given(give) => give(twin, attack),
            Echo => attack.extras.echo_route = Some("/echo".to_owned()),
            Query => attack.target.place = TokenPlace::Query("access_token".to_owned()),
        }
    })
}

/// Held, and not without a word.
fn is_noted(report: &Report, id: &str) -> bool {
    let results = report.cases.iter().filter(|result| result.case.id == id);
    results
        .filter(|result| result.verdict == Verdict::Safe)
        .any(|result| !result.why.is_empty())
}

/// What is wrong with the report; none if it is as it must be.
fn complaint((name, _, must, others): &Row, report: &Report) -> Option<String> {
    let (mut proven, mut suspect) = (report.found(), report.ids(Verdict::Suspect));
    let is_met = match must {
        Prove(id) => proven.contains(id),
        Suspect(id) => suspect.contains(id),
        Doubt(id) => report.ids(Verdict::Inconclusive) == [*id],
        Hold => true,
        Note(ids) => ids.iter().all(|id| is_noted(report, id)),
    };
    let own = match must {
        Prove(id) | Suspect(id) | Doubt(id) => *id,
        Hold | Note(_) => "",
    };
    // What a shared secret is called in any case.
    let is_other = |id: &&str| *id != own && *id != "LNT-003" && !others.contains(id);
    proven.retain(is_other);
    suspect.retain(is_other);
    let is_fine = is_met && proven.is_empty() && suspect.is_empty() && report.end == End::Complete;
    (!is_fine).then(|| {
        format!("{name}: {own} is met: {is_met}, beside it proven {proven:?}, suspect {suspect:?}: {:#?}", why(report))
    })
}
