//! Rules that a program can check, read from the sources. Each says in one sentence why it exists, and shows that it can fail.

mod code;
mod file;
mod layers;
mod repository;

use self::code::*;
use self::file::{File, all_files};
use self::layers::*;
use self::repository::*;

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
    let files = all_files();
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
