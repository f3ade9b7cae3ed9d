//! The files of the repository, and ways to look at them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository.
#[derive(Debug, Clone, Default)]
pub struct File {
    pub path: String,
    /// Empty where it is not text.
    pub text: String,
    pub bytes: u64,
    pub executable: bool,
}

/// `path:line: text` of the lines of some files that a condition finds.
pub fn findings(files: &[File], of: fn(&File) -> bool, is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| of(file)) {
        let lines =
            file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//") && is_bad(line));
        found.extend(lines.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())));
    }
    found
}

pub fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs") && !file.path.starts_with("examples/")
}

pub fn is_product(path: &str) -> bool {
    ["app/src/", "app/edge/src/", "types/src/", "frontend/src/"].iter().any(|crate_| path.starts_with(crate_))
        && !path.ends_with("_test.rs")
}

/// The file without its unit tests, which stand at its end.
pub fn product_code(text: &str) -> &str {
    let mut gates = text.match_indices("#[cfg(test)]\n").map(|(at, gate)| (at, &text[at + gate.len()..]));
    let tests = gates.find(|(_, rest)| rest.lines().next().is_some_and(|line| names_word(line, "mod")));
    tests.map_or(text, |(at, _)| &text[..at])
}

/// The code without comment lines.
pub fn code_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files that are or would be committed.
pub fn all_files() -> Vec<File> {
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
pub fn read(path: &str) -> Option<File> {
    let full = root().join(path);
    let metadata = full.symlink_metadata().ok()?;
    let text = String::from_utf8(std::fs::read(&full).unwrap_or_default()).unwrap_or_default();
    let executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
    Some(File { path: path.to_owned(), text, bytes: metadata.len(), executable })
}

/// True where the word stands alone, not as part of a longer one.
pub fn names_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part))
}
