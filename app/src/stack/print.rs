//! [`Manifest`] → YAML. Reading what is printed gives the same manifest.

use std::fmt::Write as _;

use boathouse_types::{BackupPolicy, Overlap, Sleep, duration_words};

use super::manifest::{Build, Health, HostEntry, Include, Manifest, Part, ScheduleEntry, Site, VolumeEntry};
use super::{BuildOwnLimits, Commands, ReleaseCommands, Resources};

/// The text of a manifest, its keys in the order of the table.
pub fn manifest(manifest: &Manifest) -> String {
    let mut out = Printer::default();
    out.text(0, "diploiVersion", manifest.version.as_deref());
    out.text(0, "type", manifest.kind.as_deref());
    out.text(0, "name", manifest.name.as_deref());
    out.text(0, "description", manifest.description.as_deref());
    out.words(0, "previewImageUrls", Some(&manifest.previews).filter(|list| !list.is_empty()));
    for (key, parts) in [("components", &manifest.components), ("addons", &manifest.addons)] {
        if !parts.is_empty() {
            out.line(0, &format!("{key}:"));
            parts.iter().for_each(|part| out.part(part));
        }
    }
    out.development(0, &manifest.development);
    out.sleep(manifest.sleep.as_ref());
    out.backup(manifest.backup.as_ref());
    out.text
}

/// Levels of indentation inside a part.
pub(super) const PART: usize = 2;

#[derive(Default)]
pub(super) struct Printer {
    text: String,
    /// The next line begins an item of a list, which stands one level further out.
    begins: bool,
}

