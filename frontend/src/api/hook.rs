//! A project's hook, its deploy token, and what was delivered.

use boathouse_types::{
    CommitStatus, Delivery, DeliveryId, DeployToken, HookSecret, ProjectName, SetCommitStatus, path,
};

use super::{Answer, Api};

impl Api {
    /// A new secret; the one before ends.
    pub async fn make_hook(self, project: &ProjectName) -> Answer<HookSecret> {
        self.post(&format!("{}/hook", path::project(project))).await
    }

    /// The secret in the clear; the event log says who saw it.
    pub async fn reveal_hook(self, project: &ProjectName) -> Answer<HookSecret> {
        self.post(&format!("{}/hook/reveal", path::project(project))).await
    }

    pub async fn remove_hook(self, project: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/hook", path::project(project))).await
    }

    /// A new deploy token; the one before ends.
    pub async fn make_deploy_token(self, project: &ProjectName) -> Answer<DeployToken> {
        self.post(&format!("{}/hook/token", path::project(project))).await
    }

    pub async fn revoke_deploy_token(self, project: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/hook/token", path::project(project))).await
    }

    pub async fn set_commit_status(self, project: &ProjectName, with: &SetCommitStatus) -> Answer<CommitStatus> {
        self.send("PUT", &format!("{}/commit-status", path::project(project)), with).await
    }

    pub async fn remove_commit_status(self, project: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/commit-status", path::project(project))).await
    }

    /// Decides a push or tag anew.
    pub async fn redeliver(self, project: &ProjectName, id: DeliveryId) -> Answer<Delivery> {
        self.post(&format!("{}/deliveries/{id}/redeliver", path::project(project))).await
    }
}
