//! Secrets of a build: variables of the deployment that the manifest names, opened for the builder alone.
//!
//! They are mounted where a `RUN` asks for them and never become build arguments, which stay in an image's history.

use std::collections::BTreeMap;

use boathouse_types::{EnvKey, Identifier};

use super::pipeline::Run;
use crate::db::env::{self, EnvRow};
use crate::db::release::ReleaseRow;
use crate::error::{Error, Result, invalid};
use crate::snapshot;
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
    run.app
        .db
        .read(move |c| {
            let variables = env::list(c, id)?;
            choose(&stack, &variables, missing, |row| snapshot::open_variable(&key, id, row))
        })
        .await
}

/// A component's own variable wins over the one for all, as in its container.
fn choose(
    stack: &Stack,
    variables: &[EnvRow],
    missing: impl Fn(&Component, &EnvKey) -> Error,
    open: impl Fn(&EnvRow) -> Result<String>,
) -> Result<Values> {
    let mut values = Values::new();
    for part in stack.in_start_order() {
        for name in part.build_secrets() {
            let of = |component: Option<&Identifier>| {
                variables.iter().find(|row| row.key == *name && row.component.as_ref() == component)
            };
            let found = of(Some(&part.identifier)).or_else(|| of(None)).ok_or_else(|| missing(part, name))?;
            values.entry(part.identifier.clone()).or_default().insert(name.clone(), open(found)?);
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
    use super::*;
    use crate::db::env::tests::unsealed as row;
    use crate::stack;

    fn chosen(variables: &[EnvRow]) -> Result<Values> {
        let text = "components:\n  - identifier: web\n    build: {secrets: [TOKEN]}\n  - identifier: api\n    build: {secrets: [TOKEN, KEY]}\n";
        let plain = |row: &EnvRow| Ok(String::from_utf8_lossy(&row.value_sealed).into_owned());
        choose(&stack::parse("m", text).unwrap(), variables, |p, n| missing(p, n, "shop", "staging"), plain)
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
