//! The manifest's text → [`Manifest`]. What the table of keys cannot say is checked here: what excludes each other, what is
//! there twice.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{EnvKey, Identifier, Sleep, check_command, duration, split_command};

use super::entries::{Entries, text};
use super::manifest::{At, Build, Health, HostEntry, Include, Manifest, Part, ScheduleEntry, Site, VolumeEntry};
use super::policy::{self, EdgePolicy};
use super::problem::{ManifestErrors, Problems};
use super::template::Template;
use super::yaml::{self, Node, Place, Value};
use super::{BuildOwnLimits, Commands, ReleaseCommands, Resources, backup, conform, grammar, paths};

/// Components and add-ons of one stack.
const MAX_PARTS: usize = 100;
/// Bytes of one variable's value.
const MAX_VALUE: usize = 128 * 1024;

/// Reads a manifest. `file` is its name, for the messages.
///
/// # Errors
/// All that is wrong with it, in the order of the text.
pub fn manifest(file: &str, text: &str) -> Result<Manifest, ManifestErrors> {
    let mut problems = Problems::of(file);
    let node = match yaml::read(file, text) {
        Ok(node) => node,
        Err(problem) => return Err(ManifestErrors(vec![problem])),
    };
    conform::check(&grammar::MANIFEST, &node, &mut problems);
    if !problems.is_empty() {
        return problems.finish(Manifest::default());
    }
    let manifest = Reader { problems: &mut problems }.manifest(file, Entries::of(&grammar::MANIFEST, node));
    problems.finish(manifest)
}

