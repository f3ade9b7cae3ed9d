//! JavaScript's package managers: which one a folder uses, how it installs, and in which image.

use serde_json::Value;

use super::folder::{Folder, version};

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// npm.
    Npm,
    /// pnpm.
    Pnpm,
    /// Yarn 1.
    Yarn,
    /// Yarn 2 and later.
    Berry,
    /// Bun.
    Bun,
}

/// How packages are installed.
#[derive(Debug, Clone)]
pub struct Install {
    /// The manager.
    pub manager: Manager,
    /// The file that says so, and pins the versions; absent where nothing does.
    pub lock: Option<&'static str>,
    /// The manager's own version.
    pub version: Option<String>,
}

const LOCKS: [(&str, Manager); 6] = [
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("yarn.lock", Manager::Yarn),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
];

impl Install {
    /// What the folder's files say; the lock file before the field `packageManager`.
    pub fn of(folder: &Folder<'_>, package: &Value) -> Self {
        let field = package["packageManager"].as_str().unwrap_or("");
        let (named, named_version) = field.split_once('@').unwrap_or((field, ""));
        let found = LOCKS.into_iter().find(|(file, _)| folder.has(file));
        let mut manager = match (found, named) {
            (Some((_, manager)), _) => manager,
            (None, "pnpm") => Manager::Pnpm,
            (None, "yarn") => Manager::Yarn,
            (None, "bun") => Manager::Bun,
            _ => Manager::Npm,
        };
        let lock = found.map(|(file, _)| file);
        let text = lock.and_then(|lock| folder.text(lock)).unwrap_or_default();
        let major = version(named_version, 1).and_then(|major| major.parse::<u32>().ok());
        if manager == Manager::Yarn && (text.contains("__metadata:") || major.is_some_and(|major| major > 1)) {
            manager = Manager::Berry;
        }
        let exact = named_version.split('+').next().filter(|text| !text.is_empty()).map(str::to_owned);
        let version = exact.or_else(|| match manager {
            Manager::Pnpm => Some(pnpm_of(&text).to_owned()),
            Manager::Berry => Some("4".to_owned()),
            Manager::Yarn => Some("1".to_owned()),
            _ => None,
        });
        Self { manager, lock, version }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self.manager {
            Manager::Npm => "npm",
            Manager::Pnpm => "pnpm",
            Manager::Yarn => "Yarn 1",
            Manager::Berry => "Yarn",
            Manager::Bun => "Bun",
        }
    }

    /// The image in which it runs.
    pub fn image(&self, node: &str) -> String {
        if self.manager == Manager::Bun { "oven/bun:1-slim".to_owned() } else { format!("node:{node}-slim") }
    }

    /// The user of that image who is not root.
    pub fn user(&self) -> &'static str {
        if self.manager == Manager::Bun { "bun" } else { "node" }
    }

    /// The line that installs all packages.
    pub fn line(&self) -> String {
        let version = self.version.as_deref().unwrap_or("latest");
        match (self.manager, self.lock.is_some()) {
            (Manager::Npm, true) => "npm ci".to_owned(),
            (Manager::Npm, false) => "npm install".to_owned(),
            (Manager::Pnpm, true) => format!("npm install --global pnpm@{version} && pnpm install --frozen-lockfile"),
            (Manager::Pnpm, false) => format!("npm install --global pnpm@{version} && pnpm install"),
            (Manager::Yarn, true) => {
                format!("npm install --global --force yarn@{version} && yarn install --frozen-lockfile")
            }
            (Manager::Yarn, false) => format!("npm install --global --force yarn@{version} && yarn install"),
            (Manager::Berry, true) => {
                format!("npm install --global --force @yarnpkg/cli-dist@{version} && yarn install --immutable")
            }
            (Manager::Berry, false) => {
                format!("npm install --global --force @yarnpkg/cli-dist@{version} && yarn install")
            }
            (Manager::Bun, true) => "bun install --frozen-lockfile".to_owned(),
            (Manager::Bun, false) => "bun install".to_owned(),
        }
    }

    /// What the manager is told by the environment, as a line of a Dockerfile: Yarn comes from npm and not from the repository, whose folder
    /// is not there yet; and what it keeps is for whoever runs it, too, who is not root.
    pub fn settings(&self) -> &'static str {
        match self.manager {
            Manager::Berry => "ENV YARN_IGNORE_PATH=1 YARN_ENABLE_GLOBAL_CACHE=false\n",
            _ => "",
        }
    }

    /// How a script of package.json is run, as words.
    pub fn run(&self, script: &str) -> Vec<String> {
        let program = match self.manager {
            Manager::Npm => "npm",
            Manager::Pnpm => "pnpm",
            Manager::Yarn | Manager::Berry => "yarn",
            Manager::Bun => "bun",
        };
        [program, "run", script].map(str::to_owned).to_vec()
    }

    /// Files that must be there before it installs.
    pub fn files(&self, folder: &Folder<'_>) -> Vec<&'static str> {
        let more = [".npmrc", ".yarnrc.yml", ".yarnrc", "pnpm-workspace.yaml", "bunfig.toml"];
        let present = more.into_iter().filter(|file| folder.has(file));
        std::iter::once("package.json").chain(self.lock).chain(present).collect()
    }
}

/// Which pnpm writes that lock file.
fn pnpm_of(lock: &str) -> &'static str {
    let line = lock.lines().find(|line| line.starts_with("lockfileVersion:")).unwrap_or("");
    match version(line, 1).as_deref() {
        Some("5") => "7",
        Some("6") => "8",
        _ => "10",
    }
}

/// The names of all packages that it depends on.
pub fn dependencies(package: &Value) -> Vec<String> {
    let of = |key: &str| package[key].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>();
    [of("dependencies"), of("devDependencies")].concat()
}
