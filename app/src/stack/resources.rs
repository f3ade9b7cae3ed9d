//! Limits and numbers of containers that a deployment has of its own, in the place of the manifest's.

use std::collections::BTreeMap;

use boathouse_types::Identifier;

use super::{Component, Resources, Stack};

/// The deployment's own limits, by part.
pub type Own = BTreeMap<Identifier, Resources>;

/// What the manifest says of the part, whatever it has now.
pub fn of_manifest(part: &Component) -> Resources {
    part.resources_of_manifest.unwrap_or(part.resources)
}

/// Why a part has one container, whatever is wanted; none where it can have several.
pub fn single(part: &Component, addon: bool) -> Option<String> {
    if addon {
        return Some("an add-on keeps its data by itself, and two do not know of each other".to_owned());
    }
    if part.files.is_some() {
        return Some("it is files that are served, without a container".to_owned());
    }
    let volume = &part.unshared()?.identifier;
    Some(format!(
        "they would write to the volume \"{volume}\" at the same time, which breaks the files of most programs (a SQLite database, say); where yours can do that, say `shared: true` at the volume"
    ))
}

/// Gives each part the deployment's own limits where it has any, else those of the manifest. `stack` may come from another
/// deployment, with that one's limits. Says which of its own mean nothing now: they are kept.
pub fn fit(stack: &mut Stack, own: &Own) -> Vec<String> {
    let mut said = Vec::new();
    let parts = stack.addons.iter_mut().map(|part| (part, true));
    for (part, addon) in parts.chain(stack.components.iter_mut().map(|part| (part, false))) {
        let manifest = of_manifest(part);
        let own = own.get(&part.identifier).filter(|_| part.files.is_none());
        part.resources = own.map_or(manifest, |own| own.or(manifest));
        part.resources_of_manifest = own.map(|_| manifest);
        if part.resources.count() > 1
            && let Some(why) = single(part, addon)
        {
            said.push(format!("{} has one container instead of {}: {why}", part.identifier, part.resources.count()));
            part.resources.replicas = None;
        }
    }
    said.extend(own.keys().filter_map(|identifier| stray(stack, identifier)));
    said
}

fn stray(stack: &Stack, identifier: &Identifier) -> Option<String> {
    let why = match stack.find(identifier) {
        None => "the stack has no such part",
        Some(part) if part.files.is_some() => "it is served as files and has no container",
        Some(_) => return None,
    };
    Some(format!("the limits of {identifier} are kept and mean nothing now: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Files, Origin, Volume};

    fn part(name: &str, memory: Option<u64>, cpus: Option<u32>) -> Component {
        let mut part = Component::new(name.parse().unwrap(), Origin::Folder { folder: ".".into() });
        part.resources = Resources { memory_bytes: memory, cpu_millis: cpus, replicas: None };
        part
    }

    fn own(all: &[(&str, Option<u64>, Option<u32>)]) -> Own {
        let one = |(name, memory, cpus): &(&str, Option<u64>, Option<u32>)| {
            (name.parse().unwrap(), Resources { memory_bytes: *memory, cpu_millis: *cpus, replicas: None })
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn own_limits_win_one_by_one_and_what_the_manifest_says_comes_back() {
        let manifest = Stack {
            name: None,
            components: vec![part("web", Some(100), Some(500)), part("api", None, None)],
            addons: vec![part("db", Some(7), None)],
            sleep: None,
            backup: None,
        };
        let mut stack = manifest.clone();
        assert!(fit(&mut stack, &own(&[("web", Some(200), None), ("db", None, Some(9))])).is_empty());
        let limits = |stack: &Stack| stack.in_start_order().map(|part| part.resources).collect::<Vec<_>>();
        let of = |memory_bytes, cpu_millis| Resources { memory_bytes, cpu_millis, replicas: None };
        assert_eq!(limits(&stack), [of(Some(7), Some(9)), of(Some(200), Some(500)), of(None, None)]);
        // Another deployment's, then again: the manifest is what they are laid over, not each other.
        fit(&mut stack, &own(&[("api", Some(5), None)]));
        assert_eq!(limits(&stack), [of(Some(7), None), of(Some(100), Some(500)), of(Some(5), None)]);
        fit(&mut stack, &Own::new());
        assert_eq!(stack, manifest);
    }

    #[test]
    fn a_number_of_containers_counts_where_they_can_be_several() {
        let volume = |shared| Volume { shared, ..Volume::new("data".parse().unwrap(), "/data".into()) };
        let with = |name: &str, volumes| Component { volumes, ..part(name, None, None) };
        let wanted = |count| Resources { replicas: Some(count), ..Resources::default() };
        let mut web = part("web", None, None);
        web.resources = wanted(2);
        let mut stack = Stack {
            name: None,
            sleep: None,
            backup: None,
            components: vec![web, with("shop", vec![volume(true)]), with("blog", vec![volume(false)])],
            addons: vec![part("db", None, None)],
        };
        let names = ["web", "shop", "blog", "db"];
        let own: Own = names.iter().map(|name| (name.parse().unwrap(), wanted(3))).collect();
        let said = fit(&mut stack, &own);
        let counts: Vec<u32> = stack.components.iter().chain(&stack.addons).map(|one| one.resources.count()).collect();
        assert_eq!(counts, [3, 3, 1, 1]);
        assert!(
            said.len() == 2 && said[0].starts_with("db has one") && said[1].contains("volume \"data\""),
            "{said:?}"
        );
        fit(&mut stack, &Own::new());
        assert_eq!(stack.components[0].resources, wanted(2), "what the manifest says comes back");
    }

    #[test]
    fn what_has_no_container_is_told() {
        let mut files = part("docs", None, None);
        files.files = Some(Files { path: ".".into(), spa: false });
        let mut stack = Stack { name: None, components: vec![files], addons: Vec::new(), sleep: None, backup: None };
        let said = fit(&mut stack, &own(&[("docs", Some(1), None), ("worker", Some(1), None)]));
        assert!(said[0].contains("docs") && said[0].contains("files"), "{said:?}");
        assert!(said[1].contains("worker") && said[1].contains("no such part"), "{said:?}");
        assert!(stack.components[0].resources.is_empty());
    }
}
