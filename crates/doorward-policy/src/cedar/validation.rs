//! Strict validation: every policy against every action that there is.
//!
//! Cedar types a policy once for each action and each kind of caller, also where
//! its scope is for another action; a thousand policies about as many actions
//! are two million times. So they are validated in parts ([`PART`]), each against
//! the schema of the actions that its policies speak of, and only what is not
//! sound there is looked at again against the whole.
//!
//! INVARIANT: what is sound in its part is sound in the whole. The whole has more
//! names, and more actions: of those the scope of the policy speaks not, so for
//! them it is false before its conditions are typed. The other way round does
//! not matter: a policy that names the resource of another action is looked at
//! twice. The test is `a_part_is_judged_as_the_whole_is`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, PolicyId, PolicySet, Schema, ValidationMode, ValidationResult, Validator,
};

use super::schema::{self, Shapes};
use super::{Fault, Policy, source, speaks_of};

/// Policies of a part: fewer would need more schemas, more would be typed more
/// often.
pub(super) const PART: usize = 32;

/// What is wrong with `policies`.
pub(super) fn faults(policies: &[Arc<Policy>], shapes: &Shapes) -> Vec<Fault> {
    let parts = policies.chunks(PART);
    let suspects: Vec<&Arc<Policy>> = match policies.len() {
        ..=PART => policies.iter().collect(),
        _ => parts.flat_map(|part| suspects(part, shapes)).collect(),
    };
    faults_of(&suspects, &shapes.schema)
}

/// Those that are not sound against the actions that this part speaks of.
fn suspects<'p>(part: &'p [Arc<Policy>], shapes: &Shapes) -> Vec<&'p Arc<Policy>> {
    // Of those that name no action there are few.
    let is_scoped = |it: &&Arc<Policy>| it.policy.action_constraint() != ActionConstraint::Any;
    let (scoped, unscoped): (Vec<_>, Vec<_>) = part.iter().partition(is_scoped);
    let mut suspects = unscoped;
    let mut actions = BTreeSet::new();
    for policy in &scoped {
        spoken_of(policy, shapes, &mut actions);
    }
    match shapes.of_only(&actions) {
        Some(schema) => {
            let result = validated(&scoped, &schema);
            let unsound = unsound(&result);
            suspects.extend(
                scoped
                    .into_iter()
                    .filter(|it| unsound.contains(it.policy.id())),
            );
        }
        None => suspects.extend(scoped),
    }
    suspects
}

/// The actions that the scope of `policy` takes in.
fn spoken_of<'s>(policy: &Policy, shapes: &'s Shapes, actions: &mut BTreeSet<&'s str>) {
    match policy.policy.action_constraint() {
        // By far the most.
        ActionConstraint::Eq(uid) => actions.extend(shapes.known(uid.id().unescaped())),
        _ => actions.extend(shapes.actions().filter(|action| speaks_of(policy, action))),
    }
}

fn validated(policies: &[&Arc<Policy>], schema: &Schema) -> ValidationResult {
    let set = PolicySet::from_policies(policies.iter().map(|it| it.policy.clone()));
    let set = set.expect("ids are given one by one");
    Validator::new(schema.clone()).validate(&set, ValidationMode::Strict)
}

fn unsound(result: &ValidationResult) -> BTreeSet<&PolicyId> {
    let errors = result.validation_errors().map(|error| error.policy_id());
    let warnings = result.validation_warnings();
    errors.chain(warnings.map(|it| it.policy_id())).collect()
}

/// What strict validation says against the whole.
pub(super) fn faults_of(policies: &[&Arc<Policy>], schema: &Schema) -> Vec<Fault> {
    let places: BTreeMap<_, _> = policies
        .iter()
        .map(|it| (it.policy.id(), &it.place))
        .collect();
    let result = validated(policies, schema);
    let errors = result
        .validation_errors()
        .map(|error| source::fault(places[error.policy_id()], error, schema::help(error)));
    // What is misspelled also never applies, which would be said beside it.
    let faulty: BTreeSet<_> = result
        .validation_errors()
        .map(|it| it.policy_id())
        .collect();
    let warnings = result
        .validation_warnings()
        .filter(|warning| !faulty.contains(warning.policy_id()))
        .map(|warning| source::fault(places[warning.policy_id()], warning, None));
    let mut faults: Vec<Fault> = errors.chain(warnings).collect();
    // One fault is found again for each action and each kind of caller, in
    // another order each time; the same one of them is told.
    faults.sort_by(|a, b| (a.key(), &a.message).cmp(&(b.key(), &b.message)));
    faults.dedup_by_key(|fault| fault.key());
    faults
}
