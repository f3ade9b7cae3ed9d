//! Versions of add-ons: what a step from one to another means for the files, and how a version that was chosen here stays.

use boathouse_types::{Identifier, ImageRef};

use super::model::Upgraded;
use super::{Component, Origin, Stack};

/// What a step from one version to another means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The new one opens the files of the old one.
    SameFiles,
    /// It cannot: the data is dumped, and restored into a new volume.
    Migrates,
    /// An older server cannot read what a newer one wrote.
    Back,
}

/// Why `next` cannot follow `live`: each add-on that would start on files of another major version.
pub fn refusals(live: &Stack, next: &Stack) -> Vec<String> {
    next.addons
        .iter()
        .filter_map(|addon| refusal(live.addons.iter().find(|one| one.identifier == addon.identifier)?, addon))
        .collect()
}

fn refusal(live: &Component, next: &Component) -> Option<String> {
    let is_kept = next.volumes.iter().any(|volume| live.volumes.iter().any(|one| one.identifier == volume.identifier));
    let (from, to) = (version(live)?, version(next)?);
    let same_server = from.0 == to.0;
    if !next.major_migrates || !is_kept || !same_server || from.1 == to.1 {
        return None;
    }
    Some(format!(
        "\"{}\" runs {} {} and would become {}: its files are of another format, and {} {} would refuse them or destroy them",
        next.identifier, next.name, from.1, to.1, next.name, to.1
    ))
}

/// Repository and major version of the image.
fn version(part: &Component) -> Option<(&str, u32)> {
    let (repository, tag) = image(part)?;
    Some((repository, *numbers(tag).first()?))
}

/// Repository and tag of its image.
pub fn image(part: &Component) -> Option<(&str, &str)> {
    let Origin::Image { image } = &part.origin else { return None };
    split(image)
}

fn split(image: &ImageRef) -> Option<(&str, &str)> {
    let name = image.as_str().split_once('@').map_or(image.as_str(), |(name, _)| name);
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
}

/// `[17, 2]` of `v17.2-alpine`.
fn numbers(tag: &str) -> Vec<u32> {
    let text = tag.trim_start_matches('v');
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].split('.').map_while(|number| number.parse().ok()).collect()
}

/// What it means for the part to run that tag of its image.
pub fn step(part: &Component, to: &str) -> Step {
    let current = image(part).map(|(_, tag)| numbers(tag)).unwrap_or_default();
    match (current.first(), numbers(to).first()) {
        _ if part.volumes.is_empty() => Step::SameFiles,
        (Some(from), Some(to)) if to < from => Step::Back,
        (Some(from), Some(to)) if to > from && part.major_migrates => Step::Migrates,
        _ => Step::SameFiles,
    }
}

/// Whether that tag is surely older than the one that the part runs: `17.1` after `17.2`; `17` may be anything.
pub fn is_older(part: &Component, to: &str) -> bool {
    let current = image(part).map(|(_, tag)| numbers(tag)).unwrap_or_default();
    numbers(to).iter().zip(&current).find(|(to, from)| to != from).is_some_and(|(to, from)| to < from)
}

/// Makes the part run that image, with its data in those volumes: (volume of now, volume from then on).
pub fn change(part: &mut Component, to: ImageRef, volumes: &[(Identifier, Identifier)]) {
    let Origin::Image { image } = &mut part.origin else { return };
    let before = std::mem::replace(image, to);
    let upgraded = part.upgraded.get_or_insert_with(|| Upgraded { from: before, volumes: Default::default() });
    for (now, then) in volumes {
        for volume in part.volumes.iter_mut().filter(|volume| volume.identifier == *now) {
            volume.identifier = then.clone();
        }
        let of_manifest = upgraded.volumes.iter().find(|(_, current)| *current == now).map(|(name, _)| name.clone());
        upgraded.volumes.insert(of_manifest.unwrap_or_else(|| now.clone()), then.clone());
    }
}

/// Makes the part run a newer image. Another tag stays from then on, until the manifest names another one; the same tag is asked for
/// anew by each release that takes its source anew.
pub fn renew(part: &mut Component, to: ImageRef) {
    let Origin::Image { image } = &mut part.origin else { return };
    let before = std::mem::replace(image, to.clone());
    if before.parts().tag != to.parts().tag {
        part.upgraded.get_or_insert_with(|| Upgraded { from: before, volumes: Default::default() });
    }
}

/// A component that got a newer tag keeps it until the manifest names another image than the one that was renewed. Says what it kept.
pub fn keep_images(live: &Stack, next: &mut Stack) -> Vec<String> {
    let mut said = Vec::new();
    for part in &mut next.components {
        let Some(now) = live.components.iter().find(|one| one.identifier == part.identifier) else { continue };
        let (Some(upgraded), Origin::Image { image: current }) = (&now.upgraded, &now.origin) else { continue };
        let Origin::Image { image } = &mut part.origin else { continue };
        if *image == upgraded.from && image != current {
            said.push(format!(
                "{} stays at {current}, which its watch found; the manifest says {image}: write the newer tag there",
                part.identifier
            ));
            *image = current.clone();
            part.upgraded = Some(upgraded.clone());
        }
    }
    said
}

