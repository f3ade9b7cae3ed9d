//! Backups of the control plane: database and secret key in one archive that restores on a blank machine.
//!
//! The key opens every stored secret, so it is in the archive only sealed under a passphrase (argon2id, AES-256-GCM).
//! Images, sites and volumes are not in it: a release brings the first two back.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use boathouse_types::Millis;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::auth::password;
use crate::clock;
use crate::config::Paths;
use crate::db;
use crate::error::{Result, conflict, internal, invalid, unauthenticated, unavailable};
use crate::secret::{SecretKey, random};

const FORMAT: u32 = 1;
const ABOUT: &str = "boathouse-backup.json";
const DATABASE: &str = "boathouse.db";
const SALT: usize = 16;
/// A passphrase is guessed offline, so each guess costs more than a sign-in: 64 MiB, three passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const AAD: &str = "backup:key";
/// More than this is not a description that we wrote.
const ABOUT_MAX: u64 = 1024 * 1024;

/// The archive's first file.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: u32,
    version: String,
    created_at: Millis,
    salt: [u8; SALT],
    key_sealed: Vec<u8>,
}

/// Writes an archive from a copy of the database; the returned file has no name and is read from its start.
pub fn pack(paths: &Paths, copy: &Path, passphrase: &str) -> Result<File> {
    password::check_rules(passphrase)?;
    let salt = random::<SALT>();
    let key = fs::read(paths.secret_key())?;
    let about = About {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        created_at: clock::now(),
        salt,
        key_sealed: wrapping_key(passphrase, &salt)?.seal(AAD, &key),
    };
    let mut archive = tar::Builder::new(GzEncoder::new(tempfile::tempfile_in(paths.work())?, Compression::default()));
    append(&mut archive, ABOUT, &serde_json::to_vec(&about)?)?;
    let mut database = File::open(copy)?;
    archive.append_file(DATABASE, &mut database)?;
    let mut file = archive.into_inner()?.finish()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    Ok(archive.append_data(&mut header, name, content)?)
}

/// Unpacks an archive into a data directory that does not exist or is empty.
///
/// # Errors
/// A wrong passphrase, a damaged archive, a database of a newer Boathouse, a directory that is not empty: each by name,
/// and each before the data directory is touched.
pub fn restore(archive: &Path, passphrase: &str, data_dir: &Path) -> Result<()> {
    refuse_occupied(data_dir)?;
    let parent = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // Beside the target, so that the last step is a rename: a failed restore leaves nothing behind.
    let work = tempfile::tempdir_in(parent)?;
    unpack(archive, passphrase, work.path())?;
    db::check_file(&work.path().join(DATABASE))?;
    if data_dir.exists() {
        fs::remove_dir(data_dir)?;
    }
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o700))?;
    fs::rename(work.keep(), data_dir)?;
    Ok(())
}

fn refuse_occupied(data_dir: &Path) -> Result<()> {
    let is_empty = match fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(unavailable(format!("the data directory {} cannot be read: {error}", data_dir.display())));
        }
    };
    if is_empty {
        return Ok(());
    }
    Err(conflict(format!("the data directory {} is not empty", data_dir.display()))
        .hint("Choose an empty one: boathouse restore FILE --data-dir DIR"))
}

fn unpack(archive: &Path, passphrase: &str, target: &Path) -> Result<()> {
    let file = File::open(archive)
        .map_err(|error| invalid(format!("the backup {} cannot be opened: {error}", archive.display())))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let (mut key, mut database) = (false, false);
    for entry in archive.entries().map_err(not_ours)? {
        let mut entry = entry.map_err(not_ours)?;
        // Only two names are known, so no path of the archive ever reaches the disk.
        match &*entry.path_bytes().into_owned() {
            name if name == ABOUT.as_bytes() => {
                open_key(&mut entry, passphrase, target)?;
                key = true;
            }
            name if name == DATABASE.as_bytes() => {
                let mut out = private_file(&target.join(DATABASE))?;
                std::io::copy(&mut entry, &mut out).map_err(not_ours)?;
                out.sync_all()?;
                database = true;
            }
            _ => return Err(not_ours("it holds files that no backup has")),
        }
    }
    if key && database { Ok(()) } else { Err(not_ours("it is incomplete")) }
}

fn open_key(entry: &mut impl Read, passphrase: &str, target: &Path) -> Result<()> {
    let mut text = Vec::new();
    entry.take(ABOUT_MAX).read_to_end(&mut text).map_err(not_ours)?;
    let about: About = serde_json::from_slice(&text).map_err(not_ours)?;
    if about.format > FORMAT {
        return Err(conflict(format!("the backup was made by a newer Boathouse ({})", about.version))
            .hint("Restore it with that version or a later one."));
    }
    let key = wrapping_key(passphrase, &about.salt)?.open(AAD, &about.key_sealed).map_err(|_| {
        unauthenticated("the passphrase does not open this backup")
            .hint("It is the one that was given when the backup was made.")
    })?;
    let mut out = private_file(&target.join("secret.key"))?;
    out.write_all(&key)?;
    Ok(out.sync_all()?)
}

fn private_file(path: &Path) -> Result<File> {
    Ok(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?)
}

fn not_ours(why: impl std::fmt::Display) -> crate::error::Error {
    invalid(format!("the file is not a whole backup of Boathouse: {why}")).hint("Make a new one: boathouse backup FILE")
}

fn wrapping_key(passphrase: &str, salt: &[u8]) -> Result<SecretKey> {
    let refused = |error| internal(format!("argon2 refuses its parameters: {error}"));
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(refused)?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .map_err(refused)?;
    SecretKey::from_bytes(&key)
}
