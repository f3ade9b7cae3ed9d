//! Secrets of a build: variables of the deployment that the manifest names, opened for the builder alone.
//!
//! They are mounted where a `RUN` asks for them and never become build arguments, which stay in an image's history.

use std::collections::BTreeMap;

use boathouse_types::{EnvKey, Identifier};

use super::pipeline::Run;
use crate::db::deployment;
use crate::db::release::ReleaseRow;
use crate::error::{Error, Result, invalid};
use crate::snapshot;
use crate::stack::environment::Layer;
use crate::stack::{Component, Stack};

/// Values by component.
pub type Values = BTreeMap<Identifier, BTreeMap<EnvKey, String>>;

/// Opens what the builds of this stack name; nothing is built where one is missing.
pub async fn open(run: &Run, row: &ReleaseRow, stack: &Stack) -> Result<Values> {
    if stack.in_start_order().all(|part| part.build_secrets().next().is_none()) {
        return Ok(Values::new());
    }
    let (id, key, stack) = (row.deployment_id, run.app.key.clone(), stack.clone());
    let missing = {
        let (project, deployment) = (row.project.clone(), row.deployment.clone());
        move |part: &Component, name: &EnvKey| missing(part, name, project.as_str(), deployment.as_str())
    };
    run.app.db.read(move |c| choose(&stack, &snapshot::layers(c, &key, &deployment::by_id(c, id)?)?, missing)).await
}

/// The later layer wins, as in the container.
fn choose(stack: &Stack, layers: &[Layer], missing: impl Fn(&Component, &EnvKey) -> Error) -> Result<Values> {
    let mut values = Values::new();
    for part in stack.in_start_order() {
        for name in part.build_secrets() {
            let reaches = |layer: &&Layer| {
                layer.key == *name && layer.component.as_ref().is_none_or(|component| *component == part.identifier)
            };
            let found = layers.iter().rev().find(reaches).ok_or_else(|| missing(part, name))?;
            values.entry(part.identifier.clone()).or_default().insert(name.clone(), found.value.clone());
        }
    }
    Ok(values)
}

fn missing(part: &Component, name: &EnvKey, project: &str, deployment: &str) -> Error {
    invalid(format!(
        "\"{}\" is built with the secret {name}, and the deployment {deployment} of {project} has no variable of that name",
        part.identifier
    ))
    .hint(format!(
        "Set it with `boathouse env set {name} --project {project} --deployment {deployment}`, which reads its value from standard input, then deploy again."
    ))
}

#[cfg(test)]
mod tests {
    use boathouse_types::VariableSource;

    use super::*;
    use crate::stack;

    fn row(key: &str, component: Option<&str>, value: &str) -> Layer {
        Layer {
            source: VariableSource::Custom,
            component: component.map(|name| name.parse().unwrap()),
            key: key.parse().unwrap(),
            value: value.to_owned(),
            secret: true,
        }
    }

    fn chosen(layers: &[Layer]) -> Result<Values> {
        let text = "components:\n  - identifier: web\n    build: {secrets: [TOKEN]}\n  - identifier: api\n    build: {secrets: [TOKEN, KEY]}\n";
        choose(&stack::parse("m", text).unwrap(), layers, |p, n| missing(p, n, "shop", "staging"))
    }

    #[test]
    fn a_component_gets_its_own_value_before_the_one_for_all() {
        let rows = [row("TOKEN", None, "all"), row("TOKEN", Some("api"), "own"), row("KEY", Some("api"), "k")];
        let values = chosen(&rows).unwrap();
        let get = |part: &str, key: &str| {
            values[&part.parse::<Identifier>().unwrap()].get(&key.parse().unwrap()).map(String::as_str)
        };
        assert_eq!((get("web", "TOKEN"), get("web", "KEY")), (Some("all"), None));
        assert_eq!((get("api", "TOKEN"), get("api", "KEY")), (Some("own"), Some("k")));
    }

    #[test]
    fn a_missing_one_is_named_with_the_command_that_sets_it() {
        let error = chosen(&[row("TOKEN", None, "t"), row("KEY", Some("web"), "not the api's")]).unwrap_err();
        assert!(error.message.contains("\"api\" is built with the secret KEY"), "{}", error.message);
        let hint = error.hint.unwrap();
        assert!(hint.contains("boathouse env set KEY --project shop --deployment staging"), "{hint}");
    }
}
