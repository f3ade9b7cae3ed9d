//! Variables that read each other in a circle have no value. A variable that reads its own name reads what it stands for:
//! the import or the package's value below it.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{EnvKey, Identifier};

use super::links::{Links, PartLinks, place_of, references};
use super::manifest::Manifest;
use super::problem::Problems;
use super::yaml::Place;

/// So many variables may read each other in a row.
pub const MAX_DEPTH: usize = 100;

/// A variable as a part itself defines it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Own {
    part: Identifier,
    key: EnvKey,
    level: Level,
}

/// Who defines it; the later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Package,
    Import,
    Manifest,
}

/// Notes each circle once, at the place of one of its variables.
pub fn check(manifest: &Manifest, links: &Links<'_>, problems: &mut Problems) {
    let mut walk = Walk { links, done: BTreeSet::new(), path: Vec::new(), found: BTreeMap::new(), too_deep: None };
    for part in manifest.parts() {
        let Some(own) = links.part(&part.identifier) else { continue };
        let statics = own.statics.keys().map(|key| (*key, Level::Manifest));
        let parameters = own.parameters.keys().map(|key| (*key, Level::Package));
        for (key, level) in statics.chain(parameters) {
            walk.visit(Own { part: part.identifier.clone(), key: key.clone(), level });
        }
    }
    let place = |own: &Own| place_of(manifest, &own.part, &own.key).unwrap_or(Place::START);
    if let Some(own) = &walk.too_deep {
        problems.add(
            place(own),
            format!("more than {MAX_DEPTH} variables read each other in a row, up to {}.{}", own.part, own.key),
        );
    }
    for (circle, names) in walk.found {
        let place = circle.first().map_or(Place::START, place);
        problems.add(place, format!("variables read each other in a circle: {names}"));
    }
}

struct Walk<'a> {
    links: &'a Links<'a>,
    done: BTreeSet<Own>,
    path: Vec<Own>,
    found: BTreeMap<Vec<Own>, String>,
    too_deep: Option<Own>,
}

impl Walk<'_> {
    fn visit(&mut self, own: Own) {
        if let Some(at) = self.path.iter().position(|other| *other == own) {
            let names = self.path[at..].iter().chain([&own]).map(|own| format!("{}.{}", own.part, own.key));
            let names = names.collect::<Vec<_>>().join(" → ");
            let mut circle = self.path[at..].to_vec();
            circle.sort();
            self.found.entry(circle).or_insert(names);
            return;
        }
        if self.done.contains(&own) {
            return;
        }
        if self.path.len() == MAX_DEPTH {
            self.too_deep = Some(own);
            return;
        }
        self.path.push(own.clone());
        for next in self.reads(&own) {
            self.visit(next);
        }
        self.path.pop();
        self.done.insert(own);
    }

    fn reads(&self, own: &Own) -> Vec<Own> {
        let Some(part) = self.links.part(&own.part) else { return Vec::new() };
        let value = match own.level {
            Level::Manifest => part.statics.get(&own.key).copied(),
            _ => part.parameters.get(&own.key).map(|parameter| parameter.value.as_str()),
        };
        let keys = value.map(references).unwrap_or_default();
        keys.into_iter().filter_map(|key| self.defined(part, &key, (key == own.key).then_some(own.level))).collect()
    }

    /// Who defines a variable of a part, below a level where one is given.
    fn defined(&self, part: &PartLinks<'_>, key: &EnvKey, below: Option<Level>) -> Option<Own> {
        let may = |level: Level| below.is_none_or(|below| level < below);
        let own = |level| Some(Own { part: part.part.identifier.clone(), key: key.clone(), level });
        if may(Level::Manifest) && part.statics.contains_key(key) {
            return own(Level::Manifest);
        }
        if may(Level::Import)
            && let Some((from, theirs)) = part.imports.get(key)
        {
            return self.exported(from, theirs);
        }
        if may(Level::Package) && part.parameters.contains_key(key) {
            return own(Level::Package);
        }
        None
    }

    fn exported(&self, from: &Identifier, key: &EnvKey) -> Option<Own> {
        let part = self.links.part(from)?;
        let level = if part.statics.contains_key(key) { Level::Manifest } else { Level::Package };
        (level == Level::Manifest || part.parameters.contains_key(key)).then(|| Own {
            part: from.clone(),
            key: key.clone(),
            level,
        })
    }
}
