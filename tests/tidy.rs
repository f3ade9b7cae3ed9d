//! Rules that a program can check, read from the sources. Each says in one sentence why it exists, and shows that it can fail.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository.
#[derive(Debug, Clone, Default)]
struct File {
    path: String,
    /// Empty where it is not text.
    text: String,
    bytes: u64,
    executable: bool,
}

/// A rule, and files that break it.
struct Rule {
    name: &'static str,
    reason: &'static str,
    check: fn(&[File]) -> Vec<String>,
    breaks: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "layers",
        reason: "parts that never import each other can be understood, tested and replaced alone",
        check: layers,
        breaks: &[("app/src/edge/mod.rs", "//! x\nuse crate::{error::Result, release::Worker};")],
    },
    Rule {
        name: "homes",
        reason: "a library that is named in one place only can be exchanged there",
        check: homes,
        breaks: &[
            ("app/src/release/mod.rs", "//! x\nuse rusqlite::Connection;"),
            ("app/src/edge/tls.rs", "//! x\nlet home = std::env::var(\"HOME\");"),
            ("app/src/api/mod.rs", "//! x\nstd::process::Command::new(\"ls\");"),
        ],
    },
    Rule {
        name: "purity",
        reason: "what does no I/O is tested by tables, and the console can be built from it",
        check: purity,
        breaks: &[("app/src/stack/parse.rs", "//! x\nuse std::fs;")],
    },
    Rule {
        name: "console",
        reason: "the console is a plain client of the public API: what it can do, curl can",
        check: console,
        breaks: &[("frontend/Cargo.toml", "[dependencies]\nboathouse = { path = \"../app\" }")],
    },
    Rule {
        name: "headings",
        reason: "the first line of a module says what it is for, so that nobody has to read on to find out",
        check: headings,
        breaks: &[("app/src/edge/tls.rs", "use std::sync::Arc;")],
    },
    Rule {
        name: "allow",
        reason: "an expectation says why and is reported once it is not needed any more, an allowance stays for ever",
        check: allow,
        breaks: &[("types/src/id.rs", "//! x\n#[allow(dead_code)]")],
    },
    Rule {
        name: "unwrap",
        reason: "a server that panics on its input drops everybody else's requests too",
        check: unwrap,
        breaks: &[("app/src/edge/tls.rs", "//! x\nfn a() { b().unwrap(); }\n#[cfg(test)]\nmod tests {}")],
    },
    Rule {
        name: "unfinished",
        reason: "what is not there yet is in the plan, not in the binary",
        check: unfinished,
        breaks: &[("app/src/api/mod.rs", "//! x\nfn a() { todo!() }")],
    },
    Rule {
        name: "length",
        reason: "a file that is one thought fits into a head; the exceptions may only shrink",
        check: length,
        breaks: &[],
    },
    Rule {
        name: "names",
        reason: "a drawer for everything is a place where nothing is found",
        check: names,
        breaks: &[("app/src/utils.rs", "//! x")],
    },
    Rule {
        name: "migrations",
        reason: "a database in the field has run them in this order and runs none twice",
        check: migrations,
        breaks: &[("migrations/0009_late.sql", "create table a (b text) strict;")],
    },
    Rule {
        name: "sql",
        reason: "one way to write SQL, so that a search finds every query of a table",
        check: sql,
        breaks: &[("app/src/db/user.rs", "//! x\n\"SELECT name FROM user\"")],
    },
    Rule {
        name: "map",
        reason: "a map that shows what is not there misleads, one that leaves out what is there hides",
        check: map,
        breaks: &[("docs/ARCHITECTURE.md", "## Where things are\n```\napp/src/\n  nowhere  x\n```\n")],
    },
    Rule {
        name: "links",
        reason: "a reader who follows a link of ours arrives",
        check: links,
        breaks: &[("README.md", "[a](docs/NOWHERE.md)")],
    },
    Rule {
        name: "commands",
        reason: "who opens the repository first needs the two commands",
        check: commands,
        breaks: &[("README.md", "nothing")],
    },
    Rule {
        name: "size",
        reason: "what is large is made, not stored: every clone pays for it for ever",
        check: size,
        breaks: &[],
    },
    Rule {
        name: "scripts",
        reason: "a script that cannot be started is found by the person who needs it",
        check: scripts,
        breaks: &[("bench/run", "#!/bin/sh\n")],
    },
    Rule {
        name: "waiting",
        reason: "a story waits for a condition: a pause is too short on a busy machine and too long on every other",
        check: waiting,
        breaks: &[("tests/state.rs", "//! x\ntokio::time::sleep(second).await;")],
    },
];

