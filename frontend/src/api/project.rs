//! Projects: made, changed, and how the server signs in where their code is.

use boathouse_types::{ChangeProject, Deployment, GitLogin, NewDeployment, NewProject, Project, ProjectName, path};

use super::{Answer, Api, at, json};

impl Api {
    pub async fn create_project(self, project: &NewProject) -> Answer<Project> {
        self.send("POST", &at("/projects"), project).await
    }

    pub async fn change_project(self, name: &ProjectName, change: &ChangeProject) -> Answer<Project> {
        self.send("PATCH", &path::project(name), change).await
    }

    pub async fn make_deploy_key(self, name: &ProjectName) -> Answer<Project> {
        self.post(&format!("{}/deploy-key", path::project(name))).await
    }

    /// How the server signs in at the project's https remote.
    pub async fn set_git_login(self, name: &ProjectName, login: &GitLogin) -> Answer<()> {
        self.call("PUT", &format!("{}/git-login", path::project(name)), Some(json(login)?)).await?;
        Ok(())
    }

    pub async fn forget_git_login(self, name: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/git-login", path::project(name))).await
    }

    pub async fn create_deployment(self, project: &ProjectName, new: &NewDeployment) -> Answer<Deployment> {
        self.send("POST", &format!("{}/deployments", path::project(project)), new).await
    }
}
