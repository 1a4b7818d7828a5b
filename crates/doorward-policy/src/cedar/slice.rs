//! The policies of one action, and what they say of a request.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityTypeName, EntityUid, PolicySet,
    Request, Response,
};

use super::facts::{Fact, Facts};
use super::reads::{Reads, Whose};
use super::schema::{Shapes, UidOf as _, type_name};
use super::{Policy, Vocabulary};
use crate::decision::Text;
use crate::overlay::{Question, Ruling, Slice};
use crate::permit::Kind;

/// Most characters of a value in a record.
const MOST_SHOWN: usize = 200;

/// Actions with the groups that they are in.
#[derive(Debug)]
pub(super) struct Actions(BTreeMap<String, Entity>);

impl Actions {
    pub(super) fn of(shapes: &Shapes) -> Self {
        let name = type_name("Action");
        let actions = shapes.resources.keys();
        let entity = |action: &String| {
            let groups = super::schema::groups(action);
            let groups = groups.iter().map(|group| name.uid(group)).collect();
            (
                action.clone(),
                Entity::new_no_attrs(name.uid(action), groups),
            )
        };
        Self(actions.map(entity).collect())
    }
}

#[derive(Debug)]
struct Sliced {
    /// By the number of their id.
    policies: BTreeMap<usize, Arc<Policy>>,
    set: PolicySet,
    reads: Reads,
    vocabulary: Arc<Vocabulary>,
    names: Names,
    action: Entity,
    fields: Vec<String>,
}

/// Names of types, parsed once.
#[derive(Debug)]
struct Names {
    user: EntityTypeName,
    client: EntityTypeName,
    foreign: EntityTypeName,
    anyone: EntityTypeName,
    role: EntityTypeName,
    resource: EntityTypeName,
}

/// The slice of `action`; `None`, if no policy speaks of it.
pub(super) fn of<'p>(
    shapes: &Shapes,
    actions: &Actions,
    action: &str,
    policies: impl Iterator<Item = &'p Arc<Policy>>,
    vocabulary: &Arc<Vocabulary>,
) -> Option<Arc<dyn Slice>> {
    let policies: Vec<_> = policies.cloned().collect();
    if policies.is_empty() {
        return None;
    }
    let set = PolicySet::from_policies(policies.iter().map(|it| it.policy.clone()));
    let reads = policies
        .iter()
        .fold(Reads::default(), |reads, it| reads.with(&it.reads));
    let fields = match reads.contains(Whose::Context, "headers") {
        true => vocabulary.fields.clone(),
        false => Vec::new(),
    };
    Some(Arc::new(Sliced {
        set: set.expect("ids are given one by one"),
        policies: policies
            .into_iter()
            .map(|it| (number(it.policy.id()), it))
            .collect(),
        reads,
        vocabulary: Arc::clone(vocabulary),
        names: Names {
            user: type_name("User"),
            client: type_name("Client"),
            foreign: type_name("Foreign"),
            anyone: type_name("Anyone"),
            role: type_name("Role"),
            resource: shapes.resources[action].clone(),
        },
        action: actions.0[action].clone(),
        fields,
    }))
}

fn number(id: &cedar_policy::PolicyId) -> usize {
    id.to_string().parse().unwrap_or(usize::MAX)
}

impl Slice for Sliced {
    fn fields(&self) -> &[String] {
        &self.fields
    }

    fn rule(&self, question: &Question<'_>) -> Ruling {
        let facts = match Facts::of(question, &self.reads, &self.vocabulary) {
            Ok(facts) => facts,
            Err(problem) => return Ruling::Fault(Text::from(problem)),
        };
        match self.respond(question, &facts) {
            Some(response) => self.ruling(&response, &facts),
            None => Ruling::Fault(Text::from("the request cannot be put to the policies")),
        }
    }
}

