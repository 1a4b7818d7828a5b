//! `doorward route list`.

use clap::Args;
use doorward_policy::route::{Requirement, Route};
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
        table::print(["ROUTE", "OPEN TO", "WHERE", "AT"], &rows, empty);
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
        conditions.collect::<Vec<_>>().join(", "),
        route.source().map(ToString::to_string).unwrap_or_default(),
    ]
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
        "source": route.source(),
    })
}
