//! Who may know whom.

use std::collections::BTreeSet;

use super::file::{File, code_lines, is_rust, names_word, product_code};

/// What each part of the server may import. Everybody may import [`GROUND`]; an edge that is not listed is a finding.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("clock", &[]),
    ("cron", &[]),
    ("error", &[]),
    ("secret", &[]),
    ("fault", &[]),
    ("config", &[]),
    ("port", &[]),
    ("trace", &["config"]),
    ("outgoing", &["config"]),
    ("notify", &[]),
    ("stack", &["cron"]),
    ("catalog", &["stack"]),
    ("folder", &["stack"]),
    ("db", &["secret", "stack"]),
    ("observed", &[]),
    ("task", &[]),
    ("memory", &["state", "task"]),
    // One fetch per mirror at a time, whoever asks: a release, or somebody who looks.
    ("state", &["config", "db", "git", "logs", "observed", "run", "secret", "task"]),
    ("snapshot", &["db", "docker", "secret", "stack"]),
    // What is in Git LFS is asked for over HTTP.
    ("git", &["config", "outgoing", "secret", "stack"]),
    ("chunks", &[]),
    ("machine", &[]),
    ("disk", &["config", "db", "docker", "logs", "observed", "snapshot", "state"]),
    ("docker", &["chunks", "config"]),
    ("logs", &["config", "db", "docker", "observed", "secret", "snapshot", "state", "task"]),
    ("addon", &["db", "docker", "fault", "logs", "observed", "release", "secret", "snapshot", "stack", "state"]),
    // The commands of a release are runs that it asks for.
    (
        "release",
        &[
            "catalog", "chunks", "config", "cron", "db", "disk", "docker", "fault", "folder", "git", "logs", "machine",
            "observed", "run", "secret", "snapshot", "stack", "state", "task",
        ],
    ),
    // What a push means is decided by the code: by git, and by what runs. Previews are deleted and brought back as other deployments are.
    ("hook", &["db", "fault", "git", "lifecycle", "outgoing", "release", "secret", "stack", "state"]),
    // A registry's tags are asked for over HTTP, its digests through the engine.
    // What is sent of a folder is what `boathouse dev` sends of it.
    // What a release was made of says which files of a folder are in it.
    ("watched", &["chunks", "db", "fault", "folder", "release", "stack", "state"]),
    ("images", &["db", "docker", "outgoing", "release", "secret", "stack", "state"]),
    // A command runs in, or beside, what the supervisor wants to run.
    ("run", &["config", "cron", "db", "docker", "fault", "logs", "snapshot", "state", "supervisor"]),
    // A backup is a folder of the data directory, made at its times, read as a stream, and refused where the disk is full.
    (
        "lifecycle",
        &[
            "chunks", "config", "cron", "db", "disk", "docker", "fault", "observed", "release", "snapshot", "stack",
            "state",
        ],
    ),
    (
        "supervisor",
        &[
            "config", "db", "disk", "docker", "fault", "logs", "observed", "secret", "snapshot", "stack", "state",
            "task",
        ],
    ),
    // Passwords of a component's users are in the environment of its release.
    (
        "edge",
        &["config", "db", "fault", "observed", "outgoing", "port", "secret", "snapshot", "stack", "state", "task"],
    ),
    ("auth", &["config", "db", "secret", "state"]),
    ("backup", &["auth", "config", "db", "secret"]),
    (
        "api",
        &[
            "addon",
            "auth",
            "backup",
            "catalog",
            "config",
            "db",
            "disk",
            "fault",
            "git",
            "hook",
            "images",
            "lifecycle",
            "logs",
            "observed",
            "port",
            "release",
            "run",
            "secret",
            "snapshot",
            "stack",
            "state",
            "task",
            "ui",
            "watched",
        ],
    ),
    ("ui", &["api", "state"]),
    // What runs without a server: starting one, the edge alone, restoring, the set-up token's file, the API's document.
    // The stack builder is a function of the catalog, Analyze one of a folder's files.
    ("cli", &["api", "auth", "backup", "catalog", "chunks", "config", "edge", "folder", "serve", "stack"]),
    (
        "serve",
        &[
            "addon",
            "api",
            "config",
            "db",
            "docker",
            "edge",
            "fault",
            "git",
            "hook",
            "images",
            "lifecycle",
            "logs",
            "memory",
            "notify",
            "observed",
            "release",
            "run",
            "secret",
            "state",
            "supervisor",
            "task",
            "trace",
            "watched",
        ],
    ),
];

