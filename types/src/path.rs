//! The paths of the API, made in one place so that client and server cannot drift.

use crate::{DeploymentName, ProjectName};

/// The prefix of every API path.
pub const API: &str = "/api/v1";

/// `/projects/{project}`.
pub fn project(project: &ProjectName) -> String {
    format!("{API}/projects/{project}")
}

/// `/projects/{project}/deployments/{deployment}`.
pub fn deployment(project: &ProjectName, deployment: &DeploymentName) -> String {
    format!("{API}/projects/{project}/deployments/{deployment}")
}

/// `…/deployments/{deployment}/releases/{number}`.
pub fn release(project: &ProjectName, deployment: &DeploymentName, number: i64) -> String {
    format!("{API}/projects/{project}/deployments/{deployment}/releases/{number}")
}
