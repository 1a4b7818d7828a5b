//! What an attack is given beside its token, and which twins that finds out:
//! the rows of [`crate::faults`] that are no more than a token and a file.

use doorward_attack::{
    case::{self, Tier},
    description::Description,
    proof::Prover,
    run::{ApiKeys, Attack, Operation},
    target::TokenPlace,
};

use crate::{
    faults::{
        Must::{Hold, Note, Prove, Suspect},
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
    ("sound_described", Given(described), Hold, &[]),
    (
        "route_without_a_guard",
        Given(described),
        Prove("AUZ-002"),
        &[],
    ),
    (
        "scope_not_asked_for",
        Given(described),
        Prove("AUZ-002"),
        &[],
    ),
    (
        "everybody_is_admin",
        Given(described),
        Prove("AUZ-002"),
        &[],
    ),
    (
        "profile_takes_every_member",
        Given(described),
        Prove("ISS-002"),
        &[],
    ),
    (
        "includes_what_is_hidden",
        Given(described),
        Prove("AUZ-009"),
        &[],
    ),
    ("sound_telling", Given(echo), Hold, &[]),
    (
        "identity_named_in_connection",
        Given(echo),
        Prove("GWY-013"),
        &[],
    ),
    (
        "only_the_first_is_removed",
        Given(echo),
        Prove("GWY-016"),
        &[],
    ),
    ("sound_keys", Given(keys), Hold, &[]),
    ("key_by_its_beginning", Given(keys), Prove("APK-001"), &[]),
    ("key_of_few_bits", Given(keys), Prove("APK-001"), &[]),
    ("key_never_over", Given(keys), Prove("APK-003"), &[]),
    (
        "key_by_forwarded_address",
        Given(keys),
        Prove("APK-004"),
        &[],
    ),
    (
        "key_reaches_what_is_for_people",
        Given(keys),
        Prove("APK-005"),
        &[],
    ),
    (
        "key_wider_than_its_owner",
        Given(keys),
        Prove("AUZ-016"),
        &[],
    ),
    ("key_in_the_query", Given(keys), Prove("APK-008"), &[]),
    ("key_at_any_host", Given(keys), Prove("APK-009"), &[]),
    ("key_beside_a_token", Given(keys), Note(&["APK-011"]), &[]),
    ("revoked_key_lives_on", Given(keys), Prove("REV-008"), &[]),
    ("sound_bound", Given(bound), Hold, &[]),
    ("sound_bound", Given(bound_with_the_first_tier), Hold, &[]),
    (
        "bound_or_bearer",
        Given(bound),
        Prove("CLM-021"),
        &["DPP-001"],
    ),
    ("first_of_two_proofs", Given(bound), Prove("DPP-001"), &[]),
    (
        "proofs_are_not_remembered",
        Given(bound),
        Prove("DPP-002"),
        &[],
    ),
    ("proof_for_any_address", Given(bound), Prove("DPP-003"), &[]),
    ("proof_for_any_token", Given(bound), Prove("DPP-004"), &[]),
    ("proof_by_any_key", Given(bound), Prove("DPP-005"), &[]),
    ("proofs_never_old", Given(bound), Prove("DPP-006"), &[]),
    ("proof_of_any_type", Given(bound), Prove("DPP-007"), &[]),
    ("sound_framing", Given(disturbed), Hold, &[]),
    (
        "length_before_chunks",
        Given(disturbed),
        Prove("GWY-020"),
        &[],
    ),
    (
        "bodies_are_not_read",
        Given(disturbed),
        Prove("GWY-021"),
        &["GWY-023"],
    ),
    (
        "lengths_are_numbers_somehow",
        Given(disturbed),
        Prove("GWY-022"),
        &[],
    ),
    (
        "chunk_sizes_are_numbers_somehow",
        Given(disturbed),
        Prove("GWY-024"),
        &[],
    ),
    (
        "refused_and_read_on",
        Given(disturbed),
        Prove("GWY-026"),
        &[],
    ),
    ("upgrades_to_h2c", Given(disturbed), Prove("GWY-023"), &[]),
    (
        "socket_for_every_page",
        Given(disturbed),
        Prove("GWY-033"),
        &[],
    ),
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

fn described(twin: &Twin, attack: &mut Attack) {
    beyond_the_first_tier(attack);
    attack.extras.second_token = Some(twin.fetch("/colleague"));
    attack.extras.unsafe_methods = true;
    let text = twin.fetch("/openapi.json");
    attack.extras.description = Some(Description::parse(&text).unwrap());
}

fn echo(_: &Twin, attack: &mut Attack) {
    beyond_the_first_tier(attack);
    attack.extras.echo_route = Some("/echo".to_owned());
}

fn keys(twin: &Twin, attack: &mut Attack) {
    beyond_the_first_tier(attack);
    let keys: serde_json::Value = serde_json::from_str(&twin.fetch("/keys")).unwrap();
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    let post = |path: &str, body: &str| Operation {
        method: "POST".to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
    };
    attack.extras.unsafe_methods = true;
    attack.extras.api_keys = Some(ApiKeys {
        key: key("key"),
        place: TokenPlace::Header("X-Api-Key".to_owned()),
        expired: vec![key("expired")],
        elsewhere: Some(key("elsewhere")),
        address: Some("198.51.100.7".to_owned()),
        other_host: Some("other.example".to_owned()),
        management: vec!["/keys/list".to_owned()],
        wider: Some(post("/keys/new", r#"{"permissions":["*"]}"#)),
        spare: Some(key("spare")),
        revoke: Some(post("/keys/revoke", r#"{"key":"{key}"}"#)),
    });
}

fn bound(twin: &Twin, attack: &mut Attack) {
    bound_with_the_first_tier(twin, attack);
    beyond_the_first_tier(attack);
    // Another run: its proofs have other ids.
    attack.run_id = [8; 16];
}

fn bound_with_the_first_tier(twin: &Twin, attack: &mut Attack) {
    let key = twin.fetch("/proof-key");
    attack.extras.prover = Some(Prover::new(key.as_bytes()).unwrap());
    attack.target.place = TokenPlace::Dpop;
    attack.started = crate::harness::now();
}

fn disturbed(_: &Twin, attack: &mut Attack) {
    beyond_the_first_tier(attack);
    attack.extras.disturb = true;
}
