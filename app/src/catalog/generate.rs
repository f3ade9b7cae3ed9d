//! A choice of packages → the code of a project: the manifest, and each component's starter with what its add-ons need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use boathouse_types::{Identifier, PartChoice, ProjectName, StackChoice, StackFile, StackPreview};

use super::{Catalog, Entry, Reference, embedded};
use crate::error::{Result, invalid};
use crate::stack::package::{Package, PackageImage, PackageKind};
use crate::stack::package_manifest::NO_GROUP;

/// The generated manifest's name.
pub const MANIFEST: &str = "boathouse.yaml";
const README: &str = "README.md";

/// Parts of one new project.
const MAX_PARTS: usize = 20;
/// Where the pieces are that several starters share.
const SHARED: &str = "shared";
/// What of a starter is other where it speaks to a broker, and the piece that does.
const MESSAGES: &str = "messages";
/// How a list of packages is called that has none besides the store's.
const ONLY: &str = "-only";
/// The piece for a stack without a database.
const NO_STORE: &str = "memory";

/// A part of the choice with its package.
struct Part<'c> {
    identifier: Identifier,
    asked: String,
    package: Package,
    entry: &'c Entry,
}

/// Makes the code. Pure: the same choice becomes the same files.
///
/// # Errors
/// A package that is not in the catalog, or not of that kind; an identifier that is used twice; no component.
pub fn generate(choice: &StackChoice, catalog: &Catalog) -> Result<StackPreview> {
    let components = parts(&choice.components, PackageKind::Component, catalog)?;
    let addons = parts(&choice.addons, PackageKind::Addon, catalog)?;
    if components.is_empty() {
        return Err(invalid("a stack needs at least one component").hint("Choose one, as in --component nodejs."));
    }
    if components.len() + addons.len() > MAX_PARTS {
        return Err(invalid(format!("a new stack has at most {MAX_PARTS} components and add-ons")));
    }
    let mut seen = BTreeSet::new();
    if let Some(part) = components.iter().chain(&addons).find(|part| !seen.insert(&part.identifier)) {
        return Err(invalid(format!("the identifier \"{}\" is used twice", part.identifier))
            .hint("Give one of the two another identifier."));
    }
    let manifest = manifest(&choice.name, &components, &addons);
    let mut files: BTreeMap<String, String> =
        components.iter().flat_map(|part| starter(&choice.name, part, &addons)).collect();
    let readme = readme(&choice.name, &components, &addons, |path| files.contains_key(path));
    files.extend([
        (MANIFEST.to_owned(), manifest.clone()),
        (README.to_owned(), readme),
        (".gitignore".to_owned(), ".env\n".to_owned()),
    ]);
    let files = files.into_iter().map(|(path, text)| StackFile { path, text }).collect();
    Ok(StackPreview { manifest, files })
}

fn parts<'c>(choices: &[PartChoice], kind: PackageKind, catalog: &'c Catalog) -> Result<Vec<Part<'c>>> {
    choices.iter().map(|choice| part(choice, kind, catalog)).collect()
}

fn part<'c>(choice: &PartChoice, kind: PackageKind, catalog: &'c Catalog) -> Result<Part<'c>> {
    let asked = choice.package.trim().to_owned();
    let named = Reference::parse(&asked).and_then(|reference| catalog.entry(&reference.name));
    let Some(entry) = named else {
        let known: Vec<&str> = catalog.entries().map(|entry| entry.package.identifier.as_str()).collect();
        return Err(invalid(format!("the catalog has no package \"{}\"", asked.escape_debug()))
            .hint(format!("It has: {}.", known.join(", "))));
    };
    let Some((package, _)) = catalog.find(&asked) else {
        return Err(invalid(format!(
            "{} is not in the catalog in the version of \"{}\"",
            entry.package.name,
            asked.escape_debug()
        ))
        .hint(versions(&entry.package)));
    };
    if package.kind != kind {
        let (is, flag) = match package.kind {
            PackageKind::Component => ("a component", "--component"),
            PackageKind::Addon => ("an add-on", "--addon"),
        };
        return Err(invalid(format!("{} is {is}", package.name)).hint(format!("Choose it with {flag}.")));
    }
    let identifier = choice.identifier.clone().unwrap_or_else(|| package.identifier.clone());
    Ok(Part { identifier, asked, package, entry })
}

fn versions(package: &Package) -> String {
    match &package.image {
        PackageImage::Image { versions, .. } if !versions.is_empty() => format!("There are: {}.", versions.join(", ")),
        _ => "It has one version only: leave out what follows `#`.".to_owned(),
    }
}

