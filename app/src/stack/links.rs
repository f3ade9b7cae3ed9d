//! How the variables of a stack hang together: what each part exports, what it imports, and which variable reads which.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Identifier};

use super::import::Import;
use super::manifest::{Include, Manifest};
use super::nearest::nearest;
use super::package::Parameter;
use super::problem::Problems;
use super::template::Template;
use super::yaml::Place;
use super::{Component, HostSpec, Stack};

/// The address of a component's first host, besides the name that the host itself gives it.
pub const APP_ENDPOINT: &str = "APP_ENDPOINT";

/// The variables of all parts of a stack at one stage.
#[derive(Debug)]
pub struct Links<'a> {
    development: bool,
    parts: BTreeMap<&'a Identifier, PartLinks<'a>>,
}

/// A variable that is imported by its name and that is not there, because the exporter's package is not known.
#[derive(Debug)]
pub struct Unresolved<'a> {
    /// Who imports it.
    pub importer: &'a Component,
    /// What is imported.
    pub import: &'a Import,
    /// Who should have it.
    pub exporter: &'a Component,
}

/// The variables of one part, by where they come from.
#[derive(Debug)]
pub struct PartLinks<'a> {
    /// The part.
    pub part: &'a Component,
    /// Written in the manifest.
    pub statics: BTreeMap<&'a EnvKey, &'a str>,
    /// Of its package.
    pub parameters: BTreeMap<&'a EnvKey, &'a Parameter>,
    /// Its own name → whose, and its name there.
    pub imports: BTreeMap<EnvKey, (&'a Identifier, EnvKey)>,
    /// What others may import.
    pub exports: BTreeSet<EnvKey>,
    /// What a rotation changes.
    pub rotating: BTreeSet<&'a EnvKey>,
}

impl<'a> Links<'a> {
    /// The links of a stack.
    pub fn of(stack: &'a Stack, stage: DeploymentStage) -> Self {
        let development = stage == DeploymentStage::Development;
        let mut parts: BTreeMap<&Identifier, PartLinks<'_>> =
            stack.in_start_order().map(|part| (&part.identifier, PartLinks::of(part, development))).collect();
        let imports: Vec<_> =
            stack.in_start_order().map(|part| (&part.identifier, imports(&parts, part, development))).collect();
        for (identifier, imports) in imports {
            if let Some(part) = parts.get_mut(identifier) {
                part.imports = imports;
            }
        }
        Self { development, parts }
    }

    /// Imports by name of what is not there.
    pub fn unresolved(&self) -> impl Iterator<Item = Unresolved<'_>> {
        self.parts.values().flat_map(|importer| {
            let more = if self.development { &importer.part.development.imports[..] } else { &[] };
            importer.part.imports.iter().chain(more).filter_map(|import| {
                let (Some(part), Some(key)) = (import.part().exact(), import.key().exact()) else { return None };
                let exporter = self.parts.values().find(|other| other.part.identifier.as_str() == part)?;
                let there = exporter.exports.iter().any(|export| export.as_str() == key);
                (!there).then_some(Unresolved { importer: importer.part, import, exporter: exporter.part })
            })
        })
    }

    /// The variables of a part.
    pub fn part(&self, identifier: &Identifier) -> Option<&PartLinks<'a>> {
        self.parts.get(identifier)
    }
}

impl<'a> PartLinks<'a> {
    fn of(part: &'a Component, development: bool) -> Self {
        let mut statics: BTreeMap<&EnvKey, &str> = part.env.iter().map(|(key, value)| (key, value.as_str())).collect();
        if development {
            statics.extend(part.development.env.iter().map(|(key, value)| (key, value.as_str())));
        }
        let parameters: BTreeMap<&EnvKey, &Parameter> =
            part.parameters.iter().map(|parameter| (&parameter.key, parameter)).collect();
        let mut exports: BTreeSet<EnvKey> = statics.keys().chain(parameters.keys()).map(|key| (*key).clone()).collect();
        exports.extend(endpoints(&part.hosts).map(|(key, _)| key));
        Self { part, statics, parameters, imports: BTreeMap::new(), exports, rotating: part.rotating() }
    }
}

/// The variables that hold the addresses of hosts, and which host each names.
pub fn endpoints(hosts: &[HostSpec]) -> impl Iterator<Item = (EnvKey, &HostSpec)> {
    let own = hosts.iter().map(|host| (endpoint_key(&host.identifier), host));
    let app = hosts.first().filter(|_| hosts.iter().all(|host| host.identifier.as_str() != "app"));
    own.chain(app.map(|host| (APP_ENDPOINT.to_owned(), host)))
        // Keys made from identifiers are valid: letters, digits and underscores.
        .filter_map(|(key, host)| Some((key.parse().ok()?, host)))
}

/// The variable that holds the address of a host.
pub fn endpoint_key(host: &Identifier) -> String {
    format!("{}_ENDPOINT", host.as_str().replace('-', "_").to_ascii_uppercase())
}

