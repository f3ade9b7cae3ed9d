//! Which build a step belongs to. Nothing that the engine shows of a step names its build, but the environment of its
//! processes does, where the build has a mark in it: a host name that nobody asks for, among those that need no proxy.
//! BuildKit keeps the proxy's variables out of its cache keys, of the image and of its history, so a mark changes nothing.

use std::collections::HashMap;
use std::path::Path;

/// The end of every mark; a name that exists nowhere (RFC 6761 §6.4).
const SUFFIX: &str = ".build.boathouse.invalid";
/// The runtime's description of a step is some KiB long.
const MAX_DESCRIPTION: u64 = 4 * 1024 * 1024;

/// The mark of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docker::build) struct Mark(String);

impl Mark {
    /// The mark of the build with that session. None where the Dockerfile has the variable as an argument of its own:
    /// then it is part of cache keys and history, and would make every build another one.
    pub fn of(session: &str, dockerfile: &[u8]) -> Option<Self> {
        let named = String::from_utf8_lossy(dockerfile).to_ascii_lowercase().contains("no_proxy");
        (!named).then(|| Self(format!("{session}{SUFFIX}")))
    }

    /// Puts it into the arguments of the build.
    pub fn put_into(&self, args: &mut HashMap<String, String>) {
        // Programs disagree about the case, and BuildKit takes whichever of the two it comes across.
        for key in ["NO_PROXY", "no_proxy"] {
            let exceptions = args.entry(key.to_owned()).or_default();
            if !exceptions.is_empty() {
                exceptions.push(',');
            }
            exceptions.push_str(&self.0);
        }
    }
}

/// Whether the step with that id may be of the marked build: it has that mark, or none. A step of which nothing is known
/// counts, too: better one limit too many than a build without.
pub(super) fn is_of(mark: Option<&Mark>, executor: &Path, step: &str) -> bool {
    let path = executor.join(step).join("config.json");
    let sane = std::fs::metadata(&path).is_ok_and(|about| about.len() <= MAX_DESCRIPTION);
    let Some(description) = sane.then(|| std::fs::read(&path).ok()).flatten() else { return true };
    mark.is_some_and(|mark| contains(&description, mark.0.as_bytes())) || !contains(&description, SUFFIX.as_bytes())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_known_by_the_mark_in_its_environment() {
        let executor = tempfile::tempdir().unwrap();
        let step = |id: &str, environment: &str| {
            std::fs::create_dir(executor.path().join(id)).unwrap();
            std::fs::write(executor.path().join(id).join("config.json"), environment).unwrap();
        };
        let (ours, theirs) = (Mark::of("a1", b"FROM x").unwrap(), Mark::of("b2", b"FROM x").unwrap());
        let mut args = HashMap::from([("NO_PROXY".to_owned(), "localhost".to_owned())]);
        ours.put_into(&mut args);
        assert!(args["NO_PROXY"].starts_with("localhost,a1.") && args["no_proxy"].starts_with("a1."), "{args:?}");
        step("one", &serde_json::json!({ "env": [format!("NO_PROXY={}", args["NO_PROXY"])] }).to_string());
        step("two", &theirs.0);
        step("three", "{}");
        let of = |mark: Option<&Mark>, id: &str| is_of(mark, executor.path(), id);
        assert_eq!(["one", "two", "three", "gone"].map(|id| of(Some(&ours), id)), [true, false, true, true]);
        assert_eq!(["one", "two", "three", "gone"].map(|id| of(None, id)), [false, false, true, true]);
    }

    #[test]
    fn a_dockerfile_that_takes_the_variable_itself_is_left_alone() {
        assert_eq!(Mark::of("a1", b"FROM x\nARG no_proxy\n"), None);
    }
}
