//! Analyze: what a repository without a manifest is, from its files, and the manifest and Dockerfiles that it could have.
//!
//! Pure: a list of paths and a way to read one. What the repository has of its own always wins.

mod folder;
mod app;
mod needs;
mod dockerfile;
mod node;
mod node_packages;
mod python;
mod python_packages;
mod compiled;
mod dotnet;
mod php;
mod ruby;
mod deno;
mod site;
mod procfile;
mod propose;

use boathouse_types::Proposal;

use super::FILE_NAMES;
use crate::error::{Result, invalid};
use app::App;
use folder::Folder;

/// Folders that hold no application of their own.
const SKIPPED: [&str; 22] = [
    "node_modules",
    "vendor",
    "target",
    "dist",
    "build",
    "out",
    "bin",
    "obj",
    "test",
    "tests",
    "__tests__",
    "e2e",
    "example",
    "examples",
    "docs",
    "doc",
    "scripts",
    "tools",
    "fixtures",
    "migrations",
    "venv",
    "coverage",
];
/// How deep an application may lie: `services/shop/api`.
const MAX_DEPTH: usize = 3;
/// Applications of one repository.
const MAX_APPS: usize = 20;

/// What looks at a folder, in this order; the first that knows it decides.
const DETECTORS: [fn(&Folder<'_>) -> Option<App>; 10] = [
    dockerfile::detect,
    dotnet::detect,
    deno::detect,
    php::detect,
    ruby::detect,
    python::detect,
    node::detect,
    compiled::detect,
    site::generator,
    site::plain,
];

/// Looks at a repository. `read` answers with a file's text.
///
/// # Errors
/// Nothing in it is known.
pub fn analyze(paths: &[String], read: &dyn Fn(&str) -> Option<String>) -> Result<Proposal> {
    if let Some(name) = FILE_NAMES.into_iter().find(|name| paths.iter().any(|path| path == name)) {
        return Ok(propose::existing(name, read(name).unwrap_or_default()));
    }
    let root = Folder::root(paths, read);
    let apps = find(&root);
    if apps.is_empty() {
        return Err(invalid("nothing in this folder is known: no Dockerfile, no list of packages, no index.html")
            .hint("Add a Dockerfile that makes the image, or choose the folder where the code is."));
    }
    Ok(propose::proposal(&root, apps))
}

/// The root where it is an application, else every application below it.
fn find(root: &Folder<'_>) -> Vec<App> {
    if !is_workspace(root)
        && let Some(app) = detect(root)
    {
        return vec![app];
    }
    let mut apps: Vec<App> = Vec::new();
    for path in root.folders(MAX_DEPTH) {
        let inner = path.split('/').any(|part| SKIPPED.contains(&part) || part.starts_with('.'));
        let nested = apps.iter().any(|app| path.starts_with(&format!("{}/", app.folder)));
        if !inner && !nested && apps.len() < MAX_APPS {
            apps.extend(detect(&root.below(&path)).filter(|app| app.runs));
        }
    }
    if apps.is_empty() { detect(root).into_iter().collect() } else { apps }
}

fn detect(folder: &Folder<'_>) -> Option<App> {
    let mut app = DETECTORS.into_iter().find_map(|detector| detector(folder))?;
    procfile::apply(folder, &mut app);
    Some(app)
}

/// A root that only holds others together.
fn is_workspace(root: &Folder<'_>) -> bool {
    let package = root.json("package.json");
    let has_start = package.as_ref().is_some_and(|json| json["scripts"]["start"].is_string());
    let workspaces = package.is_some_and(|json| !json["workspaces"].is_null());
    let cargo = root.text("Cargo.toml").is_some_and(|text| text.contains("[workspace]") && !text.contains("[package]"));
    !root.has("Dockerfile")
        && (((workspaces || root.has("pnpm-workspace.yaml")) && !has_start) || cargo || root.has("go.work"))
}

#[cfg(test)]
#[path = "analyze_test.rs"]
mod tests;
