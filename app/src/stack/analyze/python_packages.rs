//! Python's package managers: which one a folder uses, and how it installs.

use super::folder::{Folder, version};

/// How packages are installed.
pub struct Install {
    /// The manager.
    pub name: &'static str,
    /// The file that says so.
    pub file: &'static str,
    /// Files that must be there before it installs.
    pub copied: Vec<&'static str>,
    /// The line that installs them.
    pub line: &'static str,
    /// The project itself is installed too: all of it must be there.
    pub whole: bool,
}

const UV: &str = "pip install --no-cache-dir uv && uv export --frozen --no-dev --no-emit-project --output-file /tmp/requirements.txt \
    && pip install --no-cache-dir --requirement /tmp/requirements.txt";
const POETRY: &str = "pip install --no-cache-dir poetry poetry-plugin-export && poetry export --without-hashes --output /tmp/requirements.txt \
    && pip install --no-cache-dir --requirement /tmp/requirements.txt";
const PIPENV: &str = "pip install --no-cache-dir pipenv && pipenv requirements >/tmp/requirements.txt \
    && pip install --no-cache-dir --requirement /tmp/requirements.txt";
const PIP: &str = "pip install --no-cache-dir --requirement requirements.txt";
const PROJECT: &str = "pip install --no-cache-dir .";

impl Install {
    /// What the folder's files say; a lock file before a list.
    pub fn of(folder: &Folder<'_>) -> Option<Self> {
        let made = |name, file, copied: &[&'static str], line, whole| {
            Some(Self { name, file, copied: copied.to_vec(), line, whole })
        };
        match folder.first(&["uv.lock", "poetry.lock", "Pipfile.lock", "requirements.txt", "pyproject.toml"])? {
            "uv.lock" => made("uv", "uv.lock", &["pyproject.toml", "uv.lock"], UV, false),
            "poetry.lock" => made("Poetry", "poetry.lock", &["pyproject.toml", "poetry.lock"], POETRY, false),
            "Pipfile.lock" => made("Pipenv", "Pipfile.lock", &["Pipfile", "Pipfile.lock"], PIPENV, false),
            "requirements.txt" => made("pip", "requirements.txt", &["requirements.txt"], PIP, false),
            _ => made("pip", "pyproject.toml", &[], PROJECT, true),
        }
    }
}

/// The names of all packages that it depends on, in lower case.
pub fn dependencies(folder: &Folder<'_>) -> Vec<String> {
    let files = ["requirements.txt", "pyproject.toml", "Pipfile"];
    let texts = files.iter().filter_map(|file| folder.text(file));
    texts.flat_map(|text| text.lines().flat_map(names).collect::<Vec<_>>()).collect()
}

/// The names in a line: of one package, or of a whole list, `dependencies = ["flask", "redis>=5"]`.
fn names(line: &str) -> Vec<String> {
    let list = line.trim().strip_prefix("dependencies").and_then(|rest| rest.trim_start().strip_prefix('='));
    match list {
        Some(list) => list.split(['"', '\'']).skip(1).step_by(2).filter_map(name).collect(),
        None => name(line).into_iter().collect(),
    }
}

/// `psycopg[binary]>=3`, `"fastapi>=0.1",`, `django = "^5"`: the name in each.
fn name(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches([' ', '=', '[', '"', '\'']);
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    let name = line[..end].to_ascii_lowercase().replace('_', "-");
    (!name.is_empty() && !line.starts_with('#')).then_some(name)
}

/// The version that the files ask for, as the image's tag.
pub fn python(folder: &Folder<'_>) -> Option<(&'static str, String)> {
    let of_file = folder
        .first(&[".python-version", "runtime.txt"])
        .and_then(|file| Some((file, version(&folder.text(file)?, 2)?)));
    of_file.or_else(|| {
        let text = folder.text("pyproject.toml")?;
        let line = text.lines().find(|line| line.trim_start().starts_with("requires-python"))?.to_owned();
        // "at least": what is usual is newer and does.
        line.contains("==").then(|| version(&line, 2)).flatten().map(|version| ("pyproject.toml", version))
    })
}
