//! How many connections the process can hold.
//!
//! Each caller takes a file descriptor, and one more while its request is at
//! the upstream. When none is left, nobody is accepted and no upstream is
//! reached; so the gateway turns callers away, in words, before that.

use doorward_gateway::Limits;

/// For the database, the listeners, the admin endpoints and files.
const OWN: usize = 64;

/// `limits`, lowered to what fits into so many descriptors on so many workers.
pub(super) fn fit(limits: Limits, descriptors: usize, workers: usize) -> Limits {
    let left = descriptors.saturating_sub(OWN);
    let idle = limits.upstream_idle_connections.min(left / 8 / workers);
    let connections = left.saturating_sub(idle * workers) / 2;
    Limits {
        connections: limits.connections.min(connections.max(1)),
        upstream_idle_connections: idle,
        ..limits
    }
}

/// The limit of this process; `None` where the system does not say.
pub(super) fn limit() -> Option<usize> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(table: &str) -> Option<usize> {
    let row = table
        .lines()
        .find_map(|row| row.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use doorward_gateway::Limits;

    use super::{OWN, fit, soft_limit};

    #[test]
    fn dos_015_both_sides_of_every_connection_fit() {
        for workers in [1, 2, 64] {
            for descriptors in [0, 1, 256, 1024, 20_000, 1_000_000] {
                let limits = fit(Limits::default(), descriptors, workers);
                let most = limits.connections * 2 + limits.upstream_idle_connections * workers;
                assert!(limits.connections > 0);
                assert!(
                    most <= descriptors.saturating_sub(OWN).max(2),
                    "{descriptors} {workers}: {limits:?}"
                );
            }
        }
        let plenty = fit(Limits::default(), 1_000_000, 2);
        assert_eq!(plenty.connections, Limits::default().connections);
    }

    #[test]
    fn the_soft_limit_counts() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max processes             7                    8                    processes\n\
                     Max open files            1024                 20000                files\n";
        assert_eq!(soft_limit(table), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited  unlimited  files"),
            None
        );
        assert_eq!(soft_limit(""), None);
    }
}