impl Printer {
    pub(super) fn line(&mut self, level: usize, line: &str) {
        let indent = "  ".repeat(level);
        let start =
            if std::mem::take(&mut self.begins) { format!("{}- ", &indent[..indent.len() - 2]) } else { indent };
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "{start}{line}");
    }

    pub(super) fn text(&mut self, level: usize, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(level, &format!("{key}: {}", quoted(value)));
        }
    }

    pub(super) fn word(&mut self, level: usize, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.text(level, key, Some(&value.to_string()));
        }
    }

    pub(super) fn words(&mut self, level: usize, key: &str, words: Option<&Vec<String>>) {
        if let Some(words) = words {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            self.line(level, &format!("{key}: [{}]", words.join(", ")));
        }
    }

    fn part(&mut self, part: &Part) {
        self.begins = true;
        self.word(PART, "identifier", Some(&part.identifier));
        self.text(PART, "name", part.name.as_deref());
        self.text(PART, "description", part.description.as_deref());
        self.text(PART, "folder", part.folder.as_deref().map(|folder| if folder == "." { "/" } else { folder }));
        let watch = part.watch.as_ref().map(|globs| globs.iter().map(ToString::to_string).collect());
        self.words(PART, "watch", watch.as_ref());
        self.word(PART, "package", part.package.as_ref().map(|(url, _)| url));
        self.text(PART, "prebuildImage", part.prebuild_image.as_deref());
        self.include(PART, &part.include);
        self.development(PART, &part.development);
        self.commands(&part.commands);
        self.hosts(part.hosts.as_deref());
        self.policy(part.domains.iter().map(|(domain, _)| domain), &part.edge);
        self.files(part.files.as_ref());
        self.build(part.build.as_ref());
        self.word(PART, "image", part.image.as_ref());
        self.word(PART, "port", part.port);
        self.health(part.health.as_ref());
        self.volumes(&part.volumes);
        if part.not_backed_up {
            self.line(PART, "backup: false");
        }
        self.words(PART, "command", part.command.as_ref());
        self.release(part.release.as_ref().map(|(release, _)| release));
        self.schedules(&part.schedules);
        self.resources(&part.resources);
        self.word(PART, "replicas", part.replicas.map(|(count, _)| count));
    }

    fn include(&mut self, level: usize, include: &[Include]) {
        if include.is_empty() {
            return;
        }
        self.line(level, "env:");
        self.line(level + 1, "include:");
        for entry in include {
            match entry {
                Include::Import { import, .. } => self.line(level + 2, &format!("- {}", quoted(&import.to_string()))),
                Include::Static { key, value, .. } => {
                    self.line(level + 2, &format!("- name: {key}"));
                    self.line(level + 3, &format!("value: {}", quoted(value)));
                }
            }
        }
    }

    fn development(&mut self, level: usize, include: &[Include]) {
        if !include.is_empty() {
            self.line(level, "development:");
            self.include(level + 1, include);
        }
    }

    fn sleep(&mut self, sleep: Option<&Sleep>) {
        let Some(sleep) = sleep else { return };
        self.line(0, "sleep:");
        self.text(1, "after", Some(&duration_words(sleep.after_s)));
        self.text(1, "wait", Some(&duration_words(sleep.wait_s)));
    }

    fn backup(&mut self, policy: Option<&BackupPolicy>) {
        let Some(policy) = policy else { return };
        self.line(0, "backup:");
        self.text(1, "cron", Some(&policy.cron));
        self.text(1, "zone", Some(&policy.zone));
        self.word(1, "keep", Some(policy.keep));
    }

    fn commands(&mut self, commands: &Commands) {
        if !commands.is_empty() {
            self.line(PART, "containerCommands:");
            self.words(PART + 1, "developmentStart", commands.development.as_ref());
            self.words(PART + 1, "productionStart", commands.production.as_ref());
        }
    }

    fn hosts(&mut self, hosts: Option<&[HostEntry]>) {
        let Some(hosts) = hosts else { return };
        if hosts.is_empty() {
            self.line(PART, "hosts: []");
            return;
        }
        self.line(PART, "hosts:");
        for host in hosts {
            let HostEntry { identifier, name, port, path } = host;
            let mut pairs = Vec::new();
            pairs.extend(identifier.as_ref().map(|identifier| format!("identifier: {identifier}")));
            pairs.extend(name.as_ref().map(|name| format!("name: {}", quoted(name))));
            pairs.extend(port.map(|port| format!("port: {port}")));
            pairs.extend(path.as_ref().map(|path| format!("path: {}", quoted(path))));
            self.line(PART + 1, &format!("- {{{}}}", pairs.join(", ")));
        }
    }

    fn files(&mut self, site: Option<&Site>) {
        let Some(site) = site else { return };
        self.text(PART, "static", Some(&site.path));
        self.flag(PART, "spa", site.spa);
    }

    fn build(&mut self, build: Option<&Build>) {
        let Some(build) = build else { return };
        if *build == Build::default() {
            self.line(PART, "build: {}");
            return;
        }
        self.line(PART, "build:");
        self.text(PART + 1, "dockerfile", build.dockerfile.as_deref());
        self.text(PART + 1, "target", build.target.as_deref());
        if !build.args.is_empty() {
            self.line(PART + 1, "args:");
            build
                .args
                .iter()
                .for_each(|(key, value)| self.line(PART + 2, &format!("{}: {}", quoted(key), quoted(value))));
        }
        let secrets: Vec<String> = build.secrets.iter().map(ToString::to_string).collect();
        self.words(PART + 1, "secrets", Some(&secrets).filter(|list| !list.is_empty()));
        if build.no_cache {
            self.line(PART + 1, "cache: false");
        }
        let BuildOwnLimits { memory_bytes, cpu_millis, time_s } = build.limits;
        if build.limits != BuildOwnLimits::default() {
            self.line(PART + 1, "limits:");
            self.limits(PART + 2, memory_bytes, cpu_millis);
            self.word(PART + 2, "time", time_s);
        }
    }

    fn health(&mut self, health: Option<&Health>) {
        let Some(health) = health else { return };
        if *health == Health::default() {
            self.line(PART, "health: {}");
            return;
        }
        self.line(PART, "health:");
        self.text(PART + 1, "path", health.path.as_deref());
        self.word(PART + 1, "port", health.port);
        self.word(PART + 1, "timeout", health.timeout_s);
        self.word(PART + 1, "running", health.running.map(|(seconds, _)| seconds));
    }

    fn volumes(&mut self, volumes: &[VolumeEntry]) {
        if volumes.is_empty() {
            return;
        }
        self.line(PART, "volumes:");
        for VolumeEntry { identifier, path, size_mib, shared } in volumes {
            let size = size_mib.map_or_else(String::new, |size| format!(", sizeMiB: {size}"));
            let shared = if *shared { ", shared: true" } else { "" };
            self.line(PART + 1, &format!("- {{identifier: {identifier}, path: {}{size}{shared}}}", quoted(path)));
        }
    }

    fn release(&mut self, release: Option<&ReleaseCommands>) {
        let Some(release) = release else { return };
        self.line(PART, "release:");
        self.words(PART + 1, "before", release.before.as_ref());
        self.words(PART + 1, "after", release.after.as_ref());
        self.word(PART + 1, "limit", release.limit_s);
    }

    fn schedules(&mut self, schedules: &[ScheduleEntry]) {
        if schedules.is_empty() {
            return;
        }
        self.line(PART, "schedules:");
        for entry in schedules {
            self.begins = true;
            self.word(PART + 2, "identifier", Some(&entry.identifier));
            self.text(PART + 2, "cron", Some(&entry.cron));
            self.text(PART + 2, "zone", entry.zone.as_deref());
            self.words(PART + 2, "command", Some(&entry.command));
            self.flag(PART + 2, "inside", entry.inside);
            self.text(PART + 2, "overlap", entry.overlap.map(Overlap::as_str));
            self.word(PART + 2, "limit", entry.limit_s);
            self.flag(PART + 2, "catchUp", entry.catch_up);
        }
    }

    pub(super) fn flag(&mut self, level: usize, key: &str, value: bool) {
        if value {
            self.line(level, &format!("{key}: true"));
        }
    }

    fn resources(&mut self, resources: &Resources) {
        if *resources == Resources::default() {
            return;
        }
        self.line(PART, "resources:");
        self.limits(PART + 1, resources.memory_bytes, resources.cpu_millis);
    }

    fn limits(&mut self, level: usize, memory_bytes: Option<u64>, cpu_millis: Option<u32>) {
        self.text(level, "memory", memory_bytes.map(size).as_deref());
        let cpus = cpu_millis.map(|millis| format!("{}.{:03}", millis / 1000, millis % 1000));
        self.text(level, "cpus", cpus.as_deref());
    }
}

pub(super) fn size(bytes: u64) -> String {
    match (bytes % (1 << 30), bytes % (1 << 20)) {
        (0, _) => format!("{}GiB", bytes >> 30),
        (_, 0) => format!("{}MiB", bytes >> 20),
        _ => format!("{bytes}B"),
    }
}

/// A word that YAML reads as nothing else stays as it is; everything else is written in double quotes (YAML 1.2 §7.3.1).
pub(super) fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain || (!text.is_empty() && text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit())) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Not printable, or a line break to YAML 1.1.
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[path = "print_test.rs"]
mod tests;
