//! Tenants: the operator's.

use super::{
    call::{Call, Said},
    shape::{Kind, Shape, answer, required},
};
use crate::{http::error::Refusal, tenant};

answer! {
    /// A tenant.
    Tenant {
        /// Its name
        name: String,
        /// Milliseconds since 1970
        created_at_ms: u64,
    }
}

answer! {
    /// A page of tenants.
    Tenants {
        /// In the order of their names
        items: Vec<Tenant>,
        /// The cursor of the next page, if there is one
        next: Option<String>,
    }
}

pub(super) const NEW_TENANT: Shape = Shape {
    name: "NewTenant",
    members: &[required("name", Kind::Text, "1 to 63 of a-z 0-9 -")],
};

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let tenants = call.admin().tenants().await?;
    let (tenants, next) = call.cut(tenants, |tenant| tenant.name.to_string())?;
    Said::ok(&Tenants {
        items: tenants.iter().map(shown).collect(),
        next,
    })
}

pub(super) async fn create(mut call: Call) -> Result<Said, Refusal> {
    let name = call.body.text("name")?;
    Said::made(&shown(&call.admin().add_tenant(&name).await?))
}

fn shown(tenant: &tenant::Tenant) -> Tenant {
    Tenant {
        name: tenant.name.to_string(),
        created_at_ms: tenant.created_at_ms,
    }
}
