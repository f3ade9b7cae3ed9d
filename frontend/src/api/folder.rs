//! The folder of the server that a deployment follows.

use boathouse_types::{WatchFolder, WatchedFolder};

use super::{Answer, Api, Place};

impl Api {
    pub async fn watch_folder(self, at: &Place, path: String) -> Answer<WatchedFolder> {
        self.send("PUT", &at.below("folder"), &WatchFolder { path }).await
    }

    pub async fn unwatch_folder(self, at: &Place) -> Answer<()> {
        self.run("DELETE", &at.below("folder")).await
    }
}
