//! Which project and deployment a command is about.

use std::path::Path;

use boathouse_types::{DeploymentName, ProjectName, path};

use super::failure::{Failure, Result};

/// A text file with `PROJECT` or `PROJECT/DEPLOYMENT`, in this folder or one above.
const LINK: &str = ".boathouse";
const MANIFESTS: [&str; 3] = ["boathouse.yaml", "boathouse.yml", "diploi.yaml"];
const DEFAULT: &str = "production";

/// Flags that name a deployment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlaceArgs {
    /// The project; else what the file `.boathouse` here or above names, else this folder's name where it has a manifest
    #[arg(long, short, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// The deployment [default: production]
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<DeploymentName>,
}

/// A deployment's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: ProjectName,
    /// The deployment.
    pub deployment: DeploymentName,
}

impl PlaceArgs {
    /// Resolves the flags from the current folder.
    pub fn resolve(&self) -> Result<Place> {
        self.resolve_in(Path::new("."))
    }

    /// Resolves the flags as seen from `folder`.
    pub fn resolve_in(&self, folder: &Path) -> Result<Place> {
        let link = linked(folder)?;
        let project = match (&self.project, &link) {
            (Some(named), _) => named.clone(),
            (None, Some((linked, _))) => linked.clone(),
            (None, None) => named_by_folder(folder).ok_or_else(no_project)?,
        };
        // A link's deployment belongs to the link's project.
        let linked = link.filter(|(of, _)| *of == project).and_then(|(_, deployment)| deployment);
        let deployment = match self.deployment.clone().or(linked) {
            Some(named) => named,
            None => DEFAULT.parse()?,
        };
        Ok(Place { project, deployment })
    }
}

impl Place {
    /// The path of the deployment, below the API's prefix.
    pub fn path(&self) -> String {
        path::deployment(&self.project, &self.deployment).trim_start_matches(path::API).to_owned()
    }

    /// A path below it.
    pub fn below(&self, rest: &str) -> String {
        format!("{}/{rest}", self.path())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.project, self.deployment)
    }
}

fn no_project() -> Failure {
    Failure::invalid("no project is named")
        .hint("Give --project NAME, or write the name into a file `.boathouse` here.")
}

fn linked(folder: &Path) -> Result<Option<(ProjectName, Option<DeploymentName>)>> {
    let Ok(start) = folder.canonicalize() else { return Ok(None) };
    for folder in start.ancestors() {
        let file = folder.join(LINK);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let (project, deployment) = match text.trim().split_once('/') {
            Some((project, deployment)) => (project, Some(deployment)),
            None => (text.trim(), None),
        };
        let wrong = |error| Failure::invalid(format!("{}: {error}", file.display()));
        let deployment = deployment.map(str::parse).transpose().map_err(wrong)?;
        return Ok(Some((project.parse().map_err(wrong)?, deployment)));
    }
    Ok(None)
}

/// Only a folder with a manifest names a project: any other name would be an accident.
fn named_by_folder(folder: &Path) -> Option<ProjectName> {
    let folder = folder.canonicalize().ok()?;
    MANIFESTS.iter().any(|name| folder.join(name).is_file()).then_some(())?;
    folder.file_name()?.to_str()?.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_links_and_links_over_folders() {
        let dir = tempfile::tempdir().unwrap();
        let shop = dir.path().join("Shop");
        let deep = shop.join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let at = |args: &PlaceArgs, folder: &Path| args.resolve_in(folder).map(|place| place.to_string()).ok();
        let none = PlaceArgs::default();
        assert_eq!(at(&none, &shop), None, "a folder without a manifest names nothing");
        std::fs::write(shop.join("boathouse.yaml"), "").unwrap();
        assert_eq!(at(&none, &shop).unwrap(), "shop/production");
        std::fs::write(shop.join(LINK), "store/staging\n").unwrap();
        assert_eq!(at(&none, &deep).unwrap(), "store/staging");
        let named = PlaceArgs { project: Some("other".parse().unwrap()), deployment: None };
        assert_eq!(at(&named, &deep).unwrap(), "other/production", "a link's deployment is not another project's");
        std::fs::write(shop.join(LINK), "No Name").unwrap();
        assert!(none.resolve_in(&deep).is_err());
    }
}
