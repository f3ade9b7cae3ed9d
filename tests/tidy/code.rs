//! What source files look like.

use super::file::{File, findings, is_product, is_rust, product_code};

pub fn headings(files: &[File]) -> Vec<String> {
    let bare = files.iter().filter(|file| is_rust(file) && !file.text.starts_with("//! "));
    bare.map(|file| format!("{}: has no `//!` line", file.path)).collect()
}

pub fn allow(files: &[File]) -> Vec<String> {
    findings(files, is_rust, |line| {
        line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(")
    })
}

pub fn unwrap(files: &[File]) -> Vec<String> {
    let product: Vec<File> = files
        .iter()
        .filter(|file| is_rust(file) && is_product(&file.path))
        .map(|file| File { text: product_code(&file.text).to_owned(), ..file.clone() })
        .collect();
    findings(&product, |_| true, |line| line.contains(".unwrap()"))
}

pub fn unfinished(files: &[File]) -> Vec<String> {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME"];
    findings(
        files,
        |file| is_rust(file) && !file.path.starts_with("tests/tidy"),
        |line| words.iter().any(|word| line.contains(word)),
    )
}

/// The longest that a source file may be.
pub const LINES: usize = 500;

pub fn length(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let lines = file.text.lines().count();
        if lines > LINES {
            found.push(format!("{}: {lines} lines, at most {LINES}", file.path));
        }
    }
    found
}

pub fn sql(files: &[File]) -> Vec<String> {
    let is_sql = |file: &File| file.path.starts_with("app/src/db/") || file.path.starts_with("migrations/");
    let loud = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "CREATE TABLE", "WHERE "];
    findings(files, is_sql, |line| loud.iter().any(|word| line.contains(word)))
}

/// Pauses that are no waiting: an app that answers late, a pace. Path and how many.
const PAUSES: &[(&str, usize)] = &[("tests/edge.rs", 1), ("tests/edge_acme.rs", 2), ("tests/faults.rs", 1)];

pub fn waiting(files: &[File]) -> Vec<String> {
    let is_story = |file: &File| {
        is_rust(file)
            && file.path.starts_with("tests/")
            && !file.path.starts_with("tests/harness/")
            && !file.path.starts_with("tests/tidy")
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
