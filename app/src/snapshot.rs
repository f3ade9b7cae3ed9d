//! The environment of a release, fixed when its containers are recorded: a rollback gets the very same again.
//!
//! Order, later wins: automatic (`PORT`, `STAGE`, `APP_PUBLIC_URL`, `<HOST>_ENDPOINT`), the manifest's static variables,
//! the deployment's own for all components, its own for this one. Add-ons get the manifest's alone, and what names them.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Identifier};

use crate::db::{Connection, env, env::EnvRow, registry, release, release::ReleaseRow};
use crate::docker::DockerError;
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::secret::SecretKey;
use crate::stack::{self, Stack};

/// Variables by component.
pub type Environment = BTreeMap<Identifier, BTreeMap<EnvKey, String>>;

/// `PORT` of a component whose manifest and image name none.
pub const DEFAULT_PORT: u16 = 8080;

/// What the automatic variables are made from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The deployment's stage.
    pub stage: DeploymentStage,
    /// Address of the first component.
    pub public_url: Option<String>,
    /// Address of each host by the identifier that the manifest gives it.
    pub endpoints: Vec<(Identifier, String)>,
    /// Ports that the images declare, by component.
    pub exposed: BTreeMap<Identifier, Vec<u16>>,
}

/// The environment of all components and add-ons.
///
/// # Errors
/// A stored value that cannot be opened refuses the release: an app never starts with an empty secret.
pub fn build(
    stack: &Stack,
    facts: &Facts,
    custom: &[EnvRow],
    open: impl Fn(&EnvRow) -> Result<String>,
) -> Result<Environment> {
    let opened: Vec<(&EnvRow, String)> = custom.iter().map(|row| Ok((row, open(row)?))).collect::<Result<_>>()?;
    let mut environment = Environment::new();
    for part in stack.in_start_order() {
        let is_component = stack.components.iter().any(|component| component.identifier == part.identifier);
        let mut variables = BTreeMap::new();
        if is_component {
            variables.extend(automatic(part, facts));
        }
        variables.extend(part.env.clone());
        let for_all = opened.iter().filter(|(row, _)| is_component && row.component.is_none());
        let own = opened.iter().filter(|(row, _)| row.component.as_ref() == Some(&part.identifier));
        variables.extend(for_all.chain(own).map(|(row, value)| (row.key.clone(), value.clone())));
        environment.insert(part.identifier.clone(), variables);
    }
    Ok(environment)
}

fn automatic(part: &crate::stack::Component, facts: &Facts) -> BTreeMap<EnvKey, String> {
    let exposed = facts.exposed.get(&part.identifier).and_then(|ports| ports.first().copied());
    let port = part.port.or(exposed).unwrap_or(DEFAULT_PORT);
    let mut variables =
        vec![("PORT".to_owned(), port.to_string()), ("STAGE".to_owned(), facts.stage.as_str().to_owned())];
    variables.extend(facts.public_url.iter().map(|url| ("APP_PUBLIC_URL".to_owned(), url.clone())));
    variables.extend(facts.endpoints.iter().map(|(host, url)| (endpoint_key(host), url.clone())));
    // Keys made from identifiers are valid: letters, digits and underscores.
    variables.into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect()
}

fn endpoint_key(host: &Identifier) -> String {
    format!("{}_ENDPOINT", host.as_str().replace('-', "_").to_ascii_uppercase())
}

/// Opens one stored variable.
pub fn open_variable(key: &SecretKey, deployment: boathouse_types::DeploymentId, row: &EnvRow) -> Result<String> {
    let aad = env::aad(deployment, row.component.as_ref(), &row.key);
    let refused = |error: Error| {
        invalid(format!("the stored value of the variable {} cannot be opened, so nothing was started", row.key))
            .hint("Put back the key file that belongs to this database, or set the variable again.")
            .caused_by(error)
    };
    let bytes = key.open(&aad, &row.value_sealed).map_err(refused)?;
    String::from_utf8(bytes).map_err(|_| internal(format!("the stored value of {} is not text", row.key)))
}

/// Seals an environment for a release.
pub fn seal(key: &SecretKey, id: boathouse_types::ReleaseId, environment: &Environment) -> Result<Vec<u8>> {
    Ok(key.seal(&release::env_aad(id), &serde_json::to_vec(environment)?))
}

/// Opens the environment of a release; empty before it was recorded.
pub fn open(key: &SecretKey, row: &ReleaseRow) -> Result<Environment> {
    let Some(sealed) = &row.env_sealed else { return Ok(Environment::new()) };
    Ok(serde_json::from_slice(&key.open(&release::env_aad(row.id), sealed)?)?)
}