#[test]
fn the_repository_is_tidy() {
    let files = repository();
    let mut found = Vec::new();
    for rule in RULES {
        for finding in (rule.check)(&files) {
            found.push(format!("{}: {finding}\n    ({})", rule.name, rule.reason));
        }
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    for rule in RULES {
        for (path, text) in rule.breaks {
            let file = File { path: (*path).into(), text: (*text).into(), ..File::default() };
            assert!(!(rule.check)(&[file]).is_empty(), "{} overlooks {path}: {text}", rule.name);
        }
    }
    let long = File { path: "app/src/long.rs".into(), text: "//! x\n".repeat(LINES + 1), ..File::default() };
    assert!(!length(&[long]).is_empty());
    let large = File { path: "docs/film.mp4".into(), bytes: BYTES + 1, ..File::default() };
    assert!(!size(&[large]).is_empty());
}

/// What each part of the server may import. Everybody may import [`GROUND`]; an edge that is not listed is a finding.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("clock", &[]),
    ("error", &[]),
    ("secret", &[]),
    ("fault", &[]),
    ("config", &[]),
    ("trace", &["config"]),
    ("notify", &[]),
    ("stack", &[]),
    ("db", &["secret", "stack"]),
    ("observed", &[]),
    ("task", &[]),
    ("state", &["config", "db", "logs", "observed", "secret", "task"]),
    ("site", &[]),
    ("snapshot", &["db", "docker", "secret", "stack"]),
    ("git", &["config", "secret", "stack"]),
    ("docker", &["config"]),
    ("logs", &["config", "db", "docker", "observed", "secret", "snapshot", "state", "task"]),
    (
        "release",
        &[
            "config", "db", "docker", "fault", "git", "logs", "observed", "secret", "site", "snapshot", "stack",
            "state", "task",
        ],
    ),
    (
        "supervisor",
        &["config", "db", "docker", "fault", "logs", "observed", "secret", "snapshot", "stack", "state", "task"],
    ),
    ("edge", &["config", "db", "observed", "secret", "site", "stack", "state", "task"]),
    ("auth", &["config", "db", "secret", "state"]),
    ("backup", &["auth", "config", "db", "secret"]),
    (
        "api",
        &[
            "auth", "backup", "config", "db", "git", "logs", "observed", "release", "secret", "stack", "state", "task",
            "ui",
        ],
    ),
    ("ui", &["api", "state"]),
    // What runs without a server: starting one, the edge alone, restoring, the set-up token's file, the API's document.
    ("cli", &["api", "auth", "backup", "config", "edge", "serve"]),
    (
        "serve",
        &[
            "api",
            "config",
            "db",
            "docker",
            "edge",
            "fault",
            "logs",
            "notify",
            "observed",
            "release",
            "secret",
            "state",
            "supervisor",
            "task",
            "trace",
        ],
    ),
];

/// Time and error: no part does without them.
const GROUND: &[&str] = &["clock", "error"];

fn layers(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let Some(part) = part_of(&file.path) else { continue };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == part) else {
            found.push(format!("{}: the part `{part}` is in no list of imports (tests/tidy.rs)", file.path));
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
fn part_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("app/src/")?;
    Some(inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs"))
}

/// The first names after each `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
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
fn group_heads(group: &str) -> Vec<String> {
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

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    // Macros and types of the crate's root have no part.
    (name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(name)
}

/// What may be named, and where alone.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["app/src/db/"]),
    ("bollard", &["app/src/docker/"]),
    ("actix_web", &["app/src/api/", "app/src/ui/", "app/src/ui.rs"]),
    ("reqwest", &["app/src/cli/", "app/src/edge/acme/"]),
    ("process::Command", &["app/src/git/"]),
    ("env::var", &["app/src/config.rs", "app/src/cli/"]),
    ("std::env", &["app/src/config.rs", "app/src/cli/"]),
];

fn homes(files: &[File]) -> Vec<String> {
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
fn without_strings(code: &str) -> String {
    code.lines().map(|line| line.split('"').step_by(2).collect::<String>() + "\n").collect()
}

/// True where the word stands alone, not as part of a longer one.
fn names_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part))
}

const IMPURE: &[&str] = &["std::fs", "std::net::Tcp", "std::env", "std::process", "std::thread", "tokio", "reqwest"];

fn purity(files: &[File]) -> Vec<String> {
    let pure = |path: &str| path.starts_with("app/src/stack/") || path.starts_with("types/src/");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file) && pure(&file.path)) {
        let code = code_lines(product_code(&file.text));
        let named = IMPURE.iter().filter(|word| code.contains(**word));
        found.extend(named.map(|word| format!("{}: {word}", file.path)));
    }
    found
}

fn console(files: &[File]) -> Vec<String> {
    let manifest = files.iter().filter(|file| file.path == "frontend/Cargo.toml");
    let lines = manifest.flat_map(|file| file.text.lines());
    let servers = lines
        .filter(|line| line.starts_with("boathouse ") || line.starts_with("boathouse=") || line.contains("\"../app\""));
    servers.map(|line| format!("frontend/Cargo.toml: {line}")).collect()
}

fn headings(files: &[File]) -> Vec<String> {
    let bare = files.iter().filter(|file| is_rust(file) && !file.text.starts_with("//! "));
    bare.map(|file| format!("{}: has no `//!` line", file.path)).collect()
}

