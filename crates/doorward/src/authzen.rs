//! Questions of the Authorization API 1.0 (OpenID AuthZEN): reading them, and
//! saying what the answers are in its words.
//!
//! A question names a user of the caller's tenant by `sub`, and asks either
//! about a request (`resource.type` is `path`, `action.name` the method) or about
//! a permission (`resource.type` and `action.name` are its two parts, so that
//! `orders` and `read` ask about `orders:read`). Everything else that the API
//! knows (other kinds of subject, properties, context) means nothing here, and
//! what cannot be decided is no.

use std::future::Future;

use doorward_policy::permission::Permission;
use doorward_verify::jose::json::Object;
use serde_json::{Value, json};

/// Where one question is asked.
pub(crate) const EVALUATION: &str = "/access/v1/evaluation";

/// Where several are.
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";

/// Where a caller finds both.
pub(crate) const METADATA: &str = "/.well-known/authzen-configuration";

/// Questions at a time: each of them reads the store.
const MOST_QUESTIONS: usize = 100;

/// Something that may be done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// `sub` of a user.
    pub(crate) subject: String,
    /// The tenant that the user acts in; the caller's if absent.
    pub(crate) tenant: Option<String>,
    pub(crate) what: What,
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A request to the gateway.
    Request {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// Whatever asks for this permission.
    Permitted(Permission),
}

/// What a body asks.
#[derive(Debug)]
pub(crate) enum Asked {
    /// One question.
    One(Answerable),
    /// Several, and when to stop.
    Several(Vec<Answerable>, Until),
}

/// A question, or why it is none that can be answered with yes.
pub(crate) type Answerable = Result<Question, No>;

/// Why something is not a question that could be answered with yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum No {
    /// It lacks a part; which.
    Broken(&'static str),
    /// It asks about something that there is not.
    Unknown,
}

/// When no further question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the end.
    All,
    /// After the first no.
    FirstNo,
    /// After the first yes.
    FirstYes,
}

/// Reads the body of one question.
pub(crate) fn one(body: &Object) -> Result<Asked, &'static str> {
    match question(body, body) {
        Err(No::Broken(what)) => Err(what),
        answerable => Ok(Asked::One(answerable)),
    }
}

/// Reads the body of several. Without any, the body is itself one.
pub(crate) fn several(body: &Object) -> Result<Asked, &'static str> {
    let items = match body.get("evaluations") {
        None => return one(body),
        Some(Value::Array(items)) if items.is_empty() => return one(body),
        Some(Value::Array(items)) if items.len() <= MOST_QUESTIONS => items,
        Some(Value::Array(_)) => return Err("`evaluations` holds more than 100 questions"),
        Some(_) => return Err("`evaluations` is no array"),
    };
    let semantic = body
        .get("options")
        .and_then(|it| it.get("evaluations_semantic"));
    let until = match semantic.map(Value::as_str) {
        None | Some(Some("execute_all")) => Until::All,
        Some(Some("deny_on_first_deny")) => Until::FirstNo,
        Some(Some("permit_on_first_permit")) => Until::FirstYes,
        Some(_) => return Err("`evaluations_semantic` is none that is known"),
    };
    let read = |item: &Value| match item.as_object() {
        Some(item) => question(item, body),
        None => Err(No::Broken("an evaluation is no object")),
    };
    Ok(Asked::Several(items.iter().map(read).collect(), until))
}

/// Parts that `item` lacks are those of `usual`.
fn question(item: &Object, usual: &Object) -> Answerable {
    let part = |name: &str| item.get(name).or_else(|| usual.get(name));
    let text = |of: Option<&Value>, name: &str, missing: &'static str| {
        let text = of.and_then(|of| of.get(name)?.as_str()).map(str::to_owned);
        text.filter(|text| !text.is_empty())
            .ok_or(No::Broken(missing))
    };
    let (subject, action, resource) = (part("subject"), part("action"), part("resource"));
    let kind = text(subject, "type", "`subject.type` is missing")?;
    let id = text(subject, "id", "`subject.id` is missing")?;
    let name = text(action, "name", "`action.name` is missing")?;
    let resource_kind = text(resource, "type", "`resource.type` is missing")?;
    let resource_id = text(resource, "id", "`resource.id` is missing")?;
    if kind != "user" {
        return Err(No::Unknown);
    }
    let tenant = match subject.and_then(|subject| subject.get("properties")?.get("tenant")) {
        None => None,
        Some(Value::String(tenant)) => Some(tenant.clone()),
        Some(_) => return Err(No::Unknown),
    };
    let what = match resource_kind.as_str() {
        "path" => What::Request {
            method: name,
            path: resource_id,
        },
        kind => match Permission::parse(&format!("{kind}:{name}")) {
            Ok(permission) => What::Permitted(permission),
            Err(_) => return Err(No::Unknown),
        },
    };
    Ok(Question {
        subject: id,
        tenant,
        what,
    })
}

/// A decision: yes, or no with the code of its reason if there is one.
pub(crate) type Decided = Result<(), Option<&'static str>>;

