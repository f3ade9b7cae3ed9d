//! The environment of a release, fixed when its containers are recorded, sealed: a rollback gets the very same again, except
//! that credentials which were replaced since are the new ones.

mod pieces;

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentId, EnvKey, Identifier, VariableSource};
use serde::{Deserialize, Serialize};

use crate::db::{Connection, Transaction, env, env::EnvRow, registry, release, release::ReleaseRow, rotation, shared};
use crate::docker::DockerError;
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::secret::SecretKey;
use crate::stack::environment::{self, Environment, Layer, Values};
use crate::stack::{self, Stack};

pub use pieces::Pieces;

/// Whose value a rotated credential is, to people.
const ROTATED: &str = "rotated credentials";

/// What a release keeps of its environment.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Snapshot {
    /// Every variable with its source.
    Full {
        /// By part.
        variables: Environment,
    },
    /// Values alone, as versions before sources were known kept them.
    Values(Values),
}

impl Snapshot {
    /// What each part gets.
    pub fn values(&self) -> Values {
        match self {
            Self::Values(values) => values.clone(),
            Self::Full { variables } => environment::values(variables),
        }
    }

    /// Every variable with its source; of values alone the source is not known.
    pub fn variables(&self) -> Environment {
        let variable = |value: &String| environment::Variable {
            value: value.clone(),
            secret: true,
            generated: false,
            source: VariableSource::Custom,
            overridden: Vec::new(),
        };
        match self {
            Self::Full { variables } => variables.clone(),
            Self::Values(values) => values
                .iter()
                .map(|(part, own)| {
                    (part.clone(), own.iter().map(|(key, value)| (key.clone(), variable(value))).collect())
                })
                .collect(),
        }
    }

    /// Whether any value was made at random.
    pub fn has_generated(&self) -> bool {
        match self {
            Self::Values(_) => false,
            Self::Full { variables } => {
                variables.values().flat_map(BTreeMap::values).any(|variable| variable.generated)
            }
        }
    }

    /// The same with the values that `current` has for what was generated: credentials that were replaced since do not come
    /// back, because nothing would open for them.
    pub fn with_credentials_of(mut self, current: &Environment) -> Self {
        let Self::Full { variables } = &mut self else { return self };
        for (part, own) in variables {
            for (key, variable) in own.iter_mut().filter(|(_, variable)| variable.generated) {
                let new = current.get(part).and_then(|own| own.get(key)).filter(|new| new.generated);
                if let Some(new) = new {
                    new.value.clone_into(&mut variable.value);
                }
            }
        }
        self
    }

    /// Variables that were set by somebody, as layers over a manifest.
    pub fn layers(&self) -> Vec<Layer> {
        let Self::Full { variables } = self else { return Vec::new() };
        let set = |source: &VariableSource| matches!(source, VariableSource::Custom | VariableSource::Shared { .. });
        let of_part = |(part, own): (&Identifier, &BTreeMap<EnvKey, stack::environment::Variable>)| {
            let part = part.clone();
            let own = own.iter().filter(|(_, variable)| set(&variable.source));
            own.map(move |(key, variable)| Layer {
                source: variable.source.clone(),
                component: Some(part.clone()),
                key: key.clone(),
                value: variable.value.clone(),
                secret: variable.secret,
            })
            .collect::<Vec<_>>()
        };
        variables.iter().flat_map(of_part).collect()
    }
}

