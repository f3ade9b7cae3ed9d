//! The disk: what uses it, what of that is safe to free, how much may be used, and what happens when it fills.

use serde::{Deserialize, Serialize};

use crate::{DeploymentName, Millis, ProjectName};

/// At least so many releases are kept: the one that is live.
pub const FEWEST_KEPT: u32 = 1;
/// And at most.
pub const MOST_KEPT: u32 = 1000;
/// The smallest budget in bytes, where there is one: 64 MiB.
pub const SMALLEST_BUDGET: u64 = 64 << 20;

/// What the guard does at a file system, by how full it is; the fullest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// Nothing.
    #[default]
    Ok,
    /// It has told so.
    Warning,
    /// It frees by itself what is safe.
    Cleaning,
    /// Nothing new is built, uploaded or pulled.
    Refusing,
}

/// What lies on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskHolds {
    /// The data directory.
    Data,
    /// The container engine's images, volumes, containers and build cache.
    Engine,
}

/// A file system as `df` counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileSystem {
    /// What lies on it: both, where there is one.
    pub holds: Vec<DiskHolds>,
    /// A folder on it.
    pub path: String,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes free for this process.
    pub free_bytes: u64,
    /// How full it is, rounded down.
    pub used_percent: u8,
    /// What the guard does about it.
    pub state: DiskState,
}

/// A kind of things on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskKind {
    /// Images of releases; a layer that several deployments share is in a use without a deployment.
    Images,
    /// Images with this instance's names, or its label, that no release refers to.
    LeftoverImages,
    /// The engine's build cache, whoever built.
    BuildCache,
    /// What containers of this instance have written outside of volumes.
    Containers,
    /// Volumes.
    Volumes,
    /// Logs of releases, containers and commands.
    Logs,
    /// Static files that the edge serves.
    Sites,
    /// Uploaded archives.
    Uploads,
    /// Git repositories: mirrors of remotes, and those that live here.
    Repositories,
    /// Checkouts of releases that are being built.
    Work,
    /// Copies of the database from before migrations.
    Backups,
    /// Backups of deployments' data.
    DataBackups,
    /// The database.
    Database,
    /// Images, volumes and containers of others at the same engine: never touched.
    Foreign,
}

impl DiskKind {
    /// Its words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Images => "images of releases",
            Self::LeftoverImages => "images without a release",
            Self::BuildCache => "build cache",
            Self::Containers => "written by containers",
            Self::Volumes => "volumes",
            Self::Logs => "logs",
            Self::Sites => "static files",
            Self::Uploads => "uploaded archives",
            Self::Repositories => "git repositories",
            Self::Work => "work folders",
            Self::Backups => "database copies",
            Self::DataBackups => "backups of data",
            Self::Database => "database",
            Self::Foreign => "not Boathouse's",
        }
    }
}

/// What one kind of things takes, of one deployment or of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskUse {
    /// What it is.
    pub kind: DiskKind,
    /// Where it lies.
    pub on: DiskHolds,
    /// Whose it is; absent where it belongs to several, or to none.
    pub project: Option<ProjectName>,
    /// The deployment; absent where it belongs to the whole project.
    pub deployment: Option<DeploymentName>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of them that `POST /system/disk/clean` would free.
    pub freeable_bytes: u64,
    /// Why it is safe to free, or not.
    pub why: String,
}

/// `GET /system/disk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskUsage {
    /// When it was measured.
    pub measured_at: Millis,
    /// Of the data directory and of the engine: two, or one for both.
    pub file_systems: Vec<FileSystem>,
    /// What the guard does: that of the fullest.
    pub state: DiskState,
    /// What uses them, by kind, the largest of each kind first.
    pub uses: Vec<DiskUse>,
    /// What could not be measured, and why.
    pub problems: Vec<String>,
    /// The budgets and thresholds.
    pub settings: DiskSettings,
}

impl DiskUsage {
    /// Bytes of a kind, and those of them that can be freed.
    pub fn of(&self, kind: DiskKind) -> (u64, u64) {
        let uses = self.uses.iter().filter(|one| one.kind == kind);
        uses.fold((0, 0), |(bytes, freeable), one| (bytes + one.bytes, freeable + one.freeable_bytes))
    }

