//! `doorward tenant`: tenants, one of which every token is for.

use clap::Subcommand;
use serde_json::json;

use super::{Place, Workplace, table};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Manage tenants
#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Add a tenant
    Add {
        /// Its name: lower-case letters, digits and dashes
        name: String,
    },
    /// List tenants
    List,
}

impl Tenant {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        workplace.with_issuer(async |issuer| {
            match &self {
                Self::Add { name } => {
                    let tenant = issuer.admin().add_tenant(name).await?;
                    if place.json {
                        output::json(&json!({ "tenant": tenant.name.as_str() }));
                    } else {
                        output::note(format!("added tenant {}", tenant.name));
                    }
                }
                Self::List => {
                    let tenants = issuer.admin().tenants().await?;
                    let names: Vec<_> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
                    if place.json {
                        output::json(&json!({ "tenants": names }));
                    } else {
                        let rows: Vec<_> = names.iter().map(|name| [(*name).to_owned()]).collect();
                        table::print(
                            ["TENANT"],
                            &rows,
                            "no tenants; add one with `doorward tenant add NAME`",
                        );
                    }
                }
            }
            Ok(Answer::Yes)
        })
    }
}
