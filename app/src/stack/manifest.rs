//! The manifest's text → [`Stack`]. Every error names file, line and column, and what to write instead.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{EnvKey, Identifier};

use super::fields::{Fields, text};
use super::yaml::{self, Node, Place};
use super::{Component, Files, HEALTH_TIMEOUT_S, HealthCheck, HostSpec, Origin, Resources, Stack, Volume};
use crate::error::{Error, Result};

/// The names under which a manifest is looked for, in this order.
pub const FILE_NAMES: [&str; 3] = ["boathouse.yaml", "boathouse.yml", "diploi.yaml"];

/// Components and add-ons of one stack.
const MAX_PARTS: usize = 100;
/// Bytes of one variable's value.
const MAX_VALUE: usize = 128 * 1024;
/// Seconds that a health check may wait at most.
const MAX_HEALTH_TIMEOUT_S: u64 = 3600;
/// Docker refuses less memory, in bytes.
const MIN_MEMORY: u64 = 6 * 1024 * 1024;
const MAX_CPUS: f64 = 1024.0;

/// Parses a manifest. `file` is its name, for the messages.
pub fn parse(file: &str, text: &str) -> Result<Stack> {
    let mut top = Fields::of(file, "the manifest", yaml::read(file, text)?)?;
    let stack_name = top.text("name")?.map(|(name, _)| name);
    top.take("description");
    // Written by Diploi's tools; it says nothing that this version needs.
    top.take("diploiVersion");
    let reader = Reader { file };
    let components = reader.parts(&mut top, "components", Reader::component)?;
    let addons = reader.parts(&mut top, "addons", Reader::addon)?;
    let place = top.place();
    top.finish()?;
    if components.is_empty() {
        return Err(
            place.error(file, "a stack needs at least one component: add `components:` with one `- identifier:`")
        );
    }
    let stack = Stack { name: stack_name, components, addons };
    reader.refuse_too_many(place, &stack)?;
    Ok(stack)
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    file: &'a str,
}

