//! Limits that a deployment has of its own, in the place of the manifest's.

use std::collections::BTreeMap;

use boathouse_types::Identifier;

use super::{Component, Resources, Stack};

/// The deployment's own limits, by part.
pub type Own = BTreeMap<Identifier, Resources>;

/// What the manifest says of the part, whatever it has now.
pub fn of_manifest(part: &Component) -> Resources {
    part.resources_of_manifest.unwrap_or(part.resources)
}

/// Gives each part the deployment's own limits where it has any, else those of the manifest. `stack` may come from another
/// deployment, with that one's limits. Says for which of its own there is no container: they are kept.
pub fn fit(stack: &mut Stack, own: &Own) -> Vec<String> {
    for part in stack.addons.iter_mut().chain(&mut stack.components) {
        let manifest = of_manifest(part);
        let own = own.get(&part.identifier).filter(|_| part.files.is_none());
        part.resources = own.map_or(manifest, |own| own.or(manifest));
        part.resources_of_manifest = own.map(|_| manifest);
    }
    own.keys().filter_map(|identifier| stray(stack, identifier)).collect()
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
    use crate::stack::{Files, Origin};

    fn part(name: &str, memory: Option<u64>, cpus: Option<u32>) -> Component {
        let mut part = Component::new(name.parse().unwrap(), Origin::Folder { folder: ".".into() });
        part.resources = Resources { memory_bytes: memory, cpu_millis: cpus };
        part
    }

    fn own(all: &[(&str, Option<u64>, Option<u32>)]) -> Own {
        let one = |(name, memory, cpus): &(&str, Option<u64>, Option<u32>)| {
            (name.parse().unwrap(), Resources { memory_bytes: *memory, cpu_millis: *cpus })
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
        };
        let mut stack = manifest.clone();
        assert!(fit(&mut stack, &own(&[("web", Some(200), None), ("db", None, Some(9))])).is_empty());
        let limits = |stack: &Stack| stack.in_start_order().map(|part| part.resources).collect::<Vec<_>>();
        let of = |memory_bytes, cpu_millis| Resources { memory_bytes, cpu_millis };
        assert_eq!(limits(&stack), [of(Some(7), Some(9)), of(Some(200), Some(500)), of(None, None)]);
        // Another deployment's, then again: the manifest is what they are laid over, not each other.
        fit(&mut stack, &own(&[("api", Some(5), None)]));
        assert_eq!(limits(&stack), [of(Some(7), None), of(Some(100), Some(500)), of(Some(5), None)]);
        fit(&mut stack, &Own::new());
        assert_eq!(stack, manifest);
    }

    #[test]
    fn what_has_no_container_is_told() {
        let mut files = part("docs", None, None);
        files.files = Some(Files { path: ".".into(), spa: false });
        let mut stack = Stack { name: None, components: vec![files], addons: Vec::new(), sleep: None };
        let said = fit(&mut stack, &own(&[("docs", Some(1), None), ("worker", Some(1), None)]));
        assert!(said[0].contains("docs") && said[0].contains("files"), "{said:?}");
        assert!(said[1].contains("worker") && said[1].contains("no such part"), "{said:?}");
        assert!(stack.components[0].resources.is_empty());
    }
}