/// Time and error: no part does without them.
const GROUND: &[&str] = &["clock", "error"];

pub fn layers(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let Some(part) = part_of(&file.path) else { continue };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == part) else {
            found.push(format!("{}: the part `{part}` is in no list of imports (tests/tidy/layers.rs)", file.path));
            continue;
        };
        for import in imports(product_code(&file.text)) {
            if import != part && !allowed.contains(&import.as_str()) && !GROUND.contains(&import.as_str()) {
                found.push(format!("{}: `{part}` imports `{import}`", file.path));
            }
        }
    }
    found
}

/// The part of the server that a file belongs to: the folder or file under `app/src`.
pub fn part_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("app/src/")?;
    Some(inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs"))
}

/// The first names after each `crate::`.
pub fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code_lines(code).split("crate::").skip(1) {
        match line.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(identifier(line)),
        }
    }
    found
}

/// The first names of the entries of `{a, b::c, d::{e, f}}`, without its opening brace.
pub fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_start) = (0, Vec::new(), true);
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && depth == 0 && !character.is_whitespace() => {
                heads.extend(identifier(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}

pub fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    // Macros and types of the crate's root have no part.
    (name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(name)
}

/// What may be named, and where alone.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["app/src/db/"]),
    ("bollard", &["app/src/docker/"]),
    ("actix_web", &["app/src/api/", "app/src/ui/", "app/src/ui.rs"]),
    (
        "reqwest",
        &[
            "app/src/cli/",
            "app/src/edge/acme/",
            "app/src/git/lfs.rs",
            "app/src/hook/status/",
            "app/src/images/",
            "app/src/outgoing.rs",
        ],
    ),
    ("boathouse_edge::site", &["app/src/edge/", "app/src/release/"]),
    ("process::Command", &["app/src/git/"]),
    ("env::var", &["app/src/config.rs", "app/src/cli/"]),
    ("std::env", &["app/src/config.rs", "app/src/cli/"]),
];

pub fn homes(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file) && file.path.starts_with("app/src/")) {
        let code = without_strings(&code_lines(product_code(&file.text)));
        for (word, homes) in HOMES {
            let is_home = homes.iter().any(|home| file.path.starts_with(home));
            if !is_home && names_word(&code, word) {
                found.push(format!("{}: {word} belongs in {}", file.path, homes.join(", ")));
            }
        }
    }
    found
}

/// Every second piece between quotes is text, not code; an escaped quote inside one costs at most its line.
pub fn without_strings(code: &str) -> String {
    code.lines().map(|line| line.split('"').step_by(2).collect::<String>() + "\n").collect()
}

const IMPURE: &[&str] = &["std::fs", "std::net::Tcp", "std::env", "std::process", "std::thread", "tokio", "reqwest"];

pub fn purity(files: &[File]) -> Vec<String> {
    let pure = |path: &str| path.starts_with("app/src/stack/") || path.starts_with("types/src/");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file) && pure(&file.path)) {
        let code = without_strings(&code_lines(product_code(&file.text)));
        let named = IMPURE.iter().filter(|word| code.contains(**word));
        found.extend(named.map(|word| format!("{}: {word}", file.path)));
    }
    found
}

pub fn console(files: &[File]) -> Vec<String> {
    let manifest = files.iter().filter(|file| file.path == "frontend/Cargo.toml");
    let lines = manifest.flat_map(|file| file.text.lines());
    let servers = lines
        .filter(|line| line.starts_with("boathouse ") || line.starts_with("boathouse=") || line.contains("\"../app\""));
    servers.map(|line| format!("frontend/Cargo.toml: {line}")).collect()
}