impl<'a> Reader<'a> {
    fn parts(
        self,
        top: &mut Fields<'a>,
        key: &'static str,
        read: fn(Self, Fields<'a>) -> Result<(Component, Place)>,
    ) -> Result<Vec<Component>> {
        let mut seen = BTreeSet::new();
        let mut parts = Vec::new();
        for node in top.list(key)?.unwrap_or_default() {
            let (part, place) = read(self, Fields::of(self.file, key, node)?)?;
            if !seen.insert(part.identifier.clone()) {
                return Err(self.twice(place, &part.identifier));
            }
            parts.push(part);
        }
        Ok(parts)
    }

    fn twice(self, place: Place, identifier: &Identifier) -> Error {
        place.error(
            self.file,
            format!("the identifier \"{identifier}\" is used twice: each must be unique in the stack"),
        )
    }

    fn refuse_too_many(self, place: Place, stack: &Stack) -> Result<()> {
        let identifiers: BTreeSet<_> = stack.in_start_order().map(|part| &part.identifier).collect();
        if let Some(double) =
            stack.addons.iter().find(|addon| stack.components.iter().any(|c| c.identifier == addon.identifier))
        {
            return Err(self.twice(place, &double.identifier));
        }
        if identifiers.len() > MAX_PARTS {
            return Err(place.error(self.file, format!("a stack has at most {MAX_PARTS} components and add-ons")));
        }
        Ok(())
    }

    fn component(self, mut fields: Fields<'a>) -> Result<(Component, Place)> {
        let place = fields.place();
        let identifier = self.identifier(&mut fields, "component")?;
        let name = fields.text("name")?.map_or_else(|| identifier.to_string(), |(name, _)| name);
        fields.take("description");
        let files_path = fields.text("static")?;
        let spa = fields.flag("spa")?;
        let (origin, files) = self.origin(&mut fields, &identifier, files_path, spa)?;
        let part = Component {
            name,
            origin,
            files,
            port: self.port(&mut fields, "port")?,
            health: self.health(&mut fields)?,
            env: self.env(&mut fields)?,
            volumes: self.volumes(&mut fields)?,
            command: self.command(&mut fields)?,
            resources: self.resources(&mut fields)?,
            hosts: self.hosts(&mut fields, &identifier)?,
            identifier,
        };
        fields.finish()?;
        Ok((part, place))
    }

    fn addon(self, mut fields: Fields<'a>) -> Result<(Component, Place)> {
        let place = fields.place();
        let identifier = self.identifier(&mut fields, "add-on")?;
        let name = fields.text("name")?.map_or_else(|| identifier.to_string(), |(name, _)| name);
        fields.take("description");
        let package = fields.text("package")?;
        let Some(image) = fields.parse("image")? else {
            return Err(match package {
                Some((package, at)) => at.error(
                    self.file,
                    format!("the add-on package \"{}\" is not built in; give the add-on an image instead, as in `image: redis:7`", package.escape_debug()),
                ),
                None => place.error(self.file, format!("the add-on \"{identifier}\" needs an image, as in `image: redis:7`")),
            });
        };
        if let Some(hosts) = fields.take("hosts") {
            return Err(hosts
                .place
                .error(self.file, "an add-on has no hosts: only components are reached from outside"));
        }
        let part = Component {
            name,
            origin: Origin::Image { image },
            files: None,
            port: self.port(&mut fields, "port")?,
            health: self.health(&mut fields)?,
            env: self.env(&mut fields)?,
            volumes: self.volumes(&mut fields)?,
            command: self.command(&mut fields)?,
            resources: self.resources(&mut fields)?,
            hosts: Vec::new(),
            identifier,
        };
        fields.finish()?;
        Ok((part, place))
    }

    fn identifier(self, fields: &mut Fields<'a>, what: &str) -> Result<Identifier> {
        fields
            .parse("identifier")?
            .ok_or_else(|| fields.error(format!("this {what} has no identifier: add `identifier: NAME`")))
    }

    fn origin(
        self,
        fields: &mut Fields<'a>,
        identifier: &Identifier,
        files_path: Option<(String, Place)>,
        spa: bool,
    ) -> Result<(Origin, Option<Files>)> {
        let folder = self.folder(fields, identifier)?;
        // Diploi names a package here; the folder's own Dockerfile says what it is, so the name adds nothing.
        fields.take("package");
        let build = fields.map("build")?;
        let image = fields.take("image");
        if let (Some(image), Some(_)) = (&image, &build) {
            return Err(image.place.error(self.file, "give either `image` or `build`, not both"));
        }
        let static_needs_path = spa && files_path.is_none();
        if static_needs_path {
            return Err(fields.error("`spa` is for static components: add `static: FOLDER`"));
        }
        if let Some(image) = image {
            let (image, place) = text(self.file, "image", image)?;
            let image = image.parse().map_err(|why| place.error(self.file, format!("image: {why}")))?;
            let files = files_path.map(|(path, at)| self.image_files(path, at, spa)).transpose()?;
            return Ok((Origin::Image { image }, files));
        }
        match (build, files_path) {
            (None, Some((path, at))) if !path.starts_with('/') => {
                let path = self.inside(at, "static", &path)?;
                Ok((Origin::Folder { folder }, Some(Files { path, spa })))
            }
            (build, files_path) => {
                let origin = self.build(build, folder)?;
                let files = files_path.map(|(path, at)| self.image_files(path, at, spa)).transpose()?;
                Ok((origin, files))
            }
        }
    }

    fn image_files(self, path: String, place: Place, spa: bool) -> Result<Files> {
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        if path.split('/').any(|part| part == "..") || path.chars().any(char::is_control) {
            return Err(place.error(self.file, "static: an absolute path in the image without `..` is needed"));
        }
        Ok(Files { path, spa })
    }

    fn build(self, build: Option<Fields<'a>>, folder: String) -> Result<Origin> {
        let mut dockerfile = "Dockerfile".to_owned();
        let (mut target, mut args, mut secrets) = (None, BTreeMap::new(), BTreeSet::new());
        if let Some(mut build) = build {
            if let Some((path, at)) = build.text("dockerfile")? {
                dockerfile = self.inside(at, "dockerfile", &path)?;
            }
            target = build.text("target")?.map(|(target, _)| target);
            if let Some(given) = build.map("args")? {
                args = given.texts()?.into_iter().map(|(key, value)| (key.text, value)).collect();
            }
            secrets = self.build_secrets(&mut build, &args)?;
            build.finish()?;
        }
        Ok(Origin::Build { folder, dockerfile, target, args, secrets })
    }

    /// Names only: a value in the manifest would be in the repository.
    fn build_secrets(self, build: &mut Fields<'a>, args: &BTreeMap<String, String>) -> Result<BTreeSet<EnvKey>> {
        let mut secrets = BTreeSet::new();
        for node in build.list("secrets")?.unwrap_or_default() {
            let (name, place) = text(self.file, "a build secret", node).map_err(|error| {
                error.hint("Name variables of the deployment, as in `secrets: [NPM_TOKEN]`; their values are set with `boathouse env set`.")
            })?;
            let key: EnvKey = name.parse().map_err(|why| place.error(self.file, format!("secrets: {why}")))?;
            if args.contains_key(key.as_str()) {
                let why = format!(
                    "{key} is a build argument and a build secret: arguments stay in the image's history, so remove it from `args`"
                );
                return Err(place.error(self.file, why));
            }
            secrets.insert(key);
        }
        Ok(secrets)
    }

    /// `/` is the root of the source, as in Diploi; everything else is relative to it.
    fn folder(self, fields: &mut Fields<'a>, identifier: &Identifier) -> Result<String> {
        match fields.text("folder")? {
            None => Ok(identifier.to_string()),
            Some((folder, _)) if folder == "/" => Ok(".".to_owned()),
            Some((folder, at)) => self.inside(at, "folder", &folder),
        }
    }

    fn inside(self, place: Place, what: &str, path: &str) -> Result<String> {
        clean_path(path).map_err(|why| place.error(self.file, format!("{what}: {why}")))
    }

    fn port(self, fields: &mut Fields<'a>, key: &'static str) -> Result<Option<u16>> {
        Ok(fields.number(key, 1, u64::from(u16::MAX))?.and_then(|port| u16::try_from(port).ok()))
    }

    fn health(self, fields: &mut Fields<'a>) -> Result<HealthCheck> {
        let Some(mut given) = fields.map("health")? else { return Ok(HealthCheck::default()) };
        let path = given.text("path")?.map(|(path, at)| self.url_path(at, "health.path", path)).transpose()?;
        let port = self.port(&mut given, "port")?;
        let timeout = given.number("timeout", 1, MAX_HEALTH_TIMEOUT_S)?;
        given.finish()?;
        let timeout_s = timeout.and_then(|s| u32::try_from(s).ok()).unwrap_or(HEALTH_TIMEOUT_S);
        Ok(HealthCheck { path, port, timeout_s })
    }

    fn url_path(self, place: Place, what: &str, path: String) -> Result<String> {
        let clean = path.starts_with('/') && path.len() <= 1000 && path.bytes().all(|b| b.is_ascii_graphic());
        let folded = path.split('/').any(|part| part == "." || part == "..");
        if clean && !folded && !path.contains('#') {
            return Ok(path);
        }
        Err(place.error(
            self.file,
            format!("{what}: \"{}\" is not a path: begin with `/` and use no spaces, `..` or `#`", path.escape_debug()),
        ))
    }

    fn env(self, fields: &mut Fields<'a>) -> Result<BTreeMap<EnvKey, String>> {
        let Some(mut env) = fields.map("env")? else { return Ok(BTreeMap::new()) };
        let mut variables = BTreeMap::new();
        for node in env.list("include")?.unwrap_or_default() {
            let (key, value) = self.variable(node)?;
            variables.insert(key, value);
        }
        env.finish()?;
        Ok(variables)
    }

    fn variable(self, node: Node) -> Result<(EnvKey, String)> {
        let place = node.place;
        if let yaml::Value::Scalar { .. } = node.value {
            return Err(place.error(self.file, "importing variables of other parts is not possible in this version: write `- {name: KEY, value: TEXT}`"));
        }
        let mut entry = Fields::of(self.file, "a variable", node)?;
        let key = entry
            .parse("name")?
            .ok_or_else(|| entry.error("this variable has no name: write `- {name: KEY, value: TEXT}`"))?;
        let value = entry.text("value")?.map_or_else(String::new, |(value, _)| value);
        entry.finish()?;
        if value.len() > MAX_VALUE || value.contains('\0') {
            return Err(place.error(
                self.file,
                format!("the value of {key} has more than {} KiB or a NUL character", MAX_VALUE / 1024),
            ));
        }
        Ok((key, value))
    }

    fn volumes(self, fields: &mut Fields<'a>) -> Result<Vec<Volume>> {
        let mut volumes: Vec<Volume> = Vec::new();
        for node in fields.list("volumes")?.unwrap_or_default() {
            let place = node.place;
            let mut entry = Fields::of(self.file, "a volume", node)?;
            let identifier = self.identifier(&mut entry, "volume")?;
            let Some((path, at)) = entry.text("path")? else {
                return Err(
                    place.error(self.file, format!("the volume \"{identifier}\" has no path: add `path: /data`"))
                );
            };
            entry.finish()?;
            let path = self.mount_path(at, path)?;
            if volumes.iter().any(|volume| volume.path == path) {
                return Err(at.error(self.file, format!("two volumes are mounted at {path}")));
            }
            volumes.push(Volume { identifier, path });
        }
        Ok(volumes)
    }

    fn mount_path(self, place: Place, path: String) -> Result<String> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let sane = path.starts_with('/') && !parts.is_empty() && path.len() <= 500;
        let system = parts.first().is_some_and(|first| matches!(*first, "proc" | "sys" | "dev"));
        if !sane
            || system
            || parts.iter().any(|p| matches!(*p, "." | ".."))
            || path.chars().any(|c| c.is_control() || c == ':' || c == ',')
        {
            return Err(place.error(
                self.file,
                format!(
                    "path: \"{}\" cannot be mounted: give an absolute folder in the container, as in /data",
                    path.escape_debug()
                ),
            ));
        }
        Ok(format!("/{}", parts.join("/")))
    }

