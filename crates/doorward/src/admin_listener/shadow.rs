//! `GET /api/shadow`: what came of the candidate that judges beside the served
//! configuration.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use doorward_gateway::shadow::Report;
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::config::Problem;

/// The candidate, and what came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shadow {
    /// The file that `[shadow]` names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) candidate: Option<String>,
    /// What is wrong with it now. The last good content goes on judging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<Problem>,
    /// Settings that decide as well, that differ, and that no candidate is
    /// compared by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_compared: Vec<String>,
    /// What came of it; absent while nothing good was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) report: Option<Report>,
}

pub(super) async fn shadow(State(admin): State<Arc<Admin>>) -> Response {
    Json((admin.shadow)()).into_response()
}
