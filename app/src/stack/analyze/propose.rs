//! Applications → the manifest and the files that are proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use boathouse_types::{Application, Identifier, Proposal, StackFile, Topic};

use super::app::App;
use super::folder::Folder;
use super::needs::{Need, variables};

/// The proposed manifest's name.
const NAME: &str = "boathouse.yaml";
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
    let identifiers = identifiers(&apps);
    let needs: BTreeSet<Need> = apps.iter().flat_map(|app| app.needs.iter().copied()).collect();
    let mut manifest = "components:\n".to_owned();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (app, identifier) in apps.iter_mut().zip(&identifiers) {
        let folder = if app.folder.is_empty() { root.clone() } else { root.below(&app.folder) };
        let imports = imports(&folder, app);
        describe(&mut manifest, app, identifier, &imports);
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

fn describe(text: &mut String, app: &App, identifier: &Identifier, imports: &[String]) {
    say(text, format_args!("  - identifier: {identifier}"));
    say(text, format_args!("    name: {}", app.name));
    let folder = if app.from_root || app.folder.is_empty() { "/" } else { &app.folder };
    say(text, format_args!("    folder: {folder}"));
    if app.from_root && app.dockerfile.is_some() {
        say(text, format_args!("    build: {{dockerfile: {}/Dockerfile}}", app.folder));
    }
    if let Some(port) = app.port {
        say(text, format_args!("    port: {port}"));
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

/// The folder's name where it can be one, else the usual one; made different where two are the same.
fn identifiers(apps: &[App]) -> Vec<Identifier> {
    let mut taken: BTreeSet<Identifier> = BTreeSet::new();
    let mut given = Vec::new();
    for app in apps {
        let last = app.folder.rsplit('/').next().unwrap_or("").to_ascii_lowercase().replace(['_', '.', ' '], "-");
        let name = if last.parse::<Identifier>().is_ok() { last } else { app.usual_name.to_owned() };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .filter_map(|name| name.parse::<Identifier>().ok())
            .find(|name| !taken.contains(name));
        let identifier = free.expect("numbers do not end");
        taken.insert(identifier.clone());
        given.push(identifier);
    }
    given
}
