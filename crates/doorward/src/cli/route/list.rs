//! `doorward route list`.

use clap::Args;
use doorward_policy::route::{Requirement, Route, demands::Demands};
use serde_json::{Value, json};

use super::{Place, config};
use crate::{
    cli::table,
    exit::{Answer, Failure},
    output,
};

/// List what is open, and to whom
#[derive(Debug, Args)]
pub(in crate::cli) struct List {}

impl List {
    pub(in crate::cli) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let (file, config) = config(place)?;
        let routes = config.routes.routes();
        if place.json {
            let routes: Vec<_> = routes.iter().map(as_json).collect();
            output::json(&json!({ "file": file, "routes": routes }));
            return Ok(Answer::Yes);
        }
        let rows: Vec<_> = routes.iter().map(row).collect();
        let empty = "no routes, so every path is closed; add a [[route]] to the configuration";
        table::print(["ROUTE", "OPEN TO", "IF", "AT"], &rows, empty);
        Ok(Answer::Yes)
    }
}

fn row(route: &Route) -> [String; 4] {
    let conditions = route.conditions().iter();
    let conditions =
        conditions.map(|condition| format!("{} = {{{}}}", condition.claim, condition.parameter));
    [
        route.pattern().to_owned(),
        open_to(route.requirement()),
        conditions
            .chain(demanded(route.demands()))
            .collect::<Vec<_>>()
            .join(", "),
        route.source().map(ToString::to_string).unwrap_or_default(),
    ]
}

/// What is asked of the token, in few words.
fn demanded(demands: &Demands) -> impl Iterator<Item = String> {
    let Demands {
        audience,
        issuer,
        step_up,
        internal_audience,
    } = demands;
    let acr = (!step_up.acr.is_empty()).then(|| format!("acr {}", step_up.acr.join(" or ")));
    let age = step_up.max_age;
    [
        audience.as_ref().map(|audience| format!("for {audience}")),
        issuer.as_ref().map(|issuer| format!("by {issuer}")),
        acr,
        age.map(|age| format!("signed in at most {age} s ago")),
        internal_audience
            .as_ref()
            .map(|audience| format!("internal token for {audience}")),
    ]
    .into_iter()
    .flatten()
}

/// Who may call a route, in few words.
fn open_to(requirement: &Requirement) -> String {
    match requirement {
        Requirement::Public => "everybody".to_owned(),
        Requirement::Authenticated => "any valid token".to_owned(),
        Requirement::Allow(permission) => permission.to_string(),
    }
}

fn as_json(route: &Route) -> Value {
    let (requirement, permission) = match route.requirement() {
        Requirement::Public => ("public", None),
        Requirement::Authenticated => ("authenticated", None),
        Requirement::Allow(permission) => ("permission", Some(permission.as_str())),
    };
    let demands = route.demands();
    let conditions = route.conditions().iter();
    let conditions = conditions.map(|condition| {
        let parameter = format!("{{{}}}", condition.parameter);
        (condition.claim.clone(), Value::from(parameter))
    });
    json!({
        "match": route.pattern(),
        "requirement": requirement,
        "permission": permission,
        "where": conditions.collect::<serde_json::Map<_, _>>(),
        "audience": demands.audience,
        "issuer": demands.issuer,
        "acr": demands.step_up.acr,
        "max_age": demands.step_up.max_age,
        "source": route.source(),
    })
}