/// The variables that people set, shared ones first: what comes later wins.
///
/// # Errors
/// A stored value that cannot be opened refuses the release: an app never starts with an empty secret.
pub fn layers(
    connection: &Connection,
    key: &SecretKey,
    deployment: &crate::db::deployment::DeploymentRow,
) -> Result<Vec<Layer>> {
    let mut layers = credentials(connection, key, deployment.id)?;
    for row in shared::of_deployment(connection, deployment.project_id, deployment.stage)? {
        let value = opened(key, &shared::aad(row.sharing, &row.key), &row.value_sealed, &row.key)?;
        let source = VariableSource::Shared { scope: row.sharing.scope() };
        layers.push(Layer { source, component: None, key: row.key, value, secret: row.secret });
    }
    let mut custom = env::list(connection, deployment.id)?;
    custom.sort_by_key(|row| row.component.is_some());
    for row in custom {
        let value = open_variable(key, deployment.id, &row)?;
        let EnvRow { key, component, secret, .. } = row;
        layers.push(Layer { source: VariableSource::Custom, component, key, value, secret });
    }
    Ok(layers)
}

/// Credentials of add-ons that were rotated: they win over what the package says, and lose against what somebody set by hand.
/// Which of them are secrets the package says.
pub fn credentials(connection: &Connection, key: &SecretKey, deployment: DeploymentId) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for (addon, sealed) in rotation::credentials(connection, deployment)? {
        for (name, value) in sealed {
            let aad = rotation::credential_aad(deployment, &addon, &name);
            let value = opened(key, &aad, &value, &name)?;
            let source = VariableSource::Package { package: ROTATED.to_owned() };
            layers.push(Layer { source, component: Some(addon.clone()), key: name, value, secret: false });
        }
    }
    Ok(layers)
}

/// Gives a deployment the credentials of another one: its databases begin with the other's files, and with the users in them.
///
/// # Errors
/// A stored value cannot be opened.
pub fn copy_credentials(tx: &Transaction<'_>, key: &SecretKey, from: DeploymentId, to: DeploymentId) -> Result<()> {
    for layer in credentials(tx, key, from)? {
        let Some(addon) = &layer.component else { continue };
        let sealed = key.seal(&rotation::credential_aad(to, addon, &layer.key), layer.value.as_bytes());
        rotation::set_credential(tx, to, addon, &layer.key, &sealed)?;
    }
    Pieces::copy(tx, key, from, to)
}

/// Opens one stored variable of a deployment.
pub fn open_variable(key: &SecretKey, deployment: DeploymentId, row: &EnvRow) -> Result<String> {
    opened(key, &env::aad(deployment, row.component.as_ref(), &row.key), &row.value_sealed, &row.key)
}

/// Opens one stored value.
pub fn opened(key: &SecretKey, aad: &str, sealed: &[u8], name: &EnvKey) -> Result<String> {
    let refused = |error: Error| {
        invalid(format!("the stored value of the variable {name} cannot be opened, so nothing was started"))
            .hint("Put back the key file that belongs to this database, or set the variable again.")
            .caused_by(error)
    };
    let bytes = key.open(aad, sealed).map_err(refused)?;
    String::from_utf8(bytes).map_err(|_| internal(format!("the stored value of {name} is not text")))
}

/// Seals an environment for a release.
pub fn seal(key: &SecretKey, id: boathouse_types::ReleaseId, snapshot: &Snapshot) -> Result<Vec<u8>> {
    Ok(key.seal(&release::env_aad(id), &serde_json::to_vec(snapshot)?))
}

/// Opens the environment of a release; empty before it was recorded.
pub fn open(key: &SecretKey, row: &ReleaseRow) -> Result<Snapshot> {
    let Some(sealed) = &row.env_sealed else { return Ok(Snapshot::Values(Values::new())) };
    Ok(serde_json::from_slice(&key.open(&release::env_aad(row.id), sealed)?)?)
}

