//! The environment of a stack that no deployment has: what a manifest alone says.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentStage, EnvKey, Identifier, PartEnvironment};

use super::environment::{self, Endpoint, Facts, Supply};
use super::links::Unresolved;
use super::shown;
use super::template::Generator;
use super::{PackageUrl, Stack};
use crate::error::Result;

/// What a manifest says, and what only a deployment can add to it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outlook {
    /// The variables of all parts; secrets are masked.
    pub parts: Vec<PartEnvironment>,
    /// What a deployment must add, or what is not known here, in sentences.
    pub notes: Vec<String>,
}

/// The outlook of a stack at a stage. Addresses are shown as `https://<component>`: a deployment gives them.
pub fn outlook(stack: &Stack, stage: DeploymentStage) -> Result<Outlook> {
    let endpoints = stack.components.iter().flat_map(|part| {
        part.hosts.iter().map(|host| Endpoint {
            component: part.identifier.clone(),
            host: host.identifier.clone(),
            url: format!("https://<{}>", part.identifier),
        })
    });
    let endpoints: Vec<Endpoint> = endpoints.collect();
    let public_url = endpoints.first().map(|endpoint| endpoint.url.clone());
    let facts = Facts { stage, public_url, endpoints, exposed: BTreeMap::new(), issued_at: 0, outward: Vec::new() };
    let mut open = Open { notes: Vec::new() };
    for part in stack.in_start_order() {
        if let Some(package) = part.package.as_ref().filter(|package| package.name.is_none()) {
            open.notes.push(unknown_package(&part.identifier, &package.url));
        }
    }
    let environment = environment::resolve(stack, &facts, &[], &mut open)?;
    Ok(Outlook { parts: shown::parts(stack, &environment), notes: open.notes })
}

fn unknown_package(part: &Identifier, url: &PackageUrl) -> String {
    format!(
        "{part}: the package {url} was not fetched, so its port, variables and volumes are not known here; a release fetches it"
    )
}

/// Leaves open what only a deployment knows, and notes what somebody must set.
struct Open {
    notes: Vec<String>,
}

impl Supply for Open {
    fn piece(&mut self, _: &Identifier, _: &EnvKey, _: usize, _: Generator) -> Result<String> {
        Ok(String::new())
    }

    fn missing(&mut self, part: &Identifier, reader: &EnvKey, key: &EnvKey) -> Result<String> {
        self.notes.push(format!("{part}: {reader} reads ${{{key}}}, which must be set on the deployment"));
        Ok(format!("${{{key}}}"))
    }

    fn unresolved(&mut self, _: &Unresolved<'_>) -> Result<()> {
        Ok(())
    }
}