struct Reader<'a> {
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn manifest(&mut self, file: &str, mut top: Entries) -> Manifest {
        let manifest = Manifest {
            file: file.to_owned(),
            version: top.word("diploiVersion"),
            kind: top.word("type"),
            name: top.word("name"),
            description: top.word("description"),
            previews: top.words("previewImageUrls").unwrap_or_default(),
            components: self.parts(&mut top, "components", true),
            addons: self.parts(&mut top, "addons", false),
            development: self.development(&mut top),
            sleep: top.take("sleep").and_then(sleep),
            backup: top.map("backup").and_then(backup::read),
        };
        let place = top.place;
        top.finish();
        if manifest.components.is_empty() {
            self.problems
                .add(place, "a stack needs at least one component: add `components:` with one `- identifier:`");
        }
        if manifest.parts().count() > MAX_PARTS {
            self.problems.add(place, format!("a stack has at most {MAX_PARTS} components and add-ons"));
        }
        self.refuse_twins(&manifest);
        manifest
    }

    fn refuse_twins(&mut self, manifest: &Manifest) {
        let mut seen = BTreeSet::new();
        for part in manifest.parts() {
            if !seen.insert(&part.identifier) {
                self.twice(part.at.0, &part.identifier);
            }
        }
        let mut seen = BTreeSet::new();
        for entry in manifest.parts().flat_map(|part| &part.schedules) {
            if !seen.insert(&entry.identifier) {
                self.twice(entry.at.0, &entry.identifier);
            }
        }
        let mut seen = BTreeSet::new();
        for (domain, at) in manifest.parts().flat_map(|part| &part.domains) {
            if !seen.insert((&domain.name, domain.stage.as_str())) {
                let (name, stage) = (&domain.name, domain.stage.as_str());
                self.problems.add(at.0, format!("name: {name} is there twice at stage {stage}: one component answers"));
            }
        }
    }

    fn twice(&mut self, place: Place, identifier: &impl std::fmt::Display) {
        self.problems
            .add(place, format!("the identifier \"{identifier}\" is used twice: each must be unique in the stack"));
    }

    fn parts(&mut self, top: &mut Entries, key: &'static str, component: bool) -> Vec<Part> {
        let given = top.maps(key).unwrap_or_default();
        given.into_iter().filter_map(|fields| self.part(fields, component)).collect()
    }

    fn part(&mut self, mut fields: Entries, component: bool) -> Option<Part> {
        let at = At(fields.place);
        let (identifier, _) = fields.parse::<Identifier>("identifier")?;
        let mut part = Part {
            at,
            name: fields.word("name"),
            description: fields.word("description"),
            folder: None,
            watch: None,
            package: fields.parse("package").map(|(package, place)| (package, At(place))),
            prebuild_image: fields.word("prebuildImage"),
            image: None,
            build: None,
            files: None,
            port: fields.parse("port").map(|(port, _)| port),
            health: fields.map("health").map(|given| self.health(given)),
            include: fields.map("env").map_or_else(Vec::new, |env| self.include(env)),
            development: self.development(&mut fields),
            volumes: self.volumes(&mut fields),
            not_backed_up: fields.word("backup").is_some_and(|word| word == "false"),
            command: fields.words("command"),
            commands: fields.map("containerCommands").map_or_else(Commands::default, commands),
            release: None,
            schedules: self.schedules(&mut fields),
            resources: fields.map("resources").map_or_else(Resources::default, resources),
            replicas: None,
            hosts: None,
            domains: Vec::new(),
            edge: EdgePolicy::default(),
            identifier,
        };
        let image = fields.parse("image");
        if component {
            part.folder = fields.word("folder").and_then(folder);
            part.watch = fields.words("watch").map(|globs| globs.iter().filter_map(|glob| glob.parse().ok()).collect());
            part.hosts = self.hosts(&mut fields, &part.identifier);
            part.domains = policy::domains(&mut fields);
            part.edge = policy::policy(&mut fields, self.problems);
            policy::check_passwords(&part.edge, &part.include, self.problems);
            part.files = self.files(&mut fields);
            part.build = fields.map("build").map(|build| self.build(build));
            part.replicas = fields.parse("replicas").map(|(count, place)| (count, At(place)));
            part.release = fields.map("release").and_then(|release| self.release(release));
        }
        if let (Some((_, place)), Some(_)) = (&image, &part.build) {
            self.problems.add(*place, "give either `image` or `build`, not both");
        }
        part.image = image.map(|(image, _)| image);
        self.check_files(&part);
        fields.finish();
        Some(part)
    }

    fn files(&mut self, fields: &mut Entries) -> Option<Site> {
        let spa = fields.flag("spa");
        match fields.text("static") {
            Some((path, place)) => Some(Site { path, spa, at: At(place) }),
            None => {
                if spa {
                    self.problems.add(fields.place, "`spa` is for static components: add `static: FOLDER`");
                }
                None
            }
        }
    }

    /// Without a build or an image the folder is one of the source, else one of the image.
    fn check_files(&mut self, part: &Part) {
        let Some(site) = &part.files else { return };
        let made = part.build.is_some() || part.image.is_some() || site.path.starts_with('/');
        let checked = if made { paths::in_image(&site.path) } else { paths::inside(&site.path) };
        if let Err(why) = checked {
            self.problems.add(site.at.0, format!("static: {why}"));
        }
    }

    fn health(&mut self, mut given: Entries) -> Health {
        let health = Health {
            path: given.word("path"),
            port: given.parse("port").map(|(port, _)| port),
            timeout_s: given.parse("timeout").map(|(seconds, _)| seconds),
            running: given.parse("running").map(|(seconds, place)| (seconds, At(place))),
        };
        given.finish();
        if let (Some((_, at)), true) = (health.running, health.path.is_some() || health.port.is_some()) {
            self.problems.add(
                at.0,
                "`running` is for what listens on no port, so that there is nothing to probe: give either it, or `path` and `port`",
            );
        }
        health
    }

    fn build(&mut self, mut build: Entries) -> Build {
        let dockerfile = build.word("dockerfile").and_then(|path| paths::inside(&path).ok());
        let target = build.word("target");
        let place = build.place;
        let args: BTreeMap<String, String> = build.texts("args").unwrap_or_default().into_iter().collect();
        for (key, value) in &args {
            if let Err(why) = Template::parse(value) {
                self.problems.add(place, format!("the build argument {key}: {why}"));
            }
        }
        let no_cache = build.word("cache").is_some_and(|word| word == "false");
        let limits = build.map("limits").map_or_else(BuildOwnLimits::default, build_limits);
        let mut read = Build { dockerfile, target, args, secrets: BTreeSet::new(), no_cache, limits };
        for node in build.list("secrets").unwrap_or_default() {
            let place = node.place;
            let Some(key) = text(node).and_then(|word| word.parse::<EnvKey>().ok()) else { continue };
            if read.args.contains_key(key.as_str()) {
                self.problems.add(
                    place,
                    format!("{key} is a build argument and a build secret: arguments stay in the image's history, so remove it from `args`"),
                );
            }
            read.secrets.insert(key);
        }
        build.finish();
        read
    }

    fn release(&mut self, mut given: Entries) -> Option<(ReleaseCommands, At)> {
        let at = At(given.place);
        let (before, after) = (self.argv(&mut given, "before"), self.argv(&mut given, "after"));
        let limit = given.parse::<u32>("limit");
        given.finish();
        match (&before, &after, &limit) {
            (None, None, Some((_, place))) => {
                self.problems.add(*place, "`limit` is for the commands of a release: give `before` or `after`, too");
                None
            }
            (None, None, None) => None,
            _ => Some((ReleaseCommands { before, after, limit_s: limit.map(|(seconds, _)| seconds) }, at)),
        }
    }

    /// A program and its arguments: a list as it is, a line with its quotes and without anything else of a shell.
    fn argv(&mut self, given: &mut Entries, key: &'static str) -> Option<Vec<String>> {
        let node = given.take(key)?;
        let place = node.place;
        let words = match node.value {
            Value::List(items) => Ok(items.into_iter().filter_map(text).collect()),
            Value::Scalar { text, .. } => split_command(&text),
            _ => return None,
        };
        match words.and_then(|argv| check_command(&argv).map(|()| argv)) {
            Ok(argv) => Some(argv),
            Err(why) => {
                self.problems.add(place, format!("{key}: {why}"));
                None
            }
        }
    }

    fn development(&mut self, fields: &mut Entries) -> Vec<Include> {
        let Some(mut development) = fields.map("development") else { return Vec::new() };
        let include = development.map("env").map_or_else(Vec::new, |env| self.include(env));
        development.finish();
        include
    }

    fn include(&mut self, mut env: Entries) -> Vec<Include> {
        let nodes = env.list("include").unwrap_or_default();
        env.finish();
        nodes.into_iter().filter_map(|node| self.entry(node)).collect()
    }

    fn entry(&mut self, node: Node) -> Option<Include> {
        let place = node.place;
        let node = match node.value {
            Value::Scalar { text, .. } => {
                return Some(Include::Import { import: text.parse().ok()?, at: At(place) });
            }
            value => Node { place, value },
        };
        let mut entry = Entries::of(&grammar::INCLUDE, node);
        let name = entry.parse::<EnvKey>("name").map(|(name, _)| name);
        let (value, path) = (entry.text("value"), entry.text("path"));
        entry.finish();
        match (name, value, path) {
            (_, Some((_, at)), Some(_)) => {
                self.problems.add(at, "give either `value`, for a variable of its own, or `path`, for an import");
                None
            }
            (name, None, Some((path, at))) => self.renamed(name, &path, at),
            (Some(key), value, None) => {
                let (value, at) = value.unwrap_or((String::new(), place));
                self.check_value(&key, &value, at);
                Some(Include::Static { key, value, at: At(at) })
            }
            (None, _, None) => {
                self.problems.add(place, "this variable has no name: write `- {name: KEY, value: TEXT}`");
                None
            }
        }
    }

    fn renamed(&mut self, name: Option<EnvKey>, path: &str, at: Place) -> Option<Include> {
        let import: super::Import = path.parse().ok()?;
        let named = match name {
            Some(name) => import.named(name),
            None => Ok(import),
        };
        match named {
            Ok(import) => Some(Include::Import { import, at: At(at) }),
            Err(why) => {
                self.problems.add(at, format!("path: {why}"));
                None
            }
        }
    }

    fn check_value(&mut self, key: &EnvKey, value: &str, at: Place) {
        if value.len() > MAX_VALUE || value.contains('\0') {
            self.problems
                .add(at, format!("the value of {key} has more than {} KiB or a NUL character", MAX_VALUE / 1024));
        }
        if let Err(why) = Template::parse(value) {
            self.problems.add(at, format!("the value of {key}: {why}"));
        }
    }

    fn volumes(&mut self, fields: &mut Entries) -> Vec<VolumeEntry> {
        let mut volumes: Vec<VolumeEntry> = Vec::new();
        for mut entry in fields.maps("volumes").unwrap_or_default() {
            let identifier = entry.parse("identifier");
            let path = entry.text("path").and_then(|(path, at)| Some((paths::mount(&path).ok()?, at)));
            let size_mib = entry.parse("sizeMiB").map(|(size, _)| size);
            let shared = entry.flag("shared");
            entry.finish();
            let (Some((identifier, _)), Some((path, at))) = (identifier, path) else { continue };
            if volumes.iter().any(|volume| volume.path == path) {
                self.problems.add(at, format!("two volumes are mounted at {path}"));
            }
            volumes.push(VolumeEntry { identifier, path, size_mib, shared });
        }
        volumes
    }

    fn schedules(&mut self, fields: &mut Entries) -> Vec<ScheduleEntry> {
        let mut schedules = Vec::new();
        for mut given in fields.maps("schedules").unwrap_or_default() {
            let at = At(given.place);
            let (identifier, cron) = (given.parse("identifier"), given.word("cron"));
            let command = self.argv(&mut given, "command");
            let (zone, overlap) = (given.word("zone"), given.parse("overlap").map(|(overlap, _)| overlap));
            let limit_s = given.parse("limit").map(|(seconds, _)| seconds);
            let (inside, catch_up) = (given.flag("inside"), given.flag("catchUp"));
            given.finish();
            let (Some((identifier, _)), Some(cron), Some(command)) = (identifier, cron, command) else { continue };
            schedules.push(ScheduleEntry { at, identifier, cron, zone, command, inside, overlap, limit_s, catch_up });
        }
        schedules
    }

    fn hosts(&mut self, fields: &mut Entries, component: &Identifier) -> Option<Vec<HostEntry>> {
        let mut hosts: Vec<HostEntry> = Vec::new();
        for mut entry in fields.maps("hosts")? {
            let host = HostEntry {
                identifier: entry.parse("identifier").map(|(identifier, _)| identifier),
                name: entry.word("name"),
                port: entry.parse("port").map(|(port, _)| port),
                path: entry.word("path"),
            };
            let own = |host: &HostEntry| host.identifier.clone().unwrap_or_else(|| component.clone());
            if hosts.iter().any(|other| own(other) == own(&host)) {
                self.twice(entry.place, &own(&host));
            }
            entry.finish();
            hosts.push(host);
        }
        Some(hosts)
    }
}

