//! The deploy token: whoever has it can ask for a release of its project, and do nothing else.

use boathouse_types::{
    CallDeploy, Decision, DeploymentName, Happening, HookEvent, ProjectId, ProjectName, Provider, ReleaseId, Trigger,
};

use super::payload::bare;
use crate::db::delivery::{self, NewDelivery};
use crate::db::{Transaction, deployment, hook, project};
use crate::error::{Error, Result, unauthenticated};
use crate::release::{self, Request};
use crate::secret::sha256;

/// The deployment that is meant where none is named.
const USUAL: &str = "production";
/// Who asked, in events and at the release.
const ACTOR: &str = "deploy token";

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The project, as the address names it.
    pub project: &'a str,
    /// The token.
    pub token: &'a str,
    /// What is wanted.
    pub wanted: &'a CallDeploy,
}

/// Requests the release, and notes the call. The caller pokes.
pub fn call(tx: &Transaction<'_>, called: &Called<'_>) -> Result<ReleaseId> {
    let name = called.project.parse::<ProjectName>().map_err(|_| not_known())?;
    let project = project::by_name(tx, &name).map_err(|_| not_known())?;
    if !hook::is_token(tx, project.id, &sha256(called.token.as_bytes()))? {
        return Err(not_known());
    }
    hook::touch_token(tx, project.id)?;
    let wanted = match &called.wanted.deployment {
        Some(name) => name.clone(),
        None => USUAL.parse()?,
    };
    let row = deployment::by_name(tx, &project.name, &wanted)?;
    let reference = called.wanted.reference.as_deref();
    let asked = Request { deployment: &row, actor: ACTOR, reference, upload: None, no_cache: false };
    let id = release::triggered(tx, &asked, &Trigger::Call, None)?;
    let number = crate::db::release::by_id(tx, id)?.number;
    note(tx, project.id, &wanted, reference, number)?;
    Ok(id)
}

/// One answer for each cause, so that nobody learns which projects there are.
fn not_known() -> Error {
    unauthenticated("this is not the deploy token of that project")
        .hint("Make a new one: `boathouse hook token --project NAME`.")
}

fn note(
    tx: &Transaction<'_>,
    project: ProjectId,
    deployment: &DeploymentName,
    reference: Option<&str>,
    number: i64,
) -> Result<()> {
    let happening = Happening { reference: reference.map(str::to_owned), ..bare(HookEvent::Call, "deploy") };
    let (made, _) = delivery::record(tx, &NewDelivery::waiting(project, Provider::Ci, &happening))?;
    let reason = "asked for with the deploy token".to_owned();
    let decision = Decision { deployment: deployment.clone(), release: Some(number), reason };
    delivery::decide(tx, made.id, None, &[decision]).map(drop)
}
