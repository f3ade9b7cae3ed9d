//! Backups of a deployment's data, and their way back.

use boathouse_types::{BackupId, DataBackup, RestoreBackup};

use super::{Answer, Api, Place};

impl Api {
    pub async fn back_up(self, at: &Place) -> Answer<DataBackup> {
        self.post(&at.below("backups")).await
    }

    pub async fn restore_backup(self, at: &Place, id: BackupId) -> Answer<DataBackup> {
        let wish = RestoreBackup { into: None, confirm: at.deployment.clone() };
        self.send("POST", &at.below(&format!("backups/{id}/restore")), &wish).await
    }

    pub async fn delete_backup(self, at: &Place, id: BackupId) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("backups/{id}?confirm={id}"))).await
    }
}
