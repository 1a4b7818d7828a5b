//! Broken configurations and exactly what is shown for each of them.

mod callers;
mod document;
mod internal_tokens;
mod issuers;
mod roles;
mod routes;
mod settings;
mod shadow;
mod tokens;
mod tracing;

/// A text with something wrong in it.
pub(super) struct Broken {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// What is drawn, between two line breaks.
    pub(super) shown: &'static str,
}

/// One case for each kind of problem, by the section that it is in.
pub(super) const BROKEN: &[&[Broken]] = &[
    document::BROKEN,
    settings::BROKEN,
    callers::BROKEN,
    tokens::BROKEN,
    internal_tokens::BROKEN,
    issuers::BROKEN,
    roles::BROKEN,
    routes::BROKEN,
    shadow::BROKEN,
    tracing::BROKEN,
];
