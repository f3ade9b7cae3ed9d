//! Backups of a deployment's data: dumps of its add-ons and the files of its other volumes. Those of the control plane are another thing.

use serde::{Deserialize, Serialize};

use crate::{BackupId, DeploymentName, Identifier, Millis};

/// Where a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BackupState {
    /// Others are made before it.
    Waiting,
    /// It is being made.
    Running,
    /// All of it is on the disk.
    Done,
    /// It could not be made; nothing of it is left.
    Failed,
}

impl BackupState {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }

    /// It has come to its end.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// What a part of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// What the add-on's package wrote while it ran.
    Dump,
    /// The files of a volume, as a tar archive.
    Files,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupPart {
    /// The component or add-on whose data it is.
    pub component: Identifier,
    /// What it is.
    pub kind: BackupKind,
    /// The volume; absent for a dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Identifier>,
    /// The version of the add-on, where its image names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file's name; compressed with Zstandard.
    pub file: String,
    /// Bytes of the data.
    pub data_bytes: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// A backup of a deployment's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataBackup {
    /// Its id.
    pub id: BackupId,
    /// Where it stands.
    pub state: BackupState,
    /// The manifest's policy asked for it; otherwise somebody did.
    pub by_policy: bool,
    /// Who asked for it.
    pub actor: String,
    /// The number of the release that was live.
    pub release: Option<i64>,
    /// Bytes of data read so far, or in all.
    pub bytes: u64,
    /// Bytes that its files take on the disk.
    pub file_bytes: u64,
    /// How long the programs that write were paused, in milliseconds.
    pub paused_ms: Option<u64>,
    /// Its files.
    pub parts: Vec<BackupPart>,
    /// Why it failed, and what to do.
    pub problem: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// The last time that it was restored.
    pub restore: Option<DataRestore>,
}

/// Good backups that a policy keeps unless it says otherwise.
pub const USUAL_BACKUPS: u32 = 7;

/// When a deployment is backed up by itself, as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupPolicy {
    /// When: five fields as crontab(5) has them, or `@daily` and the like.
    pub cron: String,
    /// The IANA time zone in which that is read.
    pub zone: String,
    /// How many good backups of the policy are kept, at least one.
    pub keep: u32,
}

/// A policy, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupPolicyStatus {
    /// What the manifest of the live release says.
    #[serde(flatten)]
    pub policy: BackupPolicy,
    /// When a backup is due next; absent where the deployment is developed or a preview.
    pub next_at: Option<Millis>,
    /// The last backup that it made, or could not make.
    pub last: Option<DataBackup>,
}

/// Where a restore stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RestoreState {
    /// Others go before it.
    Waiting,
    /// Its files are checked, its dumps are read into servers beside those that run; nothing is touched yet.
    Preparing,
    /// The deployment is stopped, its data is being replaced.
    Replacing,
    /// The deployment has the data of the backup.
    Done,
    /// It did not succeed; `problem` says whether anything was touched.
    Failed,
}

impl RestoreState {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Replacing => "replacing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Preparing, Self::Replacing, Self::Done, Self::Failed];
        all.into_iter().find(|state| state.as_str() == word)
    }

    /// It has come to its end.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// A restore, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataRestore {
    /// The deployment that gets the data.
    pub into: DeploymentName,
    /// Where it stands.
    pub state: RestoreState,
    /// Who asked for it.
    pub actor: String,
    /// Bytes written so far.
    pub bytes: u64,
    /// Why it failed, and what to do.
    pub problem: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

/// `POST …/backups/{backup}/restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreBackup {
    /// Another deployment of the same project that gets the data; the backup's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<DeploymentName>,
    /// The name of the deployment whose data is replaced, again.
    pub confirm: DeploymentName,
}
