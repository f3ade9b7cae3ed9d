//! What becomes of projects and deployments: deleted and restored, moved, duplicated, promoted.

use boathouse_types::{
    ChangePartResources, ChangeResources, Deletion, Deployment, DeploymentResources, DuplicateProject, Extend,
    MoveDeployment, NewClone, Project, ProjectName, Promote, PromotedRelease, Release, path,
};

use super::{Answer, Api, Place};

/// A deletion at once, and without a way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForGood(pub bool);

impl ForGood {
    fn query(self, name: &str) -> String {
        format!("?confirm={name}&now={}", self.0)
    }
}

impl Api {
    pub async fn delete_project(self, name: &ProjectName, for_good: ForGood) -> Answer<Deletion> {
        self.ask("DELETE", &format!("{}{}", path::project(name), for_good.query(name.as_str()))).await
    }

    pub async fn restore_project(self, name: &ProjectName) -> Answer<Project> {
        self.post(&format!("{}/restore", path::project(name))).await
    }

    pub async fn duplicate_project(self, name: &ProjectName, copy: ProjectName) -> Answer<Project> {
        self.send("POST", &format!("{}/duplicate", path::project(name)), &DuplicateProject { name: copy }).await
    }

    pub async fn delete_deployment(self, at: &Place, for_good: ForGood) -> Answer<Deletion> {
        self.ask("DELETE", &format!("{}{}", at.path(), for_good.query(at.deployment.as_str()))).await
    }

    pub async fn restore_deployment(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("restore")).await
    }

    pub async fn move_deployment(self, at: &Place, to: &MoveDeployment) -> Answer<Deployment> {
        self.send("POST", &at.below("move"), to).await
    }

    /// Makes a deployment with this one's configuration and data.
    pub async fn clone_deployment(self, at: &Place, clone: &NewClone) -> Answer<Deployment> {
        self.send("POST", &at.below("clone"), clone).await
    }

    /// Other limits for parts of a deployment, from the next release on.
    pub async fn change_resources(self, at: &Place, parts: Vec<ChangePartResources>) -> Answer<DeploymentResources> {
        self.send("PATCH", &at.below("resources"), &ChangeResources { parts }).await
    }

    pub async fn cancel_clone(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("clone/cancel")).await
    }

    /// Begins the time of a deployment anew.
    pub async fn extend(self, at: &Place, extend: &Extend) -> Answer<Deployment> {
        self.send("POST", &at.below("extend"), extend).await
    }

    /// Makes a release of `at` from what another deployment's release is made of.
    pub async fn promote(self, at: &Place, from: PromotedRelease) -> Answer<Release> {
        self.send("POST", &at.below("releases/promote"), &Promote { from }).await
    }
}
