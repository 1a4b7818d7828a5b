//! Endpoints for the operator that stand on the public port.

use super::{Plan, Planner};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe},
    wire::Answer,
};

const PATHS: [&str; 14] = [
    "/metrics",
    "/actuator",
    "/actuator/env",
    "/actuator/prometheus",
    "/debug/pprof/",
    "/debug/vars",
    "/server-status",
    "/nginx_status",
    "/.env",
    "/.git/config",
    "/console/",
    "/__debug__/",
    "/admin/metrics",
    "/management/env",
];

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    if id != "GWY-031" {
        return None;
    }
    let probe = |path: &&str| {
        let probe = planner.elsewhere(format!("GET {path}"), *path);
        let mut request = probe.request;
        "GET".clone_into(&mut request.method);
        Probe::bare(probe.what, request, Expect::Tell(tells_inner_things))
    };
    Some(Plan::Probes(PATHS.iter().map(probe).collect()))
}

/// Words that stand in such a page and in hardly any other.
const SIGNS: [(&str, &str); 12] = [
    ("# HELP ", "metrics"),
    ("# TYPE ", "metrics"),
    ("\"propertySources\"", "configuration"),
    ("\"_links\":{\"self\"", "an index of inner endpoints"),
    ("goroutine profile", "a profiler"),
    ("/debug/pprof/", "a profiler"),
    ("\"cmdline\":", "process variables"),
    ("Apache Server Status", "a server's status"),
    ("Active connections:", "a server's status"),
    ("SECRET_KEY=", "secrets"),
    ("PASSWORD=", "secrets"),
    ("[core]\n", "a repository's configuration"),
];

fn tells_inner_things(_: &Calibration, answer: &Answer) -> Option<String> {
    let text = answer.text();
    let (_, what) = SIGNS.iter().find(|(sign, _)| text.contains(sign))?;
    answer
        .is_success()
        .then(|| format!("{what} without a token, on the public port"))
}