fn imports<'a>(
    parts: &BTreeMap<&'a Identifier, PartLinks<'a>>,
    importer: &'a Component,
    development: bool,
) -> BTreeMap<EnvKey, (&'a Identifier, EnvKey)> {
    let more = if development { &importer.development.imports[..] } else { &[] };
    let mut found = BTreeMap::new();
    for import in importer.imports.iter().chain(more) {
        for (identifier, part) in parts.iter().filter(|(identifier, _)| means(import, identifier, &importer.identifier))
        {
            for key in part.exports.iter().filter(|key| import.key().matches(key.as_str())) {
                found.insert(import.name_of(key).clone(), (*identifier, key.clone()));
            }
        }
    }
    found
}

/// Patterns mean other parts; only by its name does a part import what is its own, to have it under another name.
fn means(import: &Import, part: &Identifier, importer: &Identifier) -> bool {
    import.part().matches(part.as_str()) && (part != importer || import.part().exact().is_some())
}

/// Notes imports of what is not there, and variables that read each other in a circle.
pub fn check(manifest: &Manifest, stack: &Stack, problems: &mut Problems) {
    let links = Links::of(stack, DeploymentStage::Development);
    for (entry, importer) in includes(manifest) {
        if let Include::Import { import, at } = entry
            && let Err(why) = check_import(&links, import, importer)
        {
            problems.add(at.0, why);
        }
    }
    if problems.is_empty() {
        super::circles::check(manifest, &links, problems);
    }
}

/// All entries of a manifest and the part that each belongs to; none for those of every component.
fn includes(manifest: &Manifest) -> impl Iterator<Item = (&Include, Option<&Identifier>)> {
    let of_parts = manifest
        .parts()
        .flat_map(|part| part.include.iter().chain(&part.development).map(|entry| (entry, Some(&part.identifier))));
    of_parts.chain(manifest.development.iter().map(|entry| (entry, None)))
}

/// Where a static variable of a part is written.
pub(super) fn place_of(manifest: &Manifest, part: &Identifier, key: &EnvKey) -> Option<Place> {
    let is_part = |of: Option<&Identifier>| of.is_none_or(|of| of == part);
    let entries: Vec<_> = includes(manifest).filter(|(_, of)| is_part(*of)).collect();
    let own = entries.into_iter().rev().find_map(|(entry, _)| match entry {
        Include::Static { key: own, at, .. } if own == key => Some(at.0),
        _ => None,
    });
    own.or_else(|| manifest.parts().find(|other| other.identifier == *part).map(|part| part.at.0))
}

fn check_import(links: &Links<'_>, import: &Import, importer: Option<&Identifier>) -> Result<(), String> {
    let is_meant = |identifier: &Identifier| match importer {
        Some(importer) => means(import, identifier, importer),
        None => import.part().matches(identifier.as_str()),
    };
    let meant: Vec<&PartLinks<'_>> =
        links.parts.iter().filter(|(identifier, _)| is_meant(identifier)).map(|(_, part)| part).collect();
    // Everything of everybody may be nothing.
    let anybody = import.part().matches("") && import.part().exact().is_none();
    if meant.is_empty() && !anybody {
        return Err(no_part(links, import));
    }
    let anything = import.key().exact().is_none() && import.key().matches("");
    let known = meant.iter().all(|part| part.part.package.as_ref().is_none_or(|package| package.name.is_some()));
    let found = meant.iter().any(|part| part.exports.iter().any(|key| import.key().matches(key.as_str())));
    if found || anything || anybody || !known {
        return Ok(());
    }
    Err(no_variable(import, &meant))
}

fn no_part(links: &Links<'_>, import: &Import) -> String {
    let names: Vec<&str> = links.parts.keys().map(|identifier| identifier.as_str()).collect();
    let is = match import.part().exact() {
        Some(part) => format!("\"{part}\" is neither a component nor an add-on of this stack"),
        None => format!("no other component or add-on of this stack begins like \"{}\"", import.part()),
    };
    let wanted = import.part().exact().unwrap_or_default();
    match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("cannot import {import}: {is}; did you mean \"{near}\"?"),
        None => format!("cannot import {import}: {is}; there are: {}", names.join(", ")),
    }
}

fn no_variable(import: &Import, parts: &[&PartLinks<'_>]) -> String {
    let owner = parts.iter().map(|part| format!("\"{}\"", part.part.identifier)).collect::<Vec<_>>().join(" and ");
    let exported: BTreeSet<&str> = parts.iter().flat_map(|part| part.exports.iter().map(EnvKey::as_str)).collect();
    let message = format!("cannot import {import}: {owner} exports no variable {}", import.key());
    let wanted = import.key().exact().unwrap_or_default();
    match nearest(wanted, exported.iter().copied()) {
        Some(near) => format!("{message}; did you mean \"{near}\"?"),
        None if exported.is_empty() => format!("{message}, nor any other"),
        None => format!("{message}; it has: {}", exported.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The template of a value; a value of a package that cannot be read counts as text, and is reported when it is filled in.
pub(super) fn references(value: &str) -> Vec<EnvKey> {
    Template::parse(value).map(|template| template.references().cloned().collect()).unwrap_or_default()
}