    /// The kinds that are there, the largest first.
    pub fn kinds(&self) -> Vec<DiskKind> {
        let mut kinds: Vec<DiskKind> = self.uses.iter().map(|one| one.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds.sort_by_key(|kind| std::cmp::Reverse(self.of(*kind).0));
        kinds
    }
}

/// How much may be used, and when the guard acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskSettings {
    /// Releases that each deployment can be rolled back to, the live one among them. A project may have its own.
    pub keep_releases: u32,
    /// Bytes of all kept images, shared layers counted once; 0: no budget. The oldest releases are given up first, never the live one
    /// and the one before it.
    pub images_bytes: u64,
    /// Bytes of the engine's build cache; what was not used for longest goes first. 0: never touched unasked.
    pub build_cache_bytes: u64,
    /// Bytes of the logs of releases; those of releases that were given up go, the oldest first. 0: no budget.
    pub logs_bytes: u64,
    /// From this percentage on the guard tells.
    pub warn_percent: u8,
    /// From this on it frees what is safe.
    pub clean_percent: u8,
    /// From this on nothing new is built, uploaded or pulled.
    pub refuse_percent: u8,
}

/// `PATCH /system/disk/settings`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeDiskSettings {
    /// Releases kept per deployment: 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_releases: Option<u32>,
    /// Bytes of kept images: at least 64 MiB; 0: no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_bytes: Option<u64>,
    /// Bytes of the build cache: at least 64 MiB; 0: never touched unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_cache_bytes: Option<u64>,
    /// Bytes of the logs of releases: at least 64 MiB; 0: no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_bytes: Option<u64>,
    /// 50 to 97, below `clean_percent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_percent: Option<u8>,
    /// Below `refuse_percent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_percent: Option<u8>,
    /// At most 99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_percent: Option<u8>,
}

/// What can be freed on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CleanKind {
    /// The engine's build cache but what a build uses now; the next builds do each step anew.
    BuildCache,
    /// Images with this instance's names, or its label, that no release refers to.
    Images,
    /// Logs of releases that were given up.
    Logs,
    /// Copies of the database but the newest.
    Backups,
}

impl CleanKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::BuildCache, Self::Images, Self::Logs, Self::Backups];

    /// As the command line writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuildCache => "build-cache",
            Self::Images => "images",
            Self::Logs => "logs",
            Self::Backups => "backups",
        }
    }

    /// Where `GET /system/disk` has its bytes.
    pub fn kind(self) -> DiskKind {
        match self {
            Self::BuildCache => DiskKind::BuildCache,
            Self::Images => DiskKind::LeftoverImages,
            Self::Logs => DiskKind::Logs,
            Self::Backups => DiskKind::Backups,
        }
    }

    /// What goes, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::BuildCache => "the build cache",
            Self::Images => "images without a release",
            Self::Logs => "logs of releases that were given up",
            Self::Backups => "copies of the database but the newest",
        }
    }
}

impl std::str::FromStr for CleanKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("it is one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// `POST /system/disk/clean`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CleanDisk {
    /// What is to be freed: at least one.
    pub what: Vec<CleanKind>,
    /// Only tells what would be freed.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was freed of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Freed {
    /// What.
    pub what: CleanKind,
    /// Bytes.
    pub bytes: u64,
    /// Why not all of it, where something went wrong.
    pub problem: Option<String>,
}

/// What a clean-up has freed, or would free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CleanedDisk {
    /// Nothing was removed.
    pub dry_run: bool,
    /// False where it still goes on; an event tells of its end.
    pub done: bool,
    /// By kind, in the order in which it is done.
    pub freed: Vec<Freed>,
}

impl CleanedDisk {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.freed.iter().map(|one| one.bytes).sum()
    }
}

/// How full a disk is in percent, rounded down.
pub fn used_percent(total: u64, free: u64) -> u8 {
    let used = u128::from(total.saturating_sub(free));
    // Never above 100.
    if total == 0 { 0 } else { u8::try_from(used * 100 / u128::from(total)).unwrap_or(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_as_full_as_it_is() {
        for (total, free, percent) in [(0, 0, 0), (100, 100, 0), (100, 15, 85), (1000, 151, 84), (7, 0, 100), (5, 9, 0)]
        {
            assert_eq!(used_percent(total, free), percent, "{total} {free}");
        }
        assert!(DiskState::Ok < DiskState::Warning && DiskState::Cleaning < DiskState::Refusing);
    }

    #[test]
    fn what_is_freed_has_one_word_everywhere() {
        for kind in CleanKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.as_str().replace('-', "_")));
        }
        assert!("volumes".parse::<CleanKind>().unwrap_err().contains("build-cache"));
    }
}
