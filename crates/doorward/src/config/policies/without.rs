//! A build without policies.

use doorward_policy::role::Roles;
use doorward_policy::route::RouteTable;
use toml::de::DeTable;

use super::super::document::Reader;
use super::super::problem::Fault;

/// A build without policies must not serve a configuration that has some: what
/// they forbid would be open.
pub(in super::super) fn govern(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    routes: RouteTable,
    _: Option<&Roles>,
) -> (RouteTable, usize) {
    if let Some((key, _)) = table.get_key_value("policies") {
        let fault = Fault::at(key.span(), "this doorward was built without policies");
        reader.fault(fault.help("build it with `--features cedar`"));
    }
    (routes, 0)
}
