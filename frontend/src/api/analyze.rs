//! What a source is, before or after a project has it, and the manifest that it could have.

use boathouse_types::{
    Analyze, AnalyzeProject, ProjectManifest, ProjectName, Proposal, UseProposal, UsedProposal, path,
};
use leptos::prelude::*;

use super::{Answer, Api, at, json};

impl Api {
    /// Looks at a repository; nothing of it is kept.
    pub async fn analyze(self, asked: &Analyze) -> Answer<Proposal> {
        self.look(&at("/analyze"), Some(json(asked)?)).await
    }

    pub async fn analyze_archive(self, file: web_sys::File, progress: RwSignal<Option<f64>>) -> Answer<Proposal> {
        self.send_file(&at("/analyze/upload"), &file, progress).await
    }

    pub async fn analyze_project(self, name: &ProjectName, asked: &AnalyzeProject) -> Answer<Proposal> {
        self.look(&format!("{}/analyze", path::project(name)), Some(json(asked)?)).await
    }

    /// Commits a proposal where the repository lives on this server; else the project keeps it.
    pub async fn use_proposal(self, name: &ProjectName, proposal: &UseProposal) -> Answer<UsedProposal> {
        self.send("POST", &format!("{}/proposal", path::project(name)), proposal).await
    }

    pub async fn kept_manifest(self, name: &ProjectName) -> Answer<Option<ProjectManifest>> {
        self.get(&format!("{}/manifest", path::project(name))).await
    }

    pub async fn forget_manifest(self, name: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/manifest", path::project(name))).await
    }
}