/// Values that no log of this release may show: passwords of registries, the deployment's secrets and what builds read as
/// secrets now, and what the snapshot holds beyond the automatic and the manifest's variables, except what is marked as no
/// secret and unchanged.
pub fn secrets(connection: &Connection, key: &SecretKey, row: &ReleaseRow) -> Result<BTreeSet<String>> {
    let custom = env::list(connection, row.deployment_id)?;
    let of_builds: BTreeSet<&EnvKey> =
        row.manifest.iter().flat_map(Stack::in_start_order).flat_map(stack::Component::build_secrets).collect();
    let mut secrets = BTreeSet::new();
    let mut shown = BTreeSet::new();
    for variable in &custom {
        // One that cannot be opened cannot have been printed by us either.
        if let Ok(value) = open_variable(key, row.deployment_id, variable) {
            if variable.secret || of_builds.contains(&variable.key) {
                secrets.insert(value)
            } else {
                shown.insert(value)
            };
        }
    }
    for login in registry::list(connection)? {
        let password = key.open(&registry::aad(&login.host), &login.password_sealed).ok();
        secrets.extend(password.and_then(|password| String::from_utf8(password).ok()));
    }
    let manifest = row.manifest.as_ref();
    for (identifier, variables) in open(key, row)? {
        let fixed = manifest.and_then(|stack| stack.find(&identifier)).map(|part| &part.env);
        for (name, value) in variables {
            let is_fixed = fixed.is_some_and(|env| env.get(&name) == Some(&value));
            if !is_fixed && !is_automatic(name.as_str()) && !shown.contains(&value) {
                secrets.insert(value);
            }
        }
    }
    Ok(secrets)
}

fn is_automatic(name: &str) -> bool {
    matches!(name, "PORT" | "STAGE" | "APP_PUBLIC_URL") || name.ends_with("_ENDPOINT")
}

/// An engine's error in the server's terms.
pub fn engine_error(error: DockerError) -> Error {
    let make = if error.engine_is_gone() { unavailable } else { invalid };
    let hint = error.hint.clone();
    let made = make(error.to_string());
    if hint.is_empty() { made } else { made.hint(hint) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::env::tests::unsealed as row;
    use crate::stack;

    fn plain(row: &EnvRow) -> Result<String> {
        Ok(String::from_utf8_lossy(&row.value_sealed).into_owned())
    }

    #[test]
    fn later_sources_win_and_add_ons_get_only_their_own() {
        let text = "components:\n  - identifier: web-app\n    build: {}\n    env: {include: [{name: A, value: manifest}, {name: PORT, value: '1'}]}\n  - identifier: api\n    build: {}\naddons:\n  - {identifier: db, image: a, env: {include: [{name: X, value: y}]}}\n";
        let stack = stack::parse("m", text).unwrap();
        let facts = Facts {
            stage: DeploymentStage::Production,
            public_url: Some("https://a.test".into()),
            endpoints: vec![("web-app".parse().unwrap(), "https://a.test".into())],
            exposed: BTreeMap::from([("api".parse().unwrap(), vec![3000])]),
        };
        let custom = [row("A", None, "all"), row("B", Some("api"), "own"), row("PW", Some("db"), "pw")];
        let made = build(&stack, &facts, &custom, plain).unwrap();
        let get = |part: &str, key: &str| made[&part.parse().unwrap()].get(&key.parse().unwrap()).map(String::as_str);
        assert_eq!((get("web-app", "A"), get("web-app", "PORT")), (Some("all"), Some("1")));
        assert_eq!((get("api", "PORT"), get("api", "B"), get("web-app", "B")), (Some("3000"), Some("own"), None));
        assert_eq!(get("api", "WEB_APP_ENDPOINT"), Some("https://a.test"));
        assert_eq!(get("api", "STAGE"), Some("production"));
        assert_eq!(
            (get("db", "X"), get("db", "PW"), get("db", "A"), get("db", "PORT")),
            (Some("y"), Some("pw"), None, None)
        );
    }

    #[test]
    fn a_value_that_cannot_be_opened_refuses() {
        let stack = stack::parse("m", "components:\n  - identifier: web\n").unwrap();
        let facts =
            Facts { stage: DeploymentStage::Staging, public_url: None, endpoints: vec![], exposed: BTreeMap::new() };
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let error = build(&stack, &facts, &[row("A", None, "not sealed")], |row| {
            open_variable(&key, boathouse_types::DeploymentId(1), row)
        })
        .unwrap_err();
        assert!(error.message.contains("variable A"));
    }
}
