//! Applications → the manifest and the files that are proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use boathouse_types::{Application, Identifier, Proposal, StackFile, Topic};

use super::app::{App, Process};
use super::folder::Folder;
use super::needs::{Need, variables};
use crate::stack::read::{is_plain, words_of_line};

/// The proposed manifest's name.
const NAME: &str = "boathouse.yaml";
/// Seconds that a proposed worker has to run until it counts as healthy.
const RUNNING_S: u32 = 5;
/// Characters that a number is put behind.
const LONGEST_STEM: usize = 30;
const EXAMPLES: [&str; 4] = [".env.example", ".env.sample", ".env.template", ".env.dist"];

/// The repository's own manifest wins.
pub fn existing(name: &str, text: String) -> Proposal {
    let evidence = vec![boathouse_types::Evidence {
        file: name.to_owned(),
        fact: "the manifest is there, and it wins".to_owned(),
    }];
    Proposal {
        manifest_name: name.to_owned(),
        manifest: text,
        existing: true,
        files: Vec::new(),
        applications: Vec::new(),
        evidence,
        warnings: Vec::new(),
    }
}

/// What these applications could be.
pub fn proposal(root: &Folder<'_>, mut apps: Vec<App>) -> Proposal {
    let mut taken = BTreeSet::new();
    let identifiers: Vec<Identifier> = apps.iter().map(|app| identifier(app, &mut taken)).collect();
    let needs: BTreeSet<Need> = apps.iter().flat_map(|app| app.needs.iter().copied()).collect();
    let mut manifest = "components:\n".to_owned();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (app, identifier) in apps.iter_mut().zip(&identifiers) {
        let folder = if app.folder.is_empty() { root.clone() } else { root.below(&app.folder) };
        let imports = imports(&folder, app);
        describe_all(&mut manifest, app, identifier, &imports, &mut taken);
        if let Some(text) = &app.dockerfile {
            files.insert(folder.full("Dockerfile"), text.clone());
            let context = if app.from_root { root } else { &folder };
            if !context.has(".dockerignore") {
                files.insert(context.full(".dockerignore"), app.ignore.to_owned());
            }
        }
    }
    if !needs.is_empty() {
        manifest.push_str("addons:\n");
        for need in &needs {
            say(&mut manifest, format_args!("  - identifier: {0}\n    package: {0}", need.package()));
        }
    }
    Proposal {
        manifest_name: NAME.to_owned(),
        manifest,
        existing: false,
        files: files.into_iter().map(|(path, text)| StackFile { path, text }).collect(),
        applications: apps.iter().zip(identifiers).map(application).collect(),
        evidence: apps.iter().flat_map(|app| app.evidence.clone()).collect(),
        warnings: apps.iter().flat_map(|app| app.warnings.clone()).collect(),
    }
}

fn application((app, identifier): (&App, Identifier)) -> Application {
    let mut findings = app.findings.clone();
    findings.sort_by_key(|finding| finding.topic);
    let folder = if app.folder.is_empty() { ".".to_owned() } else { app.folder.clone() };
    Application { identifier, folder, findings }
}