impl Asked {
    /// The whole answer, and how many questions of how many were answered with
    /// yes; `decide` is asked for one after the other.
    pub(crate) async fn answer<F>(self, mut decide: impl FnMut(Question) -> F) -> (Value, Tally)
    where
        F: Future<Output = Decided>,
    {
        let mut tally = Tally::default();
        let (questions, until) = match self {
            Self::One(question) => {
                let answer = answer(question, &mut decide, &mut tally).await;
                return (answer, tally);
            }
            Self::Several(questions, until) => (questions, until),
        };
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let yes = tally.yes;
            answers.push(answer(question, &mut decide, &mut tally).await);
            let is_last = match until {
                Until::All => false,
                Until::FirstNo => tally.yes == yes,
                Until::FirstYes => tally.yes > yes,
            };
            if is_last {
                break;
            }
        }
        (json!({ "evaluations": answers }), tally)
    }
}

/// How the questions of a request went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    pub(crate) yes: usize,
}

async fn answer<F>(
    question: Answerable,
    decide: &mut impl FnMut(Question) -> F,
    tally: &mut Tally,
) -> Value
where
    F: Future<Output = Decided>,
{
    tally.asked += 1;
    let decided = match question {
        Ok(question) => decide(question).await,
        Err(No::Broken(what)) => {
            let error = json!({ "status": 400, "message": what });
            return json!({ "decision": false, "context": { "error": error } });
        }
        Err(No::Unknown) => Err(None),
    };
    match decided {
        Ok(()) => {
            tally.yes += 1;
            json!({ "decision": true })
        }
        Err(Some(reason)) => json!({ "decision": false, "context": { "reason": reason } }),
        Err(None) => json!({ "decision": false }),
    }
}

/// The document at [`METADATA`].
pub(crate) fn metadata(issuer: &str) -> Value {
    json!({
        "policy_decision_point": issuer,
        "access_evaluation_endpoint": format!("{issuer}{EVALUATION}"),
        "access_evaluations_endpoint": format!("{issuer}{EVALUATIONS}"),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use serde_json::json;

    use super::{Asked, No, Until, What, one, several};

    fn object(value: serde_json::Value) -> super::Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_question_is_about_a_request_or_a_permission_of_a_user() {
        let body = json!({
            "subject": { "type": "user", "id": "u1", "properties": { "tenant": "acme" } },
            "action": { "name": "GET" },
            "resource": { "type": "path", "id": "/orders/7" },
            "context": { "time": "now" },
        });
        let Asked::One(Ok(question)) = one(&object(body.clone())).unwrap() else {
            panic!("it is one");
        };
        assert_eq!(
            (question.subject.as_str(), question.tenant.as_deref()),
            ("u1", Some("acme"))
        );
        let (method, path) = ("GET".to_owned(), "/orders/7".to_owned());
        assert_eq!(question.what, What::Request { method, path });
        for (part, name) in [
            ("subject", "type"),
            ("subject", "id"),
            ("action", "name"),
            ("resource", "type"),
            ("resource", "id"),
        ] {
            let mut broken = body.clone();
            broken[part][name] = json!(7);
            assert!(one(&object(broken)).unwrap_err().contains(name));
        }
        for (part, name, value) in [
            ("subject", "type", json!("machine")),
            ("subject", "properties", json!({ "tenant": 7 })),
            ("resource", "type", json!("Orders")),
            ("resource", "type", json!("*")),
        ] {
            let mut unknown = body.clone();
            unknown[part][name] = value;
            let asked = one(&object(unknown)).unwrap();
            assert!(matches!(asked, Asked::One(Err(No::Unknown))), "{asked:?}");
        }
    }

    #[test]
    fn several_share_what_they_do_not_say_themselves() {
        let body = json!({
            "subject": { "type": "user", "id": "u1" },
            "action": { "name": "read" },
            "evaluations": [
                { "resource": { "type": "orders", "id": "7" } },
                { "resource": { "type": "reports", "id": "1" }, "action": { "name": "delete" } },
                { "action": { "name": "read" } },
                7,
            ],
            "options": { "evaluations_semantic": "deny_on_first_deny" },
        });
        let Asked::Several(questions, until) = several(&object(body)).unwrap() else {
            panic!("they are several");
        };
        assert_eq!(until, Until::FirstNo);
        let permitted = |text: &str| What::Permitted(text.parse().unwrap());
        assert_eq!(
            questions[0].as_ref().unwrap().what,
            permitted("orders:read")
        );
        assert_eq!(
            questions[1].as_ref().unwrap().what,
            permitted("reports:delete")
        );
        assert!(matches!(questions[2], Err(No::Broken(_))));
        assert!(matches!(questions[3], Err(No::Broken(_))));
        let many = json!({ "evaluations": vec![json!({}); 101] });
        assert!(
            several(&object(many))
                .unwrap_err()
                .contains("more than 100")
        );
        let odd = json!({ "evaluations": [{}], "options": { "evaluations_semantic": "maybe" } });
        assert!(several(&object(odd)).is_err());
    }
}
