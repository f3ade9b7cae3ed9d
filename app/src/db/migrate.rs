//! Migrations: numbered, append-only, each in one transaction, with a backup of the file before the first.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::clock;
use crate::error::{Result, conflict, internal};

const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_access", include_str!("../../../migrations/0001_access.sql")),
    ("0002_projects", include_str!("../../../migrations/0002_projects.sql")),
    ("0003_releases", include_str!("../../../migrations/0003_releases.sql")),
    ("0004_objects", include_str!("../../../migrations/0004_objects.sql")),
    ("0005_certificates", include_str!("../../../migrations/0005_certificates.sql")),
    ("0006_events", include_str!("../../../migrations/0006_events.sql")),
    ("0007_project_deleted", include_str!("../../../migrations/0007_project_deleted.sql")),
    ("0008_replaces", include_str!("../../../migrations/0008_replaces.sql")),
    ("0009_release_networks", include_str!("../../../migrations/0009_release_networks.sql")),
    ("0010_registries", include_str!("../../../migrations/0010_registries.sql")),
    ("0011_recycle", include_str!("../../../migrations/0011_recycle.sql")),
    ("0012_display_names", include_str!("../../../migrations/0012_display_names.sql")),
    ("0013_restarts", include_str!("../../../migrations/0013_restarts.sql")),
    ("0014_public_ports", include_str!("../../../migrations/0014_public_ports.sql")),
    ("0015_clone", include_str!("../../../migrations/0015_clone.sql")),
    ("0016_lifetimes", include_str!("../../../migrations/0016_lifetimes.sql")),
    ("0017_order_budget", include_str!("../../../migrations/0017_order_budget.sql")),
    ("0018_generated", include_str!("../../../migrations/0018_generated.sql")),
    ("0019_shared_variables", include_str!("../../../migrations/0019_shared_variables.sql")),
    ("0020_rotations", include_str!("../../../migrations/0020_rotations.sql")),
    ("0021_code_volumes", include_str!("../../../migrations/0021_code_volumes.sql")),
    ("0022_project_manifest", include_str!("../../../migrations/0022_project_manifest.sql")),
    ("0023_addon_upgrades", include_str!("../../../migrations/0023_addon_upgrades.sql")),
    ("0024_renewed_clones", include_str!("../../../migrations/0024_renewed_clones.sql")),
    ("0025_code_reset", include_str!("../../../migrations/0025_code_reset.sql")),
    ("0026_catalog_sources", include_str!("../../../migrations/0026_catalog_sources.sql")),
    ("0027_host_port", include_str!("../../../migrations/0027_host_port.sql")),
    ("0028_git_logins", include_str!("../../../migrations/0028_git_logins.sql")),
    ("0029_release_pending", include_str!("../../../migrations/0029_release_pending.sql")),
    ("0030_resources", include_str!("../../../migrations/0030_resources.sql")),
    ("0031_hooks", include_str!("../../../migrations/0031_hooks.sql")),
    ("0032_commit_statuses", include_str!("../../../migrations/0032_commit_statuses.sql")),
    ("0033_build_inputs", include_str!("../../../migrations/0033_build_inputs.sql")),
    ("0034_image_watches", include_str!("../../../migrations/0034_image_watches.sql")),
    ("0035_previews", include_str!("../../../migrations/0035_previews.sql")),
    ("0036_sizes", include_str!("../../../migrations/0036_sizes.sql")),
    ("0037_watched_folders", include_str!("../../../migrations/0037_watched_folders.sql")),
    ("0038_runs", include_str!("../../../migrations/0038_runs.sql")),
    ("0039_release_commands", include_str!("../../../migrations/0039_release_commands.sql")),
    ("0040_folder_unseen", include_str!("../../../migrations/0040_folder_unseen.sql")),
    ("0041_schedules", include_str!("../../../migrations/0041_schedules.sql")),
    ("0042_auto_rollback", include_str!("../../../migrations/0042_auto_rollback.sql")),
    ("0043_disk", include_str!("../../../migrations/0043_disk.sql")),
    ("0044_sleep", include_str!("../../../migrations/0044_sleep.sql")),
    ("0045_replicas", include_str!("../../../migrations/0045_replicas.sql")),
    ("0046_host_of_manifest", include_str!("../../../migrations/0046_host_of_manifest.sql")),
    ("0047_data_backups", include_str!("../../../migrations/0047_data_backups.sql")),
    ("0048_backup_policies", include_str!("../../../migrations/0048_backup_policies.sql")),
];

/// Brings the file to this binary's schema.
pub fn migrate(connection: &mut Connection, path: &Path, backups: &Path) -> Result<()> {
    refuse_newer(connection)?;
    follow(MIGRATIONS, connection, path, backups)
}

fn follow(migrations: &[(&str, &str)], connection: &mut Connection, path: &Path, backups: &Path) -> Result<()> {
    let done = version(connection)?;
    if done >= migrations.len() {
        return Ok(());
    }
    if done > 0 {
        back_up(connection, path, backups, done)?;
    }
    for (index, (name, sql)) in migrations.iter().enumerate().skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction
            .execute_batch(sql)
            .map_err(|error| internal(format!("migration {name} failed and was undone: {error}")).caused_by(error))?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A schema from the future is refused before anything is written.
pub fn refuse_newer(connection: &Connection) -> Result<()> {
    let found = version(connection)?;
    if found <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(conflict(format!("the database has schema {found}, this binary knows {} at most: it was written by a newer Boathouse", MIGRATIONS.len()))
        .hint("Start the newer binary again, or restore the backup that was made before the upgrade (data directory, folder backups)."))
}

fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn back_up(connection: &Connection, path: &Path, backups: &Path, version: usize) -> Result<()> {
    std::fs::create_dir_all(backups)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let target = backups.join(format!("{stem}-schema{version}-{}.db", clock::now()));
    connection.execute("vacuum into ?1", [target.to_string_lossy()])?;
    tracing::info!(file = %target.display(), "database backed up before migrating");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::open;

    #[test]
    fn refuses_a_newer_schema_and_backs_up_an_older() {
        let dir = tempfile::tempdir().unwrap();
        let (path, backups) = (dir.path().join("b.db"), dir.path().join("backups"));
        let mut connection = open::writer(&path).unwrap();
        // As the version before this one left it.
        let older = &MIGRATIONS[..MIGRATIONS.len() - 1];
        follow(older, &mut connection, &path, &backups).unwrap();
        assert!(!backups.exists(), "a new database needs no backup");
        migrate(&mut connection, &path, &backups).unwrap();
        assert_eq!(std::fs::read_dir(&backups).unwrap().count(), 1);
        assert_eq!(version(&connection).unwrap(), MIGRATIONS.len());

        connection.pragma_update(None, "user_version", 999).unwrap();
        let error = migrate(&mut connection, &path, &backups).unwrap_err();
        assert!(error.message.contains("newer Boathouse"), "{error}");
    }

    #[test]
    fn every_table_is_strict() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = open::writer(&dir.path().join("b.db")).unwrap();
        migrate(&mut connection, &dir.path().join("b.db"), dir.path()).unwrap();
        let loose: i64 = connection
            .query_row("select count(*) from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite_%' and strict = 0", [], |row| row.get(0))
            .unwrap();
        assert_eq!(loose, 0);
    }
}
