//! The ready images of a deployment: watched at their registries, and brought by a release.

use boathouse_types::{Identifier, Release, RunningImage, SetImageWatch};

use super::{Answer, Api, Place};

impl Api {
    pub async fn watch_image(self, at: &Place, part: &Identifier, wanted: &SetImageWatch) -> Answer<RunningImage> {
        self.send("PUT", &at.below(&format!("images/{part}/watch")), wanted).await
    }

    pub async fn unwatch_image(self, at: &Place, part: &Identifier) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("images/{part}/watch"))).await
    }

    /// What is found comes as an event.
    pub async fn look_for_image(self, at: &Place, part: &Identifier) -> Answer<RunningImage> {
        self.post(&at.below(&format!("images/{part}/look"))).await
    }

    /// A release of what is live with the newer image.
    pub async fn deploy_image(self, at: &Place, part: &Identifier) -> Answer<Release> {
        self.post(&at.below(&format!("images/{part}/deploy"))).await
    }
}