/// The version of an add-on is the deployment's: what was upgraded stays so, whatever release comes, until the manifest names
/// another version than the one that was upgraded. `next` may come from another deployment, upgraded otherwise there. Says
/// what it kept.
pub fn keep(live: &Stack, next: &mut Stack) -> Vec<String> {
    let mut said = Vec::new();
    for part in &mut next.addons {
        undo(part);
        let Some(now) = live.addons.iter().find(|one| one.identifier == part.identifier) else { continue };
        let Some(upgraded) = now.upgraded.clone() else { continue };
        if image(now).map(|(name, _)| name) != image(part).map(|(name, _)| name) {
            continue;
        }
        let (Origin::Image { image }, Origin::Image { image: current }) = (&mut part.origin, &now.origin) else {
            continue;
        };
        for volume in &mut part.volumes {
            if let Some(since) = upgraded.volumes.get(&volume.identifier) {
                volume.identifier = since.clone();
            }
        }
        if *image == upgraded.from && image != current {
            let (named, runs) = (split(image).map_or("", |(_, tag)| tag), split(current).map_or("", |(_, tag)| tag));
            said.push(format!(
                "{} stays at {runs}, to which it was upgraded here; the manifest says {named}: write {runs} there",
                part.identifier
            ));
        }
        let of_manifest = image.clone();
        if of_manifest == upgraded.from {
            *image = current.clone();
        }
        part.upgraded = Some(Upgraded { from: of_manifest, volumes: upgraded.volumes });
    }
    said
}

/// A return to an earlier release is one of the code: an add-on whose files are of another major version by now keeps its own.
pub fn follow(live: &Stack, next: &mut Stack) {
    for part in &mut next.addons {
        let Some(now) = live.addons.iter().find(|one| one.identifier == part.identifier) else { continue };
        let (Origin::Image { image: named }, true) = (part.origin.clone(), refusal(now, part).is_some()) else {
            continue;
        };
        part.origin = now.origin.clone();
        let volumes = part.upgraded.take().map(|upgraded| upgraded.volumes).unwrap_or_default();
        part.upgraded = Some(Upgraded { from: named, volumes });
    }
}

/// As the manifest has it.
fn undo(part: &mut Component) {
    let Some(upgraded) = part.upgraded.take() else { return };
    for volume in &mut part.volumes {
        if let Some((of_manifest, _)) = upgraded.volumes.iter().find(|(_, since)| **since == volume.identifier) {
            volume.identifier = of_manifest.clone();
        }
    }
    part.origin = Origin::Image { image: upgraded.from };
}

/// Volumes of an add-on whose data goes to another one: before → after, by the place where they are mounted.
pub fn moved<'a>(
    before: &'a Component,
    after: &'a Component,
) -> impl Iterator<Item = (&'a super::Volume, &'a super::Volume)> {
    before.volumes.iter().filter_map(|old| {
        let new = after.volumes.iter().find(|new| new.path == old.path && new.identifier != old.identifier)?;
        Some((old, new))
    })
}