    fn command(self, fields: &mut Fields<'a>) -> Result<Option<Vec<String>>> {
        let Some(node) = fields.take("command") else { return Ok(None) };
        let yaml::Value::List(items) = node.value else {
            return Err(node.place.error(
                self.file,
                "command must be a list of words, as in [serve, --port, \"80\"]: no shell reads it",
            ));
        };
        let words = items.into_iter().map(|item| text(self.file, "a word of command", item).map(|(word, _)| word));
        words.collect::<Result<Vec<_>>>().map(Some)
    }

    fn resources(self, fields: &mut Fields<'a>) -> Result<Resources> {
        let Some(mut given) = fields.map("resources")? else { return Ok(Resources::default()) };
        let memory = given.text("memory")?;
        let memory_bytes = memory
            .map(|(text, at)| {
                bytes(&text).ok_or_else(|| {
                    at.error(
                        self.file,
                        format!(
                            "memory: \"{}\" is not a size of at least 6 MiB: write it as 512MiB or 2GiB",
                            text.escape_debug()
                        ),
                    )
                })
            })
            .transpose()?;
        let cpus = given.text("cpus")?;
        let cpu_millis = cpus
            .map(|(text, at)| {
                millis(&text).ok_or_else(|| {
                    at.error(
                        self.file,
                        format!("cpus: \"{}\" is not a number of cores: write it as 0.5 or 2", text.escape_debug()),
                    )
                })
            })
            .transpose()?;
        given.finish()?;
        Ok(Resources { memory_bytes, cpu_millis })
    }

