//! What is shown of a container's configuration: all of it, with secrets masked before it leaves this module.

use std::collections::BTreeSet;
use std::sync::Arc;

use boathouse_types::{ContainerConfig, ContainerVariable, ReleaseId};

use super::Supervisor;
use crate::db::release;
use crate::logs::Redactor;
use crate::snapshot;

impl Supervisor {
    /// The configuration without the secrets of its release; nothing at all where these cannot be known.
    pub(super) async fn masked(&self, release: ReleaseId, config: ContainerConfig) -> Option<Arc<ContainerConfig>> {
        let key = self.app.key.clone();
        let secrets = self.app.db.read(move |connection| {
            let row = release::by_id(connection, release)?;
            snapshot::secrets(connection, &key, &row)
        });
        match secrets.await {
            Ok(secrets) => Some(Arc::new(mask(config, &secrets))),
            Err(error) => {
                tracing::warn!(%error, "a container's configuration cannot be shown: its secrets are not known");
                None
            }
        }
    }
}

fn mask(mut config: ContainerConfig, secrets: &BTreeSet<String>) -> ContainerConfig {
    let redactor = Redactor::new(secrets.iter().map(String::as_str));
    config.env = config.env.into_iter().map(|one| variable(one, secrets, &redactor)).collect();
    let lists = [&mut config.entrypoint, &mut config.command, &mut config.labels];
    for text in lists.into_iter().flatten() {
        *text = redactor.apply(std::mem::take(text));
    }
    config
}

/// A value that is or holds a secret goes whole: a URL with `***` in it would still tell how long the password is not.
fn variable(one: ContainerVariable, secrets: &BTreeSet<String>, redactor: &Redactor) -> ContainerVariable {
    let value = one.value.unwrap_or_default();
    let secret = !value.is_empty() && (secrets.contains(&value) || redactor.apply(value.clone()) != value);
    ContainerVariable { key: one.key, value: (!secret).then_some(value), secret }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_secret_is_shown() {
        let plain =
            |key: &str, value: &str| ContainerVariable { key: key.into(), value: Some(value.into()), secret: false };
        let config = ContainerConfig {
            env: vec![
                plain("PATH", "/bin"),
                plain("PIN", "1234"),
                plain("URL", "postgres://u:s3cr%25t-word@db/x"),
                plain("EMPTY", ""),
            ],
            command: vec!["--password=s3cr%t-word".into()],
            labels: vec!["a=s3cr%t-word".into()],
            ..ContainerConfig::default()
        };
        let secrets = BTreeSet::from(["1234".to_owned(), "s3cr%t-word".to_owned()]);
        let shown = mask(config, &secrets);
        let values: Vec<_> = shown.env.iter().map(|one| (one.value.as_deref(), one.secret)).collect();
        assert_eq!(values, [(Some("/bin"), false), (None, true), (None, true), (Some(""), false)]);
        let text = serde_json::to_string(&shown).unwrap();
        assert!(!text.contains("s3cr") && !text.contains("1234"), "{text}");
    }
}
