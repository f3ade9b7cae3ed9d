//! Variables of every scope: set, removed, revealed, and applied where they reach a deployment.

use boathouse_types::{EnvKey, EnvVar, Release, Revealed, SetEnv, SetEnvVar};

use super::{Answer, Api, Place};
use crate::scope::{Scope, Target};

impl Api {
    /// Sets variables and keeps the others of the scope.
    pub async fn set_variables(self, scope: &Scope, variables: Vec<SetEnvVar>) -> Answer<Vec<EnvVar>> {
        self.send("PUT", &scope.path(), &SetEnv { variables }).await
    }

    pub async fn remove_variable(self, target: &Target, key: &EnvKey) -> Answer<()> {
        self.run("DELETE", &target.path_of(key, "")).await
    }

    /// A value in the clear, asked for at `path`; the event log says who saw it.
    pub async fn reveal(self, path: &str) -> Answer<Revealed> {
        self.post(path).await
    }

    /// A release of what is live with the variables and limits of now.
    pub async fn apply_environment(self, at: &Place) -> Answer<Release> {
        self.post(&at.below("env/apply")).await
    }
}