    fn hosts(self, fields: &mut Fields<'a>, identifier: &Identifier) -> Result<Vec<HostSpec>> {
        let Some(nodes) = fields.list("hosts")? else {
            return Ok(vec![HostSpec { identifier: identifier.clone(), path: "/".into() }]);
        };
        let mut hosts: Vec<HostSpec> = Vec::new();
        for node in nodes {
            let mut entry = Fields::of(self.file, "a host", node)?;
            let place = entry.place();
            let host = entry.parse("identifier")?.unwrap_or_else(|| identifier.clone());
            entry.take("name");
            // The container's port is the component's; a host of the edge listens on 80 and 443 alone.
            self.port(&mut entry, "port")?;
            let path = entry.text("path")?.map(|(path, at)| self.url_path(at, "path", path)).transpose()?;
            entry.finish()?;
            if hosts.iter().any(|other| other.identifier == host) {
                return Err(self.twice(place, &host));
            }
            hosts.push(HostSpec { identifier: host, path: path.unwrap_or_else(|| "/".into()) });
        }
        Ok(hosts)
    }
}

/// A path inside the source, without `.` and empty parts; `.` for the root.
pub fn clean_path(path: &str) -> Result<String, String> {
    let shown = path.escape_debug();
    if path.starts_with('/') {
        return Err(format!("\"{shown}\" is absolute; give a path inside the source, such as web"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("\"{shown}\" leads out of the source: `..` is not allowed"));
    }
    if path.len() > 500 || path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(format!("\"{shown}\" is not a path: use `/` between folders and no control characters"));
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "MiB" | "Mi" | "MB" | "M" | "m" => 1 << 20,
        "GiB" | "Gi" | "GB" | "G" | "g" => 1 << 30,
        "KiB" | "Ki" | "KB" | "K" | "k" => 1 << 10,
        "" | "B" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes >= MIN_MEMORY)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked before")]
fn millis(text: &str) -> Option<u32> {
    let cpus: f64 = text.parse().ok()?;
    (cpus.is_finite() && (0.01..=MAX_CPUS).contains(&cpus)).then_some((cpus * 1000.0) as u32)
}

#[cfg(test)]
#[path = "manifest_test.rs"]
mod tests;
