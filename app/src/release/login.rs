//! Logins at registries, opened for one pull, one build or one question.

use boathouse_types::RegistryHost;

use super::pipeline::Run;
use crate::db::registry;
use crate::docker::Credentials;
use crate::error::{Error, Result, internal, invalid};
use crate::state::App;

/// All logins: the base images of a build may come from anywhere. The builder gives each to its own registry alone.
pub async fn all(run: &Run) -> Result<Vec<Credentials>> {
    let key = run.app.key.clone();
    run.app.db.read(move |c| registry::list(c)?.into_iter().map(|row| open(&key, row)).collect()).await
}

/// The login of one registry, if there is one.
pub async fn of(app: &App, host: RegistryHost) -> Result<Option<Credentials>> {
    let key = app.key.clone();
    app.db
        .read(move |c| {
            registry::list(c)?.into_iter().find(|row| row.host == host).map(|row| open(&key, row)).transpose()
        })
        .await
}

fn open(key: &crate::secret::SecretKey, row: registry::RegistryRow) -> Result<Credentials> {
    let refused = |error: Error| {
        invalid(format!("the stored password for the registry {} cannot be opened", row.host))
            .hint(format!("Put back the key file that belongs to this database, or set it again: boathouse registry add {} --username {}", row.host, row.username))
            .caused_by(error)
    };
    let password = key.open(&registry::aad(&row.host), &row.password_sealed).map_err(refused)?;
    let password = String::from_utf8(password).map_err(|_| internal("a stored password is not text"))?;
    Ok(Credentials { registry: row.host.into(), username: row.username.into(), password })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretKey;

    #[test]
    fn a_password_that_cannot_be_opened_refuses_with_the_command_that_sets_it() {
        let (key, other) = (SecretKey::from_bytes(&[1; 32]).unwrap(), SecretKey::from_bytes(&[2; 32]).unwrap());
        let host: RegistryHost = "ghcr.io".parse().unwrap();
        let row = registry::RegistryRow {
            password_sealed: key.seal(&registry::aad(&host), b"secret"),
            host,
            username: "ci".parse().unwrap(),
            updated_at: 0,
        };
        assert_eq!(open(&key, row.clone()).unwrap().password, "secret");
        let error = open(&other, row).unwrap_err();
        assert!(error.message.contains("ghcr.io cannot be opened"), "{}", error.message);
        assert!(error.hint.unwrap().contains("boathouse registry add ghcr.io --username ci"));
    }
}
