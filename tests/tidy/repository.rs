//! What the repository looks like from outside.

use std::collections::BTreeSet;
use std::path::Path;

use super::file::{File, is_rust, root};
use super::layers::part_of;

pub fn names(files: &[File]) -> Vec<String> {
    let drawers = ["utils", "util", "helpers", "helper", "common", "misc", "manager", "service"];
    let is_drawer = |file: &&File| {
        let path = Path::new(file.path.as_str());
        is_rust(file) && path.iter().any(|part| drawers.contains(&part.to_string_lossy().trim_end_matches(".rs")))
    };
    files.iter().filter(is_drawer).map(|file| format!("{}: name the thing", file.path)).collect()
}

pub fn migrations(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    let scripts = files.iter().filter(|file| file.path.starts_with("migrations/"));
    let mut names: Vec<&str> = scripts.map(|file| file.path.trim_start_matches("migrations/")).collect();
    names.sort_unstable();
    for (index, name) in names.iter().enumerate() {
        if !name.starts_with(&format!("{:04}_", index + 1)) || !name.ends_with(".sql") {
            found.push(format!("migrations/{name}: expected {:04}_….sql", index + 1));
        }
    }
    let list = files.iter().find(|file| file.path == "app/src/db/migrate.rs").map_or("", |file| file.text.as_str());
    let listed: Vec<&str> = list.split("migrations/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    if listed != names {
        found.push(format!("app/src/db/migrate.rs lists {listed:?}, the folder has {names:?}"));
    }
    found
}

pub fn map(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == "docs/ARCHITECTURE.md") else {
        return vec!["docs/ARCHITECTURE.md is missing".into()];
    };
    let drawn = drawn_parts(&page.text);
    let mut there: BTreeSet<String> = files.iter().filter_map(|file| part_of(&file.path)).map(str::to_owned).collect();
    there.remove("bin");
    let ghosts =
        drawn.difference(&there).map(|part| format!("docs/ARCHITECTURE.md shows `{part}`, which is not in app/src"));
    let hidden = there.difference(&drawn).map(|part| format!("docs/ARCHITECTURE.md does not show app/src/{part}"));
    ghosts.chain(hidden).collect()
}

/// The names in the picture of `app/src`: a line of several names has its description after two spaces.
pub fn drawn_parts(page: &str) -> BTreeSet<String> {
    let lines = page.lines().skip_while(|line| *line != "app/src/").skip(1).take_while(|line| line.starts_with("  "));
    let heads = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.trim_start().split("  ").next());
    heads.flat_map(str::split_whitespace).map(|name| name.trim_end_matches('/').to_owned()).collect()
}

pub fn links(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or("");
            if !target.is_empty()
                && !target.contains("://")
                && !target.starts_with("mailto:")
                && !exists(&folder.join(target))
            {
                found.push(format!("{}: {target} does not exist", file.path));
            }
        }
    }
    found
}

pub fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

pub fn commands(files: &[File]) -> Vec<String> {
    let Some(readme) = files.iter().find(|file| file.path == "README.md") else {
        return vec!["README.md is missing".into()];
    };
    let wanted = ["./install.sh --demo", "./tests/run"];
    wanted
        .iter()
        .filter(|line| !readme.text.contains(*line))
        .map(|line| format!("README.md does not show {line}"))
        .collect()
}

/// The largest that a stored file may be.
pub const BYTES: u64 = 500_000;

pub fn size(files: &[File]) -> Vec<String> {
    let large = files.iter().filter(|file| file.bytes > BYTES);
    large.map(|file| format!("{}: {} bytes, at most {BYTES}", file.path, file.bytes)).collect()
}

pub fn scripts(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        match (file.text.starts_with("#!/"), file.executable) {
            (true, false) => found.push(format!("{}: chmod +x", file.path)),
            (false, true) => found.push(format!("{}: can be started but has no `#!` line", file.path)),
            _ => {}
        }
    }
    found
}