/// Whether the part writes to the add-on, as far as its manifest tells.
pub fn uses(part: &Component, addon: &Identifier) -> bool {
    let imports = part.imports.iter().chain(&part.development.imports);
    part.depends_on.contains(addon) || imports.into_iter().any(|import| import.part().matches(addon.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Volume;

    fn with(image: &str, migrates: bool) -> Stack {
        let mut addon = Component::new("db".parse().unwrap(), Origin::Image { image: image.parse().unwrap() });
        addon.major_migrates = migrates;
        addon.volumes = vec![Volume::new("db-data".parse().unwrap(), "/data".into())];
        Stack { name: None, components: Vec::new(), addons: vec![addon], sleep: None, backup: None }
    }

    fn runs(stack: &Stack) -> (String, String) {
        let Origin::Image { image } = &stack.addons[0].origin else { panic!() };
        (image.to_string(), stack.addons[0].volumes[0].identifier.to_string())
    }

    fn pair(image: &str, volume: &str) -> (String, String) {
        (image.to_owned(), volume.to_owned())
    }

    #[test]
    fn only_another_major_on_the_same_files_is_refused() {
        for (from, to, migrates, refused) in [
            ("postgres:15", "postgres:17", true, true),
            ("postgres:17", "postgres:15", true, true),
            ("postgres:15.2", "postgres:15.20", true, false),
            ("postgres:15", "postgres:15-alpine", true, false),
            ("redis:7", "redis:8", false, false),
            ("postgres:15", "other/postgres:17", true, false),
            ("postgres:latest", "postgres:17", true, false),
            ("r:5000/postgres:15", "r:5000/postgres:16", true, true),
        ] {
            let found = refusals(&with(from, migrates), &with(to, migrates));
            assert_eq!(!found.is_empty(), refused, "{from} to {to}: {found:?}");
        }
        let mut elsewhere = with("postgres:17", true);
        elsewhere.addons[0].volumes[0].identifier = "db17-data".parse().unwrap();
        assert!(refusals(&with("postgres:15", true), &elsewhere).is_empty(), "other files are no matter");
    }

    #[test]
    fn a_step_is_on_the_same_files_or_moves_them_or_is_none() {
        for (from, migrates, to, expected, older) in [
            ("postgres:15", true, "16", Step::Migrates, false),
            ("postgres:15.4", true, "15.2", Step::SameFiles, true),
            ("postgres:15.4", true, "15.10", Step::SameFiles, false),
            ("postgres:15.4", true, "15", Step::SameFiles, false),
            ("postgres:16", true, "15", Step::Back, true),
            ("redis:7", false, "8", Step::SameFiles, false),
            ("redis:8", false, "7", Step::Back, true),
            ("mariadb:11.8", false, "11.4", Step::SameFiles, true),
            ("nats:2-alpine", false, "2.11-alpine", Step::SameFiles, false),
            ("a:latest", true, "7", Step::SameFiles, false),
        ] {
            let stack = with(from, migrates);
            assert_eq!(step(&stack.addons[0], to), expected, "{from} to {to}");
            assert_eq!(is_older(&stack.addons[0], to), older, "{from} to {to}");
        }
        let mut without_files = with("redis:8", false);
        without_files.addons[0].volumes.clear();
        assert_eq!(step(&without_files.addons[0], "7"), Step::SameFiles);
    }

    #[test]
    fn what_was_upgraded_stays_so_until_the_manifest_names_another_version() {
        let mut live = with("postgres:15", true);
        let data = |name: &str| name.parse::<Identifier>().unwrap();
        change(&mut live.addons[0], "postgres:16".parse().unwrap(), &[(data("db-data"), data("db-data-16"))]);
        assert_eq!(runs(&live), pair("postgres:16", "db-data-16"));
        change(&mut live.addons[0], "postgres:17".parse().unwrap(), &[(data("db-data-16"), data("db-data-17"))]);
        for (manifest, image, said) in [
            ("postgres:15", "postgres:17", 1),
            ("postgres:17", "postgres:17", 0),
            ("postgres:17.4", "postgres:17.4", 0),
        ] {
            let mut next = with(manifest, true);
            assert_eq!(keep(&live, &mut next).len(), said, "{manifest}");
            assert_eq!(runs(&next), pair(image, "db-data-17"), "{manifest}");
            assert!(refusals(&live, &next).is_empty());
            // And so does the release after it, also one that repeats it.
            let mut again = next.clone();
            keep(&next, &mut again);
            assert_eq!(runs(&again), pair(image, "db-data-17"), "{manifest}");
        }
        let mut further = with("postgres:18", true);
        keep(&live, &mut further);
        assert_eq!(refusals(&live, &further).len(), 1, "another major still has to be moved");
        // A release from before, and one of a deployment that was never upgraded.
        let mut before = with("postgres:15", true);
        keep(&live, &mut before);
        assert_eq!(runs(&before), pair("postgres:17", "db-data-17"));
        let mut elsewhere = live.clone();
        keep(&with("postgres:15", true), &mut elsewhere);
        assert_eq!(runs(&elsewhere), pair("postgres:15", "db-data"));
        let mut other = with("other/postgres:15", true);
        keep(&live, &mut other);
        assert_eq!(runs(&other), pair("other/postgres:15", "db-data"), "another server has its own files");
    }

    #[test]
    fn a_newer_tag_stays_until_the_manifest_names_another_and_the_same_tag_is_asked_for_anew() {
        let stack = |image: &str| crate::stack::default::of_image(image.parse().unwrap());
        let hash = format!("sha256:{}", "0".repeat(64));
        let mut live = stack("shop:1.2");
        renew(&mut live.components[0], format!("shop:1.2@{hash}").parse().unwrap());
        let mut next = stack("shop:1.2");
        assert!(keep_images(&live, &mut next).is_empty());
        assert_eq!(next, stack("shop:1.2"));
        renew(&mut live.components[0], format!("shop:1.3@{hash}").parse().unwrap());
        renew(&mut live.components[0], format!("shop:1.4@{hash}").parse().unwrap());
        // The first one was pinned when the second came, and is what the manifest is compared with.
        assert_eq!(live.components[0].upgraded.as_ref().unwrap().from.parts().tag, Some("1.2"));
        let mut live = stack("shop:1.2");
        renew(&mut live.components[0], format!("shop:1.3@{hash}").parse().unwrap());
        let mut next = stack("shop:1.2");
        assert_eq!(keep_images(&live, &mut next).len(), 1);
        assert_eq!(next, live);
        let mut other = stack("shop:1.5");
        assert!(keep_images(&live, &mut other).is_empty());
        assert_eq!(other, stack("shop:1.5"));
    }
}
