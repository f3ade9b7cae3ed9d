//! The disk: freed, and how much of it may be used.

use boathouse_types::{ChangeDiskSettings, CleanDisk, CleanedDisk, DiskSettings};

use super::{Answer, Api, at};

impl Api {
    pub async fn clean_disk(self, wanted: &CleanDisk) -> Answer<CleanedDisk> {
        self.send("POST", &at("/system/disk/clean"), wanted).await
    }

    pub async fn change_disk(self, wanted: &ChangeDiskSettings) -> Answer<DiskSettings> {
        self.send("PATCH", &at("/system/disk/settings"), wanted).await
    }
}
