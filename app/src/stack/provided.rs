//! Files that packages bring for builds: used where the folder has no Dockerfile of its own.

use super::{Component, Origin, Stack};

/// A file that is put into the source before the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidedFile {
    /// Folder inside the source.
    pub folder: String,
    /// Its name there.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// Lets a folder's own Dockerfile win, and tells which files the packages give to the others.
///
/// `has` tells whether the source has a regular file of that relative path. A folder with a Dockerfile of its own is a container,
/// whatever the package would have made of it.
pub fn settle(stack: &mut Stack, has: impl Fn(&str) -> bool) -> Vec<ProvidedFile> {
    let mut files = Vec::new();
    for part in stack.components.iter_mut().chain(&mut stack.addons) {
        let Origin::Build { folder, dockerfile, .. } = &part.origin else { continue };
        let folder = folder.clone();
        let inside = |name: &str| if folder == "." { name.to_owned() } else { format!("{folder}/{name}") };
        if has(&inside(dockerfile)) {
            give_back(part);
        }
        let Some(provided) = &part.provided else { continue };
        let production = ("Dockerfile", Some(&provided.production));
        let others = [("Dockerfile.dev", provided.development.as_ref()), (".dockerignore", provided.ignore.as_ref())];
        for (name, text) in [production].into_iter().chain(others) {
            if let Some(text) = text.filter(|_| !has(&inside(name))) {
                files.push(ProvidedFile { folder: folder.clone(), name, text: text.clone() });
            }
        }
    }
    files
}

fn give_back(part: &mut Component) {
    if part.provided.take().is_some_and(|provided| provided.files) {
        part.files = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::package::tests::{n8n, vite};
    use super::super::{read_manifest, resolve};
    use super::*;

    #[test]
    fn a_dockerfile_of_its_own_wins() {
        let text = "components:\n  - {identifier: a, package: n8n}\n  - {identifier: b, package: vite, folder: /}\n  - {identifier: postgres, image: x}\n";
        let packages = |url: &super::super::PackageUrl| match url.to_string().as_str() {
            "n8n" => Some(n8n()),
            "vite" => Some(vite()),
            _ => None,
        };
        let stack = resolve(&read_manifest("m", text).unwrap(), &packages).unwrap();
        let mut without = stack.clone();
        let files = settle(&mut without, |_| false);
        let names: Vec<String> = files.iter().map(|file| format!("{}/{}", file.folder, file.name)).collect();
        assert_eq!(names, ["a/Dockerfile", "./Dockerfile", "./Dockerfile.dev", "./.dockerignore"]);
        assert_eq!(without, stack);
        let mut own = stack;
        let files = settle(&mut own, |path| ["Dockerfile", "a/.dockerignore"].contains(&path));
        assert_eq!(files.iter().map(|file| file.name).collect::<Vec<_>>(), ["Dockerfile"]);
        assert!(own.components[1].provided.is_none() && own.components[1].files.is_none());
        assert!(own.components[0].provided.is_some());
    }
}
