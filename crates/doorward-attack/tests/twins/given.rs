//! What an attack is given beside its token, and which twins that finds out:
//! the rows of [`crate::faults`] that are no more than a token and a file.

use doorward_attack::{
    case::{self, Tier},
    run::{Attack, Operation},
};

use crate::{
    faults::{
        Must::{Hold, Prove, Suspect},
        Row,
        With::Given,
    },
    harness::Twin,
};

pub(crate) const ROWS: &[Row] = &[
    ("sound_scopes", Given(signer), Hold, &[]),
    (
        "scope_by_its_beginning",
        Given(signer),
        Prove("CLM-017"),
        &[],
    ),
    (
        "scope_somewhere_in_the_text",
        Given(signer),
        Prove("CLM-017"),
        &[],
    ),
    ("scope_without_case", Given(signer), Prove("CLM-017"), &[]),
    ("scope_is_a_pattern", Given(signer), Prove("AUZ-012"), &[]),
    (
        "parents_of_a_permission",
        Given(signer),
        Prove("AUZ-012"),
        &[],
    ),
    ("sound_step_up", Given(signer), Hold, &[]),
    ("auth_time_never_old", Given(signer), Prove("CLM-023"), &[]),
    ("acr_by_its_beginning", Given(signer), Prove("CLM-023"), &[]),
    ("amr_only_there", Given(signer), Prove("CLM-023"), &[]),
    ("sound_two_issuers", Given(signer), Hold, &[]),
    (
        "any_key_for_any_issuer",
        Given(signer),
        Prove("CLM-009"),
        &[],
    ),
    ("sound_shared", Given(colleague), Hold, &[]),
    ("sound_shared", Given(stranger), Hold, &[]),
    (
        "objects_of_anybody",
        Given(colleague),
        Prove("AUZ-003"),
        &["AUZ-008"],
    ),
    (
        "objects_of_anybody",
        Given(stranger),
        Prove("AUZ-004"),
        &["AUZ-008"],
    ),
    (
        "all_for_who_asks",
        Given(colleague_at_the_list),
        Prove("AUZ-006"),
        &[],
    ),
    (
        "owner_by_parameter",
        Given(colleague_at_the_list),
        Prove("AUZ-006"),
        &[],
    ),
    ("sound_pages", Given(colleague_at_the_list), Hold, &[]),
    (
        "cursor_is_believed",
        Given(colleague_at_the_list),
        Prove("AUZ-007"),
        &[],
    ),
    (
        "cursor_in_a_query_of_sql",
        Given(colleague_at_the_list),
        Suspect("AUZ-007"),
        &[],
    ),
    (
        "guard_reads_text_handler_reads_numbers",
        Given(colleague),
        Prove("AUZ-008"),
        &[],
    ),
    (
        "kept_without_the_caller",
        Given(colleague),
        Prove("AUZ-022"),
        &[],
    ),
    (
        "style_sheets_are_kept",
        Given(colleague),
        Prove("AUZ-022"),
        &[],
    ),
    ("sound_hosts", Given(stranger_at_their_host), Hold, &[]),
    (
        "tenant_by_host_alone",
        Given(stranger_at_their_host),
        Prove("CLM-022"),
        &[],
    ),
    (
        "tenant_by_field",
        Given(stranger_at_their_host),
        Prove("CLM-022"),
        &[],
    ),
    (
        "console_for_everybody",
        Given(colleague),
        Prove("CON-013"),
        &[],
    ),
    (
        "whoever_may_revoke",
        Given(colleague),
        Prove("REV-017"),
        &[],
    ),
    ("whoever_may_revoke", Given(stranger), Prove("REV-018"), &[]),
    ("sound_creating", Given(writer), Hold, &[]),
    ("tenant_by_the_body", Given(writer), Prove("AUZ-005"), &[]),
];

/// What these twins are right in the sound ones are right in too, and those
/// are attacked with everything: here only what needs more than a token.
fn beyond_the_first_tier(attack: &mut Attack) {
    let cases = case::all().iter().filter(|case| case.tier != Tier::One);
    attack.only = cases.map(|case| case.id.to_owned()).collect();
}

fn signer(twin: &Twin, attack: &mut Attack) {
    beyond_the_first_tier(attack);
    Twin::give_key(attack, &twin.fetch("/key"));
    attack.extras.other_issuers = vec!["https://sister.example".to_owned()];
}

fn second(twin: &Twin, attack: &mut Attack, token: &str, route: &str) {
    beyond_the_first_tier(attack);
    attack.extras.second_token = Some(twin.fetch(token));
    attack.extras.another_token = Some(twin.fetch("/another"));
    attack.extras.second.route = Some(route.to_owned());
    attack.extras.second.console_routes = vec!["/console/users".to_owned()];
    attack.extras.second.revoke = Some(Operation {
        method: "POST".to_owned(),
        path: "/revoke".to_owned(),
        body: "token={token}".to_owned(),
    });
}

fn colleague(twin: &Twin, attack: &mut Attack) {
    second(twin, attack, "/colleague", "/orders/8");
}

fn stranger(twin: &Twin, attack: &mut Attack) {
    second(twin, attack, "/stranger", "/orders/8");
}

fn colleague_at_the_list(twin: &Twin, attack: &mut Attack) {
    second(twin, attack, "/colleague", "/orders");
}

fn stranger_at_their_host(twin: &Twin, attack: &mut Attack) {
    second(twin, attack, "/stranger", "/orders");
    attack.extras.second.host = Some("other.example".to_owned());
}

fn writer(twin: &Twin, attack: &mut Attack) {
    second(twin, attack, "/stranger", "/orders");
    attack.target.body = Some(br#"{"item":"door"}"#.to_vec());
    attack.target.method = "POST".to_owned();
}
