//! The stack of a source without a manifest, from the names of the files that it has.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildOwnLimits, Component, Files, HostSpec, Origin, Stack};
use crate::error::{Result, invalid};

/// The only component's identifier.
const WEB: &str = "web";
/// Where a ready site is looked for.
pub const SITE_FOLDERS: [&str; 3] = [".", "public", "dist"];

/// What a source without a manifest is: a Dockerfile is built, a site is served.
///
/// `has` tells whether the source has a regular file of that relative path.
pub fn without_manifest(has: impl Fn(&str) -> bool) -> Result<Stack> {
    if has("Dockerfile") {
        let origin = Origin::Build {
            folder: ".".into(),
            dockerfile: "Dockerfile".into(),
            target: None,
            args: BTreeMap::new(),
            secrets: BTreeSet::new(),
            no_cache: false,
            limits: BuildOwnLimits::default(),
        };
        return Ok(of_one(origin, None));
    }
    for folder in SITE_FOLDERS {
        let index = if folder == "." { "index.html".to_owned() } else { format!("{folder}/index.html") };
        if has(&index) {
            let files = Files { path: folder.into(), spa: false };
            return Ok(of_one(Origin::Folder { folder: ".".into() }, Some(files)));
        }
    }
    Err(invalid("there is neither a boathouse.yaml nor a Dockerfile nor an index.html in the source's folder")
        .hint("Add a Dockerfile or a boathouse.yaml, or set the project's folder to where they are."))
}

/// The stack of a ready image.
pub fn of_image(image: boathouse_types::ImageRef) -> Stack {
    of_one(Origin::Image { image }, None)
}

fn of_one(origin: Origin, files: Option<Files>) -> Stack {
    let identifier: boathouse_types::Identifier = WEB.parse().expect("`web` is an identifier");
    let component = Component {
        name: "Web".into(),
        files,
        hosts: vec![HostSpec::of(&identifier)],
        ..Component::new(identifier, origin)
    };
    Stack { name: None, components: vec![component], addons: Vec::new(), sleep: None, backup: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_comes_before_a_site_and_nothing_is_an_error() {
        let stack = without_manifest(|path| ["Dockerfile", "index.html"].contains(&path)).unwrap();
        assert!(matches!(stack.components[0].origin, Origin::Build { .. }) && stack.components[0].files.is_none());
        for (file, folder) in [("index.html", "."), ("public/index.html", "public"), ("dist/index.html", "dist")] {
            let stack = without_manifest(|path| path == file).unwrap();
            assert_eq!(stack.components[0].files.as_ref().unwrap().path, folder);
        }
        assert!(without_manifest(|_| false).unwrap_err().message.contains("neither"));
    }
}
