//! How the server signs in at a project's own remote: its deploy key over ssh, its login over https.

use boathouse_types::{GitLogin, GitUrl, ProjectId};

use crate::db::{git_login, project};
use crate::error::Result;
use crate::git;
use crate::state::App;

/// What it signs in with.
#[derive(Default)]
pub struct Access {
    deploy_key: Option<String>,
    login: Option<GitLogin>,
}

impl Access {
    /// What the project has for that address. A login is for one host; another one does not get to see it.
    pub async fn of(app: &App, id: ProjectId, url: &GitUrl) -> Result<Self> {
        let (key, origin) = (app.key.clone(), git::login::origin(url));
        app.db
            .read(move |c| {
                let sealed = project::deploy_key(c, id)?;
                let deploy_key = sealed.map(|sealed| key.open(&project::deploy_key_aad(id), &sealed)).transpose()?;
                let login = match git_login::of_project(c, id)?.filter(|(of, _)| Some(of) == origin.as_ref()) {
                    Some((origin, sealed)) => {
                        Some(serde_json::from_slice(&key.open(&git_login::aad(id, &origin), &sealed)?)?)
                    }
                    None => None,
                };
                Ok(Self { deploy_key: deploy_key.map(|key| String::from_utf8_lossy(&key).into_owned()), login })
            })
            .await
    }

    /// The remote with it.
    pub fn to<'a>(&'a self, app: &'a App, project: ProjectId, url: &'a GitUrl) -> git::Remote<'a> {
        let (config, paths) = (&app.config, &app.paths);
        git::Remote { project, url, deploy_key: self.deploy_key.as_deref(), login: self.login.as_ref(), config, paths }
    }
}