fn manifest(name: &ProjectName, components: &[Part<'_>], addons: &[Part<'_>]) -> String {
    let mut text = format!("name: {name}\ncomponents:\n");
    let imports = imports(addons);
    for part in components {
        describe(&mut text, part);
        if has_server(&part.package) && !imports.is_empty() {
            text.push_str("    env:\n      include:\n");
            for line in &imports {
                line_of(&mut text, format_args!("        - {line}"));
            }
        }
    }
    if !addons.is_empty() {
        text.push_str("addons:\n");
        addons.iter().for_each(|part| describe(&mut text, part));
    }
    text
}

fn describe(text: &mut String, part: &Part<'_>) {
    line_of(text, format_args!("  - identifier: {}", part.identifier));
    line_of(text, format_args!("    name: {}", part.package.name));
    line_of(text, format_args!("    package: {}", part.asked));
    if let PackageImage::Dockerfile { files: Some(path), spa, .. } = &part.package.image {
        // The folder has its Dockerfile, and that wins over what the package says of one of its own.
        line_of(text, format_args!("    static: {path}"));
        if *spa {
            text.push_str("    spa: true\n");
        }
    }
}

fn line_of(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// Whether code of ours runs in its container: files have no variables, a ready image has those of its package.
fn has_server(package: &Package) -> bool {
    matches!(package.image, PackageImage::Dockerfile { files: None, .. })
}

/// Every variable of every add-on; where two export the same name, the first has it.
fn imports(addons: &[Part<'_>]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut lines = Vec::new();
    for part in addons {
        // What stands in no group is the image's own business.
        let exported = part.package.parameters.iter().filter(|parameter| parameter.group != NO_GROUP);
        let keys: Vec<&str> = exported.map(|parameter| parameter.key.as_str()).collect();
        if keys.iter().any(|key| taken.contains(key)) {
            let free = keys.iter().filter(|key| !taken.contains(**key));
            lines.extend(free.map(|key| format!("{}.{key}", part.identifier)));
        } else {
            lines.push(format!("'{}.*'", part.identifier));
        }
        taken.extend(keys);
    }
    lines
}

/// The files of a component: its starter and the package's Dockerfiles.
fn starter(project: &ProjectName, part: &Part<'_>, addons: &[Part<'_>]) -> Vec<(String, String)> {
    let folder = part.entry.package.identifier.as_str();
    let mut words = BTreeMap::from([
        ("{{project}}", project.to_string()),
        ("{{part}}", part.identifier.to_string()),
        ("{{driver}}", String::new()),
        ("{{prepare}}", String::new()),
        ("{{broker}}", String::new()),
    ]);
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    files.extend(part.entry.code.iter().map(|file| (file.path.clone(), file.text.clone())));
    // A package of a source may be called as a folder of ours: what is embedded belongs to our own alone.
    let is_own = part.entry.origin.is_none();
    if is_own {
        files.extend(embedded_below(&format!("{folder}/starter")));
    }
    if let Some(code) = &part.entry.starter {
        let broker = code.messages.as_ref().and_then(|path| Some((path, spoken(&code.language, addons, broker)?.1)));
        let store = spoken(&code.language, addons, store).map_or(NO_STORE, |(_, piece)| piece);
        let shared = format!("{SHARED}/{}/{store}", code.language);
        let mut driver = code.driver.as_deref().unwrap_or_default();
        if let Some((path, broker)) = broker.filter(|_| is_own) {
            let shared = format!("{SHARED}/{}/{broker}", code.language);
            files.extend(embedded_below(&format!("{folder}/{MESSAGES}")));
            files.insert(path.clone(), embedded::text(&shared, MESSAGES).unwrap_or_default());
            // The store's package stands behind the broker's.
            driver = driver.trim_end_matches(ONLY);
            words.insert("{{broker}}", embedded::text(&shared, &format!("driver-{driver}")).unwrap_or_default());
        }
        words.insert("{{driver}}", embedded::text(&shared, &format!("driver-{driver}")).unwrap_or_default());
        words.insert("{{prepare}}", embedded::text(&shared, "prepare").unwrap_or_default());
        files.extend(code.visits.clone().zip(embedded::text(&shared, "visits")));
    }
    if let PackageImage::Dockerfile { production, development, ignore, .. } = &part.package.image {
        files.insert("Dockerfile".to_owned(), production.clone());
        files.extend(development.clone().map(|text| ("Dockerfile.dev".to_owned(), text)));
        files.extend(ignore.clone().map(|text| (".dockerignore".to_owned(), text)));
    }
    let filled = |text: String| words.iter().fold(text, |text, (word, value)| text.replace(word, value));
    files.into_iter().map(|(path, text)| (format!("{}/{path}", part.identifier), filled(text))).collect()
}

/// The files of a folder of the catalog's data.
fn embedded_below(folder: &str) -> Vec<(String, String)> {
    let text = |path: String| (path.clone(), embedded::text(folder, &path).unwrap_or_default());
    embedded::below(folder).into_iter().map(text).collect()
}

/// The first add-on that the language has a piece for, and that piece.
fn spoken<'a, 'c>(
    language: &str,
    addons: &'a [Part<'c>],
    piece: fn(&str) -> Option<&'static str>,
) -> Option<(&'a Part<'c>, &'static str)> {
    let mut pieces = addons.iter().filter_map(|part| Some((part, piece(part.entry.package.identifier.as_str())?)));
    pieces.find(|(_, piece)| has_piece(language, piece))
}

