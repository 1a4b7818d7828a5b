//! Whether the secret that signed the token can be found offline.

use doorward_jose::{algorithm::Algorithm, json::Value};

use super::{Plan, Planner};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    if id != "BRU-015" {
        return None;
    }
    let name = planner.jws.as_ref().and_then(|jws| jws.header.get("alg"));
    let algorithm = name.and_then(Value::as_str).and_then(Algorithm::from_name);
    match algorithm.is_some_and(Algorithm::is_symmetric) {
        true => Some(Plan::Crack),
        false => Some(Plan::NotApplicable(
            "the token is not signed with a shared secret".to_owned(),
        )),
    }
}
