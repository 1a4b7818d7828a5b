//! `doorward route diff --openapi FILE`: for pipelines.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Place, config};
use crate::{
    cli::table,
    exit::{Answer, Failure},
    openapi::{
        Description,
        coverage::{Finding, differences},
    },
    output,
};

/// Compare the routes with an OpenAPI description; exit 1 if an operation is open, undecided or
/// without a route, or a route is not described
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The description (OpenAPI 3.0 or 3.1, JSON or YAML)
    #[arg(long, value_name = "FILE")]
    openapi: PathBuf,
}

impl Diff {
    pub(in crate::cli) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let (file, config) = config(place)?;
        let description = Description::load(&self.openapi)?;
        let findings = differences(&description, &config.routes);
        let (failures, notes): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .partition(|finding| finding.kind.fails());
        let answer = match failures.is_empty() {
            true => Answer::Yes,
            false => Answer::No,
        };
        let (operations, routes) = (description.operations.len(), config.routes.routes().len());
        if place.json {
            output::json(&json!({
                "file": file,
                "openapi": self.openapi,
                "operations": operations,
                "routes": routes,
                "findings": failures,
                "notes": notes,
            }));
            return Ok(answer);
        }
        let rows: Vec<_> = failures.iter().chain(&notes).map(row).collect();
        let same = format!(
            "{} and {} say the same: {operations} operations, {routes} routes",
            file.display(),
            self.openapi.display()
        );
        table::print(["", "WHAT", "OPERATION", "ROUTE", "HELP"], &rows, &same);
        Ok(answer)
    }
}

fn row(finding: &Finding) -> [String; 5] {
    let mark = if finding.kind.fails() { "✗" } else { "-" };
    let operation = finding.method.iter().chain(&finding.path).cloned();
    let route = finding.route.iter().chain(&finding.source).cloned();
    [
        mark.to_owned(),
        finding.kind.words().to_owned(),
        operation.collect::<Vec<_>>().join(" "),
        route.collect::<Vec<_>>().join("  "),
        finding.help.clone(),
    ]
}
