//! Versions of add-ons whose files only their own major version can read: another one is refused before anything is touched.

use super::{Component, Origin, Stack};

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
    let Origin::Image { image } = &part.origin else { return None };
    let name = image.as_str().split_once('@').map_or(image.as_str(), |(name, _)| name);
    let (repository, tag) = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let digits: String = tag.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
    Some((repository, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Volume;

    fn with(image: &str, migrates: bool) -> Stack {
        let mut addon = Component::new("db".parse().unwrap(), Origin::Image { image: image.parse().unwrap() });
        addon.major_migrates = migrates;
        addon.volumes = vec![Volume {
            code: false,
            identifier: "db-data".parse().unwrap(),
            path: "/data".into(),
            size_mib: None,
            uid: None,
            gid: None,
            stages: std::collections::BTreeSet::new(),
        }];
        Stack { name: None, components: Vec::new(), addons: vec![addon] }
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
}