fn say(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// The component that it is, or one for each of its processes.
fn describe_all(
    text: &mut String,
    app: &App,
    identifier: &Identifier,
    imports: &[String],
    taken: &mut BTreeSet<Identifier>,
) {
    let Some((first, others)) = app.processes.split_first() else {
        return describe(text, app, identifier, None, imports);
    };
    describe(text, app, identifier, Some(first), imports);
    if let Some(line) = &app.before {
        let words = serde_json::Value::from(words_of_line(line));
        say(text, format_args!("    release: {{before: {words}}}"));
    }
    for process in others {
        let name = match app.folder.is_empty() {
            true => process.name.to_string(),
            false => format!("{identifier}-{}", process.name),
        };
        describe(text, app, &free(&name, process.name.as_str(), taken), Some(process), imports);
    }
}

fn describe(text: &mut String, app: &App, identifier: &Identifier, process: Option<&Process>, imports: &[String]) {
    say(text, format_args!("  - identifier: {identifier}"));
    match process {
        Some(process) if !process.is_web => say(text, format_args!("    name: {} ({})", app.name, process.name)),
        _ => say(text, format_args!("    name: {}", app.name)),
    }
    let folder = if app.from_root || app.folder.is_empty() { "/" } else { &app.folder };
    say(text, format_args!("    folder: {folder}"));
    if app.from_root && app.dockerfile.is_some() {
        say(text, format_args!("    build: {{dockerfile: {}/Dockerfile}}", app.folder));
    }
    match process {
        Some(process) if !process.is_web => {
            say(text, format_args!("    hosts: []\n    health: {{running: {RUNNING_S}}}"));
        }
        _ => app.port.iter().for_each(|port| say(text, format_args!("    port: {port}"))),
    }
    if let Some(process) = process {
        start(text, &process.line);
    }
    if let Some(files) = &app.files {
        say(text, format_args!("    static: {files}"));
        if app.spa {
            text.push_str("    spa: true\n");
        }
    }
    if !imports.is_empty() {
        text.push_str("    env:\n      include:\n");
        imports.iter().for_each(|line| say(text, format_args!("        - {line}")));
    }
}

/// What it starts, at every stage: plain words as they are, any other line by the container's shell.
fn start(text: &mut String, line: &str) {
    if is_plain(line) {
        say(text, format_args!("    command: {}", serde_json::Value::from(words_of_line(line))));
        return;
    }
    let line = serde_json::Value::from(line);
    say(text, format_args!("    containerCommands:\n      developmentStart: {line}\n      productionStart: {line}"));
}

/// All variables of each service, the ones that the example asks for under other names, and a warning for the rest.
fn imports(folder: &Folder<'_>, app: &mut App) -> Vec<String> {
    if app.files.is_some() {
        return Vec::new();
    }
    let mut lines: Vec<String> = app.needs.iter().map(|need| format!("'{}.*'", need.package())).collect();
    let Some(example) = folder.first(&EXAMPLES) else { return lines };
    let mut open = Vec::new();
    for asked in variables(&folder.text(example).unwrap_or_default()) {
        let renamed = app.needs.iter().find_map(|need| Some((need.package(), need.renamed(&asked)?)));
        match renamed {
            Some((package, theirs)) => lines.push(format!("{package}.{theirs}:{asked}")),
            None if !is_given(&asked, &app.needs) => open.push(asked),
            None => {}
        }
    }
    if !open.is_empty() {
        let fact = format!("asks for {}", open.join(", "));
        for name in &open {
            app.found(Topic::Variable, name.as_str(), folder, example, fact.clone());
        }
        app.warn(format!("set these variables before the first deploy, where they are needed: {}", open.join(", ")));
    }
    lines
}

/// Whether an import or the deployment itself sets it.
fn is_given(name: &str, needs: &BTreeSet<Need>) -> bool {
    let automatic = matches!(name, "PORT" | "HOST" | "STAGE" | "NODE_ENV" | "APP_PUBLIC_URL");
    let of_need = |need: &Need| {
        let prefix = need.package().to_ascii_uppercase();
        name.starts_with(&prefix) || (name == "DATABASE_URL" && *need <= Need::Mongodb)
    };
    automatic || needs.iter().any(of_need)
}

/// The folder's name where it can be one, else that of its first process, else the usual one; made different where two are the same.
fn identifier(app: &App, taken: &mut BTreeSet<Identifier>) -> Identifier {
    let last = app.folder.rsplit('/').next().unwrap_or("").to_ascii_lowercase().replace(['_', '.', ' '], "-");
    let usual = app.processes.first().map_or(app.usual_name, |process| process.name.as_str());
    free(&last, usual, taken)
}

fn free(wanted: &str, usual: &str, taken: &mut BTreeSet<Identifier>) -> Identifier {
    let name = if wanted.parse::<Identifier>().is_ok() { wanted } else { usual };
    // With its number it must not be too long for an identifier.
    let stem: String = name.chars().take(LONGEST_STEM).collect();
    let numbered = (2..).map(|number| format!("{}-{number}", stem.trim_end_matches('-')));
    let free = std::iter::once(name.to_owned())
        .chain(numbered)
        .filter_map(|name| name.parse::<Identifier>().ok())
        .find(|name| !taken.contains(name));
    let identifier = free.expect("numbers do not end");
    taken.insert(identifier.clone());
    identifier
}