fn allow(files: &[File]) -> Vec<String> {
    findings(files, is_rust, |line| {
        line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(")
    })
}

fn unwrap(files: &[File]) -> Vec<String> {
    let product: Vec<File> = files
        .iter()
        .filter(|file| is_rust(file) && is_product(&file.path))
        .map(|file| File { text: product_code(&file.text).to_owned(), ..file.clone() })
        .collect();
    findings(&product, |_| true, |line| line.contains(".unwrap()"))
}

fn unfinished(files: &[File]) -> Vec<String> {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME"];
    findings(
        files,
        |file| is_rust(file) && file.path != "tests/tidy.rs",
        |line| words.iter().any(|word| line.contains(word)),
    )
}

/// The longest that a source file may be.
const LINES: usize = 600;

fn length(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let lines = file.text.lines().count();
        if lines > LINES {
            found.push(format!("{}: {lines} lines, at most {LINES}", file.path));
        }
    }
    found
}

fn names(files: &[File]) -> Vec<String> {
    let drawers = ["utils", "util", "helpers", "helper", "common", "misc", "manager", "service"];
    let is_drawer = |file: &&File| {
        let path = Path::new(file.path.as_str());
        is_rust(file) && path.iter().any(|part| drawers.contains(&part.to_string_lossy().trim_end_matches(".rs")))
    };
    files.iter().filter(is_drawer).map(|file| format!("{}: name the thing", file.path)).collect()
}

fn migrations(files: &[File]) -> Vec<String> {
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

fn sql(files: &[File]) -> Vec<String> {
    let is_sql = |file: &File| file.path.starts_with("app/src/db/") || file.path.starts_with("migrations/");
    let loud = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "CREATE TABLE", "WHERE "];
    findings(files, is_sql, |line| loud.iter().any(|word| line.contains(word)))
}

fn map(files: &[File]) -> Vec<String> {
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
fn drawn_parts(page: &str) -> BTreeSet<String> {
    let lines = page.lines().skip_while(|line| *line != "app/src/").skip(1).take_while(|line| line.starts_with("  "));
    let heads = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.trim_start().split("  ").next());
    heads.flat_map(str::split_whitespace).map(|name| name.trim_end_matches('/').to_owned()).collect()
}

fn links(files: &[File]) -> Vec<String> {
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

fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

fn commands(files: &[File]) -> Vec<String> {
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
const BYTES: u64 = 500_000;

fn size(files: &[File]) -> Vec<String> {
    let large = files.iter().filter(|file| file.bytes > BYTES);
    large.map(|file| format!("{}: {} bytes, at most {BYTES}", file.path, file.bytes)).collect()
}

fn scripts(files: &[File]) -> Vec<String> {
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

/// Pauses that are no waiting: an app that answers late, a pace. Path and how many.
const PAUSES: &[(&str, usize)] = &[("tests/edge.rs", 1), ("tests/edge_acme.rs", 2), ("tests/faults.rs", 1)];

fn waiting(files: &[File]) -> Vec<String> {
    let is_story = |file: &File| {
        is_rust(file)
            && file.path.starts_with("tests/")
            && !file.path.starts_with("tests/harness/")
            && file.path != "tests/tidy.rs"
    };
    let mut found = findings(files, is_story, |line| line.contains("sleep("));
    for (path, most) in PAUSES {
        let of_it = |finding: &String| finding.starts_with(&format!("{path}:"));
        if found.iter().filter(|finding| of_it(finding)).count() <= *most {
            found.retain(|finding| !of_it(finding));
        }
    }
    found
}

/// `path:line: text` of the lines of some files that a condition finds.
fn findings(files: &[File], of: fn(&File) -> bool, is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| of(file)) {
        let lines =
            file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//") && is_bad(line));
        found.extend(lines.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())));
    }
    found
}

fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs") && !file.path.starts_with("examples/")
}

fn is_product(path: &str) -> bool {
    ["app/src/", "types/src/", "frontend/src/"].iter().any(|crate_| path.starts_with(crate_))
        && !path.ends_with("_test.rs")
}

/// The file without its unit tests, which stand at its end.
fn product_code(text: &str) -> &str {
    let mut gates = text.match_indices("#[cfg(test)]\n").map(|(at, gate)| (at, &text[at + gate.len()..]));
    let tests = gates.find(|(_, rest)| rest.lines().next().is_some_and(|line| names_word(line, "mod")));
    tests.map_or(text, |(at, _)| &text[..at])
}

/// The code without comment lines.
fn code_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files that are or would be committed.
fn repository() -> Vec<File> {
    // The checkout may belong to somebody else, as in a container.
    let mut git = Command::new("git");
    git.arg("-C").arg(root()).args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.output().expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).unwrap();
    let files: Vec<File> = paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect();
    assert!(files.len() > 50, "only {} files found", files.len());
    files
}

/// `None` for what was deleted and not yet committed.
fn read(path: &str) -> Option<File> {
    let full = root().join(path);
    let metadata = full.symlink_metadata().ok()?;
    let text = String::from_utf8(std::fs::read(&full).unwrap_or_default()).unwrap_or_default();
    let executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
    Some(File { path: path.to_owned(), text, bytes: metadata.len(), executable })
}
