//! Watch paths: whether what changed in a repository concerns a deployment. Patterns are relative to the manifest's folder, those
//! that begin with `/` to the repository's root; one without a wildcard is a file or a folder with all that is below it.

use boathouse_types::Glob;
use globset::{GlobBuilder, GlobMatcher};

use super::Manifest;
use super::package_url::Location;

/// What a deployment watches.
#[derive(Debug, Clone)]
pub enum Watched {
    /// Every change counts; why, in words.
    Everything(String),
    /// These patterns.
    Paths(Watch),
}

/// Patterns, ready to be asked.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The manifest's folder in the repository, with a slash at its end; empty for the root.
    folder: String,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    excepts: bool,
    from_root: bool,
    itself: GlobMatcher,
    below: GlobMatcher,
}

/// Why a text is no pattern; reads after `watch: `.
pub fn check(text: &str) -> Result<(), String> {
    text.parse::<Glob>().map_err(|why| why.to_string())?;
    Pattern::of(text).map(drop)
}

/// What the manifest says: the `watch` of each component, else its folder; always the manifest itself.
pub fn of_manifest(manifest: &Manifest, folder: &str) -> Watched {
    let mut globs = vec![manifest.file.clone()];
    for part in manifest.parts() {
        if let Some((package, _)) = &part.package
            && let Location::Folder(folder) = package.location()
        {
            if folder == "." {
                return Watched::Everything(format!("the package of \"{}\" is the repository's root", part.identifier));
            }
            globs.push(folder.clone());
        }
        let is_component = manifest.components.iter().any(|component| component.identifier == part.identifier);
        match (&part.watch, &part.image) {
            (Some(watch), _) => globs.extend(watch.iter().map(ToString::to_string)),
            (None, None) if is_component => match part.folder.as_deref() {
                Some(".") => {
                    return Watched::Everything(format!(
                        "\"{}\" is made from the repository's root and has no watch paths",
                        part.identifier
                    ));
                }
                Some(folder) => globs.push(folder.to_owned()),
                None => globs.push(part.identifier.to_string()),
            },
            (None, _) => {}
        }
    }
    of_texts(&globs, folder)
}

/// The patterns of a deployment in place of the manifest's; the manifest itself counts all the same.
pub fn of_globs(globs: &[Glob], folder: &str) -> Watched {
    let named = super::FILE_NAMES.iter().map(|name| (*name).to_owned());
    of_texts(&globs.iter().map(ToString::to_string).chain(named).collect::<Vec<_>>(), folder)
}

fn of_texts(texts: &[String], folder: &str) -> Watched {
    let folder = folder.trim_matches('/');
    let folder = if folder.is_empty() || folder == "." { String::new() } else { format!("{folder}/") };
    match texts.iter().map(|text| Pattern::of(text)).collect::<Result<Vec<_>, _>>() {
        Ok(patterns) => Watched::Paths(Watch { folder, patterns }),
        Err(problem) => Watched::Everything(format!("a watch path cannot be used: {problem}")),
    }
}

impl Pattern {
    fn of(text: &str) -> Result<Self, String> {
        let (excepts, inner) = text.strip_prefix('!').map_or((false, text), |inner| (true, inner));
        let from_root = inner.starts_with('/');
        let inner = inner.trim_matches('/');
        let inner = inner.strip_prefix("./").unwrap_or(inner);
        let matcher = |text: &str| {
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())
        };
        let below = matcher(&format!("{inner}/**"))?;
        Ok(Self { text: text.to_owned(), excepts, from_root, itself: matcher(inner)?, below })
    }

    fn matches(&self, path: &str, inner: Option<&str>) -> bool {
        let path = if self.from_root { Some(path) } else { inner };
        path.is_some_and(|path| self.itself.is_match(path) || self.below.is_match(path))
    }
}

impl Watch {
    /// The first of these paths of the repository that counts, and the pattern that says so. What an exception matches counts
    /// nowhere; where there are only exceptions, all else counts.
    pub fn first<'a>(&'a self, paths: &'a [String]) -> Option<(&'a str, &'a str)> {
        paths.iter().find_map(|path| Some((path.as_str(), self.of(path)?)))
    }

    fn of(&self, path: &str) -> Option<&str> {
        let inner = path.strip_prefix(&self.folder);
        let mut hits = self.patterns.iter().filter(|pattern| pattern.matches(path, inner));
        if hits.clone().any(|pattern| pattern.excepts) {
            return None;
        }
        hits.next().map(|pattern| pattern.text.as_str())
    }

    /// The patterns, for people.
    pub fn words(&self) -> String {
        let shown: Vec<String> = self.patterns.iter().map(|pattern| format!("`{}`", pattern.text)).collect();
        shown.join(", ")
    }
}

