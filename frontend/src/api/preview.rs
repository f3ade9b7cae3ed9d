//! Previews: what a project has them of, and those that are there.

use boathouse_types::{Preview, PreviewSettings, ProjectName, path};

use super::{Answer, Api, Place};

impl Api {
    pub async fn set_previews(self, project: &ProjectName, wanted: &PreviewSettings) -> Answer<PreviewSettings> {
        self.send("PUT", &format!("{}/preview-settings", path::project(project)), wanted).await
    }

    pub async fn end_previews(self, project: &ProjectName) -> Answer<()> {
        self.run("DELETE", &format!("{}/preview-settings", path::project(project))).await
    }

    /// Begins the time of a preview anew.
    pub async fn extend_preview(self, at: &Place) -> Answer<Preview> {
        self.post(&format!("{}/previews/{}/extend", path::project(&at.project), at.deployment)).await
    }
}