/// The piece that keeps a starter's count in that add-on.
fn store(addon: &str) -> Option<&'static str> {
    match addon {
        "valkey" => Some("redis"),
        "postgres" => Some("postgres"),
        "mariadb" => Some("mariadb"),
        "redis" => Some("redis"),
        "mongodb" => Some("mongodb"),
        _ => None,
    }
}

/// The piece that sends and receives over that add-on.
fn broker(addon: &str) -> Option<&'static str> {
    match addon {
        "nats" => Some("nats"),
        "rabbitmq" => Some("rabbitmq"),
        _ => None,
    }
}

/// Add-ons that no starter has code for. What a ready image does, or a package of a source, is not known.
fn unspoken<'a, 'c>(components: &[Part<'_>], addons: &'a [Part<'c>]) -> Vec<&'a Part<'c>> {
    let is_known =
        |part: &Part<'_>| part.entry.origin.is_none() && matches!(part.package.image, PackageImage::Dockerfile { .. });
    if !components.iter().all(is_known) {
        return Vec::new();
    }
    let starters = components.iter().filter_map(|part| part.entry.starter.as_ref());
    let used: Vec<&Identifier> = starters
        .flat_map(|code| {
            let sends = code.messages.as_ref().and_then(|_| spoken(&code.language, addons, broker));
            spoken(&code.language, addons, store).into_iter().chain(sends)
        })
        .map(|(part, _)| &part.identifier)
        .collect();
    addons.iter().filter(|part| !used.contains(&&part.identifier)).collect()
}

fn has_piece(language: &str, addon: &str) -> bool {
    !embedded::below(&format!("{SHARED}/{language}/{addon}")).is_empty()
}

fn readme(name: &ProjectName, components: &[Part<'_>], addons: &[Part<'_>], has: impl Fn(&str) -> bool) -> String {
    let mut text =
        format!("# {name}\n\nMade by `boathouse new`. [{MANIFEST}]({MANIFEST}) says what it consists of.\n\n");
    text.push_str("| part | what it is |\n|---|---|\n");
    for part in components.iter().chain(addons) {
        let own = format!("{}/{README}", part.identifier);
        let shown =
            if has(&own) { format!("[`{}`]({own})", part.identifier) } else { format!("`{}`", part.identifier) };
        line_of(&mut text, format_args!("| {shown} | {}: {} |", part.package.name, part.package.description));
    }
    text.push_str("\nEach component that is built here is a folder with its code, its tests, a `Dockerfile` and a `Dockerfile.dev` for development.\n");
    text.push_str("Its README says how it is run and tested.\n\n");
    text.push_str(
        "- A push to the repository that a project deploys from deploys it; `boathouse deploy` deploys a folder.\n",
    );
    text.push_str(
        "- `boathouse dev` keeps a deployment for development like this folder: what is saved is there at once.\n",
    );
    if !addons.is_empty() {
        text.push_str(
            "- Add-ons give their variables to the components, as `env: include:` says; no password is in the code.\n",
        );
    }
    for part in unspoken(components, addons) {
        let (identifier, name) = (&part.identifier, &part.package.name);
        line_of(
            &mut text,
            format_args!(
                "- No code here uses `{identifier}` ({name}) yet: it runs, and every component with a server has its variables (`env: include:`). Add a client of it for your language."
            ),
        );
    }
    text
}

#[cfg(test)]
#[path = "generate_test.rs"]
mod tests;