/// Values that no log of this release may show: passwords of registries, the secrets of the deployment and of those who share
/// with it, what was generated for it, what builds read as secrets now, and the secrets of the snapshot.
pub fn secrets(connection: &Connection, key: &SecretKey, row: &ReleaseRow) -> Result<BTreeSet<String>> {
    let deployment = crate::db::deployment::by_id(connection, row.deployment_id)?;
    let of_builds: BTreeSet<&EnvKey> =
        row.manifest.iter().flat_map(Stack::in_start_order).flat_map(stack::Component::build_secrets).collect();
    let (mut secrets, mut shown) = (BTreeSet::new(), BTreeSet::new());
    let mut note = |name: &EnvKey, secret: bool, value: Result<String>| {
        // One that cannot be opened cannot have been printed by us either.
        let Ok(value) = value else { return };
        if secret || of_builds.contains(name) {
            secrets.insert(value);
        } else {
            shown.insert(value);
        }
    };
    for variable in env::list(connection, row.deployment_id)? {
        note(&variable.key, variable.secret, open_variable(key, row.deployment_id, &variable));
    }
    for variable in shared::of_deployment(connection, deployment.project_id, deployment.stage)? {
        let value = opened(key, &shared::aad(variable.sharing, &variable.key), &variable.value_sealed, &variable.key);
        note(&variable.key, variable.secret, value);
    }
    for login in registry::list(connection)? {
        let password = key.open(&registry::aad(&login.host), &login.password_sealed).ok();
        secrets.extend(password.and_then(|password| String::from_utf8(password).ok()));
    }
    if let Ok(pieces) = Pieces::load(connection, key, row.deployment_id) {
        secrets.extend(pieces.values().map(str::to_owned));
    }
    secrets.extend(of_snapshot(&open(key, row)?, row.manifest.as_ref(), &shown));
    Ok(secrets)
}

fn of_snapshot(snapshot: &Snapshot, manifest: Option<&Stack>, shown: &BTreeSet<String>) -> Vec<String> {
    match snapshot {
        Snapshot::Full { variables } => {
            let secret = variables.values().flat_map(BTreeMap::values).filter(|variable| variable.secret);
            secret.map(|variable| variable.value.clone()).collect()
        }
        // Beyond the automatic and the manifest's variables everything counts, except what is marked as no secret and unchanged.
        Snapshot::Values(values) => {
            let is_fixed = |part: &Identifier, name: &EnvKey, value: &String| {
                let part = manifest.and_then(|stack| stack.find(part));
                part.is_some_and(|part| part.env.get(name) == Some(value))
            };
            let all = values.iter().flat_map(|(part, own)| own.iter().map(move |(name, value)| (part, name, value)));
            all.filter(|(part, name, value)| {
                !is_fixed(part, name, value) && !is_automatic(name.as_str()) && !shown.contains(*value)
            })
            .map(|(_, _, value)| value.clone())
            .collect()
        }
    }
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

    #[test]
    fn a_value_that_cannot_be_opened_refuses() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let error = open_variable(&key, boathouse_types::DeploymentId(1), &row("A", None, "not sealed")).unwrap_err();
        assert!(error.message.contains("variable A"));
    }

    /// Releases of older versions kept values alone; a part may be named like a field of the newer form.
    #[test]
    fn both_forms_of_a_snapshot_are_read() {
        let old = r#"{"variables":{"A":"b"},"web":{}}"#;
        let read: Snapshot = serde_json::from_str(old).unwrap();
        assert_eq!(read.values()[&"variables".parse().unwrap()][&"A".parse().unwrap()], "b");
        assert!(serde_json::from_str::<Snapshot>("{}").unwrap().values().is_empty());
        let new =
            r#"{"variables":{"web":{"A":{"value":"b","secret":true,"generated":true,"source":{"kind":"custom"}}}}}"#;
        let read: Snapshot = serde_json::from_str(new).unwrap();
        assert_eq!(read.values()[&"web".parse().unwrap()][&"A".parse().unwrap()], "b");
        assert_eq!(read.layers().len(), 1);
        let current: Environment = serde_json::from_str(&new[13..new.len() - 1].replace("\"b\"", "\"fresh\"")).unwrap();
        assert_eq!(
            read.with_credentials_of(&current).values()[&"web".parse().unwrap()][&"A".parse().unwrap()],
            "fresh"
        );
    }
}