/// Whether a tag's name is of a pattern; here `*` stands for anything.
pub fn tag_matches(pattern: &Glob, tag: &str) -> bool {
    GlobBuilder::new(pattern.as_str()).build().is_ok_and(|glob| glob.compile_matcher().is_match(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(manifest: &str, folder: &str) -> Watched {
        of_manifest(&crate::stack::read_manifest("boathouse.yaml", manifest).unwrap(), folder)
    }

    fn first(watched: &Watched, paths: &[&str]) -> Option<String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        match watched {
            Watched::Everything(_) => Some("everything".to_owned()),
            Watched::Paths(watch) => watch.first(&paths).map(|(path, pattern)| format!("{path} by {pattern}")),
        }
    }

    #[test]
    fn a_component_watches_its_folder_and_everybody_the_manifest() {
        let two = "components:\n  - identifier: web\n  - identifier: api\n    folder: services/api\naddons:\n  - identifier: db\n    image: postgres:17\n";
        let watched = watch(two, "");
        for (path, expected) in [
            ("web/a/b.js", Some("web/a/b.js by web")),
            ("services/api/x", Some("services/api/x by services/api")),
            ("boathouse.yaml", Some("boathouse.yaml by boathouse.yaml")),
            ("webs/a", None),
            ("docs/web/a", None),
            ("services/other/x", None),
            ("db/x", None),
        ] {
            assert_eq!(first(&watched, &[path]).as_deref(), expected, "{path}");
        }
        assert_eq!(first(&watched, &["a", "b", "web/c"]).as_deref(), Some("web/c by web"), "any of the paths");
        let root = "components:\n  - identifier: web\n    folder: /\n  - identifier: api\n";
        assert_eq!(first(&watch(root, ""), &["README.md"]).as_deref(), Some("everything"));
        let packaged = "components:\n  - identifier: web\n    package: ./packages/web\n";
        assert_eq!(first(&watch(packaged, ""), &["packages/web/x"]).as_deref(), Some("packages/web/x by packages/web"));
    }

    #[test]
    fn written_watch_paths_win_and_exceptions_win_over_them() {
        let written = "components:\n  - identifier: web\n    folder: /\n    watch: [\"src/**\", \"*.json\", \"!**/*.md\", /shared]\n";
        let watched = watch(written, "");
        for (path, counts) in [
            ("src/a.js", true),
            ("src/deep/er.js", true),
            ("src/README.md", false),
            ("package.json", true),
            ("docs/a.json", false),
            ("shared/x", true),
        ] {
            assert_eq!(first(&watched, &[path]).is_some(), counts, "{path}");
        }
        // The project is a folder of the repository.
        let inner = watch(written, "apps/shop");
        for (path, counts) in [
            ("src/a.js", false),
            ("apps/shop/src/a.js", true),
            ("apps/shop/boathouse.yaml", true),
            ("boathouse.yaml", false),
            ("shared/x", true),
            ("apps/shop/shared/x", false),
        ] {
            assert_eq!(first(&inner, &[path]).is_some(), counts, "{path}");
        }
    }

    #[test]
    fn a_deployments_own_paths_and_tags() {
        let globs: Vec<Glob> = ["api/**"].map(|text| text.parse().unwrap()).to_vec();
        let watched = of_globs(&globs, "");
        assert!(first(&watched, &["api/x"]).is_some() && first(&watched, &["diploi.yaml"]).is_some());
        assert!(first(&watched, &["web/x"]).is_none());
        for (pattern, tag, is) in [
            ("v*", "v1.2.3", true),
            ("v*", "release/v1", false),
            ("release/*", "release/v1", true),
            ("v[0-9].*", "vx.1", false),
            ("{a,b}", "b", true),
        ] {
            assert_eq!(tag_matches(&pattern.parse().unwrap(), tag), is, "{pattern} {tag}");
        }
        for bad in ["[a", "{a", "", "../x", "a\\b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
