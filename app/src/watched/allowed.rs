//! Which folders of this host may be followed: those below `--folders`. Whoever names one has its files in a container.

use std::path::{Path, PathBuf};

use super::content;
use crate::error::{Result, conflict, invalid};
use crate::state::App;

/// The folder that was meant, without links.
///
/// # Errors
/// It is none, or not one that may be followed.
pub async fn resolve(app: &App, path: &str) -> Result<String> {
    let (roots, data, path) = (app.config.folders.clone(), app.paths.root.clone(), PathBuf::from(path));
    content::blocking(move || {
        if !path.is_absolute() {
            return Err(invalid(format!("\"{}\" is not an absolute path", path.display()))
                .hint("Name a folder of the server, as /srv/shop."));
        }
        let real = path.canonicalize().ok().filter(|real| real.is_dir()).ok_or_else(|| {
            invalid(format!("{} is not a folder of the server", path.display()))
                .hint("For a folder of another machine: `boathouse dev FOLDER` there.")
        })?;
        check(&roots, &real)?;
        if data.canonicalize().is_ok_and(|data| data.starts_with(&real) || real.starts_with(&data)) {
            return Err(invalid(format!("{} holds the server's own data", real.display()))
                .hint("Name a folder that holds the code alone."));
        }
        real.into_os_string().into_string().map_err(|_| invalid("the path of the folder is not UTF-8"))
    })
    .await
}

/// Refuses a folder that lies below none of those that the server was started with.
pub fn check(roots: &[PathBuf], folder: &Path) -> Result<()> {
    if roots.is_empty() {
        return Err(conflict("this server lets no folder be followed").hint(
            "Start it with --folders DIR (BOATHOUSE_FOLDERS): folders below DIR may be followed, so their files come into deployments.",
        ));
    }
    // As it is now: a link may lead elsewhere since.
    let is_above = |root: &PathBuf| root.canonicalize().is_ok_and(|root| folder.starts_with(root));
    if roots.iter().any(is_above) {
        return Ok(());
    }
    let names: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    Err(invalid(format!("{} is not below a folder that may be followed", folder.display()))
        .hint(format!("The server was started with --folders {}.", names.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_the_named_folders_may_be_followed() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().canonicalize().unwrap();
        let at = |name: &str| here.join(name);
        std::fs::create_dir_all(at("srv/shop")).unwrap();
        std::fs::create_dir_all(at("srv-other")).unwrap();
        std::os::unix::fs::symlink(at("srv"), at("link")).unwrap();
        for (roots, folder, fine) in [
            (vec![], "srv/shop", false),
            (vec![at("srv")], "srv/shop", true),
            (vec![at("srv")], "srv", true),
            (vec![at("link")], "srv/shop", true),
            (vec![at("srv")], "srv-other", false),
            (vec![at("gone"), at("srv-other")], "srv/shop", false),
        ] {
            assert_eq!(check(&roots, &at(folder)).is_ok(), fine, "{roots:?} {folder}");
        }
    }
}