impl Sliced {
    /// Cedar's answer. Not validated again: what a token lacks of the schema is
    /// an error of the policy that reads it, and of no other.
    fn respond(&self, question: &Question<'_>, facts: &Facts) -> Option<Response> {
        let principal = self.principal(question, facts)?;
        let resource = self.names.resource.uid(&question.decision.path);
        let resource = Entity::new(resource, facts.attributes(Whose::Resource), HashSet::new());
        let (resource, action) = (resource.ok()?, self.action.clone());
        let request = Request::new(
            principal.uid(),
            action.uid(),
            resource.uid(),
            Context::from_pairs(facts.attributes(Whose::Context)).ok()?,
            None,
        );
        let entities = Entities::from_entities([principal, resource, action], None).ok()?;
        Some(Authorizer::new().is_authorized(&request.ok()?, &self.set, &entities))
    }

    fn principal(&self, question: &Question<'_>, facts: &Facts) -> Option<Entity> {
        let Some(subject) = question.subject else {
            return Some(Entity::with_uid(self.names.anyone.uid("anyone")));
        };
        let claim = |name| subject.claim(name).unwrap_or_default();
        let uid: EntityUid = match subject.kind() {
            Kind::User => self.names.user.uid(&claim("sub")),
            Kind::Client => self.names.client.uid(&claim("sub")),
            Kind::Foreign => {
                let name = format!("{} {}", claim("iss"), claim("sub"));
                self.names.foreign.uid(&name)
            }
        };
        let roles = subject.roles().iter().map(|role| self.names.role.uid(role));
        Entity::new(uid, facts.attributes(Whose::Principal), roles.collect()).ok()
    }

    fn ruling(&self, response: &Response, facts: &Facts) -> Ruling {
        let diagnostics = response.diagnostics();
        let errors: Vec<_> = diagnostics
            .errors()
            .map(|error| {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                (number(error.policy_id()), error.inner().to_string())
            })
            .collect();
        let mut deciding: Vec<usize> = diagnostics.reason().map(number).collect();
        deciding.sort_unstable();
        let decided = |effect| self.told(effect, &deciding, facts);
        if response.decision() == Decision::Deny && !deciding.is_empty() {
            return Ruling::Forbid(decided("forbid"));
        }
        let is_forbid = |id: &usize| {
            // One that is not known forbids.
            let policy = self.policies.get(id);
            policy.is_none_or(|it| it.policy.effect() == Effect::Forbid)
        };
        let cannot = |(id, error): &(usize, String)| {
            let place = self.policies.get(id).map(|it| it.place.to_string());
            format!("{} cannot be evaluated: {error}", place.unwrap_or_default())
        };
        if let Some(error) = errors.iter().find(|(id, _)| is_forbid(id)) {
            return Ruling::Fault(Text::from(format!("forbid {}", cannot(error))));
        }
        if response.decision() == Decision::Allow {
            return Ruling::Permit(decided("permit"));
        }
        let count = self.policies.len();
        Ruling::Silent(Text::from(match errors.first() {
            Some(error) => format!("permit {}", cannot(error)),
            None if count == 1 => "the one policy for it does not apply".to_owned(),
            None => format!("none of the {count} policies for it applies"),
        }))
    }

    /// The policies that decided, where they are written, and what they saw.
    fn told(&self, effect: &str, deciding: &[usize], facts: &Facts) -> Text {
        let policies = deciding.iter().filter_map(|id| self.policies.get(id));
        let mut reads = Reads::default();
        let mut places = Vec::new();
        for policy in policies {
            reads = reads.with(&policy.reads);
            places.push(policy.place.to_string());
        }
        let seen = reads.named().map(|(whose, name)| {
            let whose_name = whose.name();
            match facts.get(whose, name) {
                Some(fact) => format!("{whose_name}.{name} is {}", shortened(fact)),
                None => format!("no {whose_name}.{name}"),
            }
        });
        let seen: Vec<_> = seen.collect();
        let places = places.join(", ");
        Text::from(match seen.is_empty() {
            true => format!("{effect} {places}"),
            false => format!("{effect} {places}: {}", seen.join(", ")),
        })
    }
}

/// What a record shows of a value: a path or a list of roles may be long.
fn shortened(fact: &Fact) -> String {
    let mut shown = fact.to_string();
    if let Some((end, _)) = shown.char_indices().nth(MOST_SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