/// `/` is the root of the source, as in Diploi; everything else is relative to it.
fn folder(path: String) -> Option<String> {
    if path == "/" { Some(".".to_owned()) } else { paths::inside(&path).ok() }
}

fn resources(mut given: Entries) -> Resources {
    let resources = Resources {
        memory_bytes: given.word("memory").and_then(|text| grammar::memory(&text)),
        cpu_millis: given.word("cpus").and_then(|text| grammar::cpus(&text)),
        replicas: None,
    };
    given.finish();
    resources
}

/// A duration, or a mapping.
fn sleep(node: Node) -> Option<Sleep> {
    let node = match node.value {
        Value::Scalar { text, .. } => return duration(&text).ok().map(Sleep::after),
        value => Node { place: node.place, value },
    };
    let mut given = Entries::of(&grammar::SLEEP, node);
    let seconds = |text: String| duration(&text).ok();
    let (after, wait) = (given.word("after").and_then(seconds), given.word("wait").and_then(seconds));
    given.finish();
    let usual = Sleep::after(after?);
    Some(Sleep { wait_s: wait.unwrap_or(usual.wait_s), ..usual })
}

fn build_limits(mut given: Entries) -> BuildOwnLimits {
    let limits = BuildOwnLimits {
        memory_bytes: given.word("memory").and_then(|text| grammar::memory(&text)),
        cpu_millis: given.word("cpus").and_then(|text| grammar::cpus(&text)),
        time_s: given.parse("time").map(|(seconds, _)| seconds),
    };
    given.finish();
    limits
}

fn commands(mut given: Entries) -> Commands {
    let commands = Commands {
        development: given.take("developmentStart").and_then(command),
        production: given.take("productionStart").and_then(command),
    };
    given.finish();
    commands
}

/// A list is taken as it is.
fn command(node: Node) -> Option<Vec<String>> {
    match node.value {
        Value::List(items) => Some(items.into_iter().filter_map(text).collect()),
        Value::Scalar { text, .. } => Some(words_of_line(&text)),
        _ => None,
    }
}

/// A line of plain words is split; any other line is read by the container's own shell, as the line of a Dockerfile's CMD would be.
pub(super) fn words_of_line(line: &str) -> Vec<String> {
    if is_plain(line) {
        line.split_whitespace().map(str::to_owned).collect()
    } else {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]
    }
}

/// Whether a line means the same without a shell.
pub(super) fn is_plain(line: &str) -> bool {
    line.chars().all(|c| c.is_ascii_alphanumeric() || " ./:=@,+-_%".contains(c))
}
