//! A package's own manifest → [`Package`]: Diploi's keys and ours. Every error names file, line and column.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Identifier, ImageRef};

use super::fields::{Fields, text};
use super::package::{
    Backup, Commands, ConnectionString, Dependency, Package, PackageImage, PackageKind, Parameter, Rotate, Storage,
};
use super::paths;
use super::yaml::{self, Place};
use super::{HEALTH_TIMEOUT_S, HealthCheck, HostSpec};
use crate::error::{Error, Result};

mod parameters;

/// The names under which a package's manifest is looked for, in this order.
pub const PACKAGE_FILE_NAMES: [&str; 3] = ["package.yaml", "boathouse.yaml", "diploi.yaml"];

/// Seconds that a health check may wait at most.
const MAX_HEALTH_TIMEOUT_S: u64 = 3600;
/// What the manifest calls the image of the version that was asked for.
const TAG: &str = "[tag]";
/// The group of variables that stand in no group.
pub const NO_GROUP: &str = "Environment";

/// A package's folder, as far as its manifest needs it.
pub struct PackageSource<'a> {
    /// The manifest's name, for the messages.
    pub file: &'a str,
    /// The manifest's text.
    pub text: &'a str,
    /// The identifier of new parts, where the manifest gives none.
    pub identifier: &'a Identifier,
    /// The version that was asked for: what `[tag]` stands for.
    pub version: Option<&'a str>,
    /// The text of another file of the folder.
    pub read: &'a dyn Fn(&str) -> Option<String>,
}

/// What a package's manifest says: the package, and how a catalog shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageManifest {
    /// The package.
    pub package: Package,
    /// What it is for: `database`, `web framework`.
    pub category: Option<String>,
    /// Other names that it is found under.
    pub aliases: Vec<String>,
    /// Its picture, a file of the folder.
    pub icon: Option<String>,
    /// How its starter counts visits, where it does.
    pub starter: Option<StarterCode>,
}

/// The piece of a starter that depends on the chosen add-ons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterCode {
    /// The folder of `shared` that the piece comes from.
    pub language: String,
    /// The file that counts.
    pub visits: Option<String>,
    /// How the list of packages is written that `{{driver}}` stands in.
    pub driver: Option<String>,
    /// The file that sends and receives messages, where a broker is chosen; what else differs then is in the package's folder `messages`.
    pub messages: Option<String>,
}

/// Reads a package's manifest.
pub fn parse(source: &PackageSource<'_>) -> Result<PackageManifest> {
    let mut top = Fields::of(source.file, "the package", yaml::read(source.file, source.text)?)?;
    let reader = Reader { file: source.file, source };
    for said_elsewhere in ["diploiVersion", "contexts", "logs", "supportsAdditionalHosts", "defaultContainer"] {
        // What Diploi's cluster needs to know; nothing here depends on it.
        top.take(said_elsewhere);
    }
    let (category, icon) = (top.text("category")?.map(|(text, _)| text), top.text("icon")?);
    let icon = icon.map(|(path, at)| reader.inside(at, "icon", &path)).transpose()?;
    let aliases = reader.words(&mut top, "aliases")?.unwrap_or_default();
    let starter = reader.starter(&mut top)?;
    let package = reader.package(&mut top)?;
    top.finish()?;
    Ok(PackageManifest { package, category, aliases, icon, starter })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    file: &'a str,
    source: &'a PackageSource<'a>,
}

impl<'a> Reader<'a> {
    fn package(self, top: &mut Fields<'a>) -> Result<Package> {
        let kind = self.kind(top)?;
        let name = top.text("name")?.ok_or_else(|| top.error("a package needs a name: add `name: PostgreSQL`"))?.0;
        let description = top.text("description")?.map_or_else(String::new, |(text, _)| text);
        let identifier = top.parse("identifier")?.unwrap_or_else(|| self.source.identifier.clone());
        let parameters = self.parameters(top)?;
        let (hosts, host_port) = self.hosts(top)?;
        let package = Package {
            kind,
            identifier,
            name,
            description,
            image: self.image(top, kind)?,
            port: port(top)?.or(host_port),
            health: self.health(top)?,
            hosts: if kind == PackageKind::Component { hosts } else { Vec::new() },
            connection_strings: self.connection_strings(top)?,
            storage: self.storage(top)?,
            dependencies: self.dependencies(top)?,
            commands: self.commands(top)?,
            backup: self.backup(top)?,
            rotate: self.rotate(top, &parameters)?,
            parameters,
        };
        Ok(package)
    }

    fn kind(self, top: &mut Fields<'a>) -> Result<PackageKind> {
        match top.text("type")? {
            Some((kind, _)) if kind == "component" => Ok(PackageKind::Component),
            Some((kind, _)) if kind == "addon" => Ok(PackageKind::Addon),
            Some((kind, at)) => Err(at.error(
                self.file,
                format!(
                    "type: \"{}\" is neither `component` nor `addon`: only these can be used as packages",
                    kind.escape_debug()
                ),
            )),
            None => Err(top.error("a package needs a type: add `type: component` or `type: addon`")),
        }
    }

    fn hosts(self, top: &mut Fields<'a>) -> Result<(Vec<HostSpec>, Option<u16>)> {
        let (mut hosts, mut first_port): (Vec<HostSpec>, _) = (Vec::new(), None);
        for node in top.list("hosts")?.unwrap_or_default() {
            let mut entry = Fields::of(self.file, "a host", node)?;
            let identifier: Identifier = entry
                .parse("identifier")?
                .ok_or_else(|| entry.error("this host has no identifier: add `identifier: app`"))?;
            let (place, host_port) = (entry.place(), port(&mut entry)?);
            entry.take("name");
            // Names are given here by the instance's own rule.
            entry.take("urlFormat");
            entry.finish()?;
            if hosts.iter().any(|host| host.identifier == identifier) {
                return Err(place.error(self.file, format!("the host \"{identifier}\" is given twice")));
            }
            first_port = first_port.or(host_port);
            hosts.push(HostSpec::of(&identifier));
        }
        Ok((hosts, first_port))
    }

    fn image(self, top: &mut Fields<'a>, kind: PackageKind) -> Result<PackageImage> {
        let ready = self.ready_image(top)?;
        let versions = self.words(top, "versions")?.unwrap_or_default();
        let major_migrates = top.flag("majorMigrates")?;
        let dockerfile = self.file(top, "dockerfile", "Dockerfile")?;
        let development = self.file(top, "developmentDockerfile", "Dockerfile.dev")?;
        let ignore = self.file(top, "dockerignore", ".dockerignore")?;
        let files = top.text("static")?;
        let spa = top.flag("spa")?;
        if let Some((path, at)) = &files
            && (!path.starts_with('/') || path.split('/').any(|part| part == ".."))
        {
            return Err(at.error(self.file, "static: an absolute path in the image without `..` is needed"));
        }
        let files = files.map(|(path, _)| path);
        // Diploi's add-ons have a Dockerfile as well; it makes their ready image.
        match (kind, dockerfile, ready) {
            (PackageKind::Component, Some(production), None | Some(Ready { prebuilt: true, .. })) => {
                Ok(PackageImage::Dockerfile { production, development, ignore, files, spa })
            }
            (PackageKind::Component, Some(_), Some(Ready { prebuilt: false, .. })) => {
                Err(top.error("this package has an image and a Dockerfile: keep one of them"))
            }
            (_, _, Some(Ready { image, .. })) => Ok(PackageImage::Image { image, versions, major_migrates }),
            (PackageKind::Component, None, None) => Err(top.error(
                "this package has neither an image nor a Dockerfile: add `images: [{identifier: app, image: NAME}]`",
            )),
            (PackageKind::Addon, _, None) => {
                Err(top
                    .error("an add-on's package needs an image: add `images: [{identifier: db, image: postgres:17}]`"))
            }
        }
    }

    fn ready_image(self, top: &mut Fields<'a>) -> Result<Option<Ready>> {
        let Some(nodes) = top.list("images")? else { return Ok(None) };
        if let [_, second, ..] = nodes.as_slice() {
            return Err(second.place.error(
                self.file,
                "this package is made of several images; here a part is one container: make a package of each and name the others under `dependencies`",
            ));
        }
        let Some(node) = nodes.into_iter().next() else { return Ok(None) };
        let mut entry = Fields::of(self.file, "an image", node)?;
        entry.take("identifier");
        let (image, prebuilt) = (entry.text("image")?, entry.text("prebuildImage")?);
        let is_prebuilt = image.is_none();
        let Some((reference, place)) = image.or(prebuilt) else {
            return Err(entry.error("this image has no reference: add `image: postgres:17`"));
        };
        entry.finish()?;
        let reference = reference.replace(TAG, self.source.version.unwrap_or("latest"));
        let image = reference.parse::<ImageRef>().map_err(|why| place.error(self.file, format!("image: {why}")))?;
        Ok(Some(Ready { image, prebuilt: is_prebuilt }))
    }

    /// The text of the file that a key names; of the usual one where it names none.
    fn file(self, top: &mut Fields<'a>, key: &'static str, usual: &str) -> Result<Option<String>> {
        let Some((path, at)) = top.text(key)? else { return Ok((self.source.read)(usual)) };
        let path = self.inside(at, key, &path)?;
        match (self.source.read)(&path) {
            Some(text) => Ok(Some(text)),
            None => Err(at.error(self.file, format!("{key}: the package has no file \"{}\"", path.escape_debug()))),
        }
    }

    fn health(self, top: &mut Fields<'a>) -> Result<HealthCheck> {
        let Some(mut given) = top.map("health")? else { return Ok(HealthCheck::default()) };
        let path = given.text("path")?;
        if let Some((path, at)) = &path
            && (!path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(at.error(self.file, "health.path: begin with `/` and use no spaces"));
        }
        let health_port = port(&mut given)?;
        let timeout = given.number("timeout", 1, MAX_HEALTH_TIMEOUT_S)?.and_then(|s| u32::try_from(s).ok());
        given.finish()?;
        Ok(HealthCheck {
            path: path.map(|(path, _)| path),
            port: health_port,
            timeout_s: timeout.unwrap_or(HEALTH_TIMEOUT_S),
            ..HealthCheck::default()
        })
    }

    fn connection_strings(self, top: &mut Fields<'a>) -> Result<Vec<ConnectionString>> {
        let mut strings = Vec::new();
        for node in top.list("connectionStrings")?.unwrap_or_default() {
            let mut entry = Fields::of(self.file, "a connection string", node)?;
            let name = entry.text("name")?.map_or_else(|| "Connection string".to_owned(), |(text, _)| text);
            let value = entry.text("value")?;
            let Some((value, _)) = value else {
                return Err(
                    entry.error("this connection string has no value: add `value: postgres://${POSTGRES_HOST}`")
                );
            };
            let description = entry.text("description")?.map(|(text, _)| text);
            entry.finish()?;
            strings.push(ConnectionString { name, value, description });
        }
        Ok(strings)
    }

    fn storage(self, top: &mut Fields<'a>) -> Result<Vec<Storage>> {
        let mut all: Vec<Storage> = Vec::new();
        for node in top.list("storage")?.unwrap_or_default() {
            let mut entry = Fields::of(self.file, "a storage", node)?;
            let place = entry.place();
            let identifier: Identifier = entry
                .parse("identifier")?
                .ok_or_else(|| entry.error("this storage has no identifier: add `identifier: data`"))?;
            let Some((path, at)) = entry.text("path")? else {
                return Err(entry
                    .error(format!("the storage \"{identifier}\" has no path: add `path: /data`"))
                    .hint("Diploi keeps that path in its cluster's templates, which are not read here; without it the data would be lost."));
            };
            let sane = path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
            if !sane || path.chars().any(|c| c.is_control() || c == ':' || c == ',') {
                return Err(at.error(self.file, "path: give an absolute folder in the container, as in /data"));
            }
            if all.iter().any(|other| other.identifier == identifier || other.path == path) {
                return Err(
                    place.error(self.file, format!("two storages are called \"{identifier}\" or mounted at {path}"))
                );
            }
            let size_mib = entry.number("sizeMiB", 1, 1 << 30)?;
            let (uid, gid) =
                (entry.number("uid", 0, u64::from(u32::MAX))?, entry.number("gid", 0, u64::from(u32::MAX))?);
            let stages = self.stages(&mut entry)?;
            entry.finish()?;
            let id = |id: Option<u64>| id.and_then(|id| u32::try_from(id).ok());
            all.push(Storage { identifier, path, size_mib, uid: id(uid), gid: id(gid), stages });
        }
        Ok(all)
    }

    fn stages(self, entry: &mut Fields<'a>) -> Result<BTreeSet<DeploymentStage>> {
        let mut stages = BTreeSet::new();
        for node in entry.list("stages")?.unwrap_or_default() {
            let (word, at) = text(self.file, "a stage", node)?;
            let stage = serde_json::from_value(serde_json::Value::String(word.clone())).map_err(|_| {
                at.error(
                    self.file,
                    format!("\"{}\" is none of development, staging, production, preview", word.escape_debug()),
                )
            })?;
            stages.insert(stage);
        }
        Ok(stages)
    }

    fn dependencies(self, top: &mut Fields<'a>) -> Result<Vec<Dependency>> {
        let mut all: Vec<Dependency> = Vec::new();
        for node in top.list("dependencies")?.unwrap_or_default() {
            let mut entry = Fields::of(self.file, "a dependency", node)?;
            let place = entry.place();
            let identifier: Identifier = entry
                .parse("identifier")?
                .ok_or_else(|| entry.error("this dependency has no identifier: add `identifier: postgres`"))?;
            let (package, _) = entry
                .text("package")?
                .ok_or_else(|| place.error(self.file, format!("the dependency \"{identifier}\" has no package")))?;
            let imports = self.imports(&mut entry)?;
            entry.finish()?;
            if all.iter().any(|other| other.identifier == identifier) {
                return Err(place.error(self.file, format!("the dependency \"{identifier}\" is given twice")));
            }
            all.push(Dependency { identifier, package, imports });
        }
        Ok(all)
    }

    fn imports(self, entry: &mut Fields<'a>) -> Result<BTreeMap<EnvKey, EnvKey>> {
        let Some(mut env) = entry.map("env")? else { return Ok(BTreeMap::new()) };
        let mut imports = BTreeMap::new();
        for node in env.list("include")?.unwrap_or_default() {
            let (line, at) = text(self.file, "an import", node)?;
            let (theirs, ours) = line.split_once(':').unwrap_or((&line, &line));
            let key = |text: &str| text.parse::<EnvKey>().map_err(|why| at.error(self.file, why));
            imports.insert(key(theirs)?, key(ours)?);
        }
        env.finish()?;
        Ok(imports)
    }

    fn commands(self, top: &mut Fields<'a>) -> Result<Commands> {
        if let Some(words) = self.words(top, "command")? {
            return Ok(Commands { development: Some(words.clone()), production: Some(words) });
        }
        let Some(mut given) = top.map("containerCommands")? else { return Ok(Commands::default()) };
        let commands = Commands {
            development: self.words(&mut given, "developmentStart")?,
            production: self.words(&mut given, "productionStart")?,
        };
        given.finish()?;
        Ok(commands)
    }

    fn backup(self, top: &mut Fields<'a>) -> Result<Option<Backup>> {
        let Some(mut given) = top.map("backup")? else { return Ok(None) };
        let (dump, restore) = (self.command(&mut given, "dump")?, self.command(&mut given, "restore")?);
        let check = self.words(&mut given, "check")?;
        let extension = given.text("extension")?;
        if let Some((extension, at)) = &extension
            && (extension.is_empty()
                || !extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'))
        {
            return Err(at.error(self.file, "extension: use lower-case letters, digits and dots, as in sql.gz"));
        }
        given.finish()?;
        Ok(Some(Backup {
            dump,
            restore,
            check,
            extension: extension.map_or_else(|| "dump".to_owned(), |(text, _)| text),
        }))
    }

    fn rotate(self, top: &mut Fields<'a>, parameters: &[Parameter]) -> Result<Option<Rotate>> {
        let Some(mut given) = top.map("rotate")? else { return Ok(None) };
        let key: EnvKey = given
            .parse("key")?
            .ok_or_else(|| given.error("rotate: name the parameter, as in `key: POSTGRES_PASSWORD`"))?;
        if !parameters.iter().any(|parameter| parameter.key == key) {
            return Err(given.error(format!("rotate: the package has no parameter {key}")));
        }
        let user: Option<EnvKey> = given.parse("user")?;
        if let Some(user) = user.as_ref().filter(|user| !parameters.iter().any(|parameter| parameter.key == **user)) {
            return Err(given.error(format!("rotate: the package has no parameter {user}")));
        }
        let (begin, end) = (self.command(&mut given, "begin")?, self.words(&mut given, "end")?);
        given.finish()?;
        Ok(Some(Rotate { key, user, begin, end }))
    }

    fn starter(self, top: &mut Fields<'a>) -> Result<Option<StarterCode>> {
        let Some(mut given) = top.map("starter")? else { return Ok(None) };
        let language = given.text("language")?.ok_or_else(|| given.error("starter: name its `language`"))?.0;
        let visits = given.text("visits")?;
        let visits = visits.map(|(path, at)| self.inside(at, "visits", &path)).transpose()?;
        let driver = given.text("driver")?.map(|(text, _)| text);
        let messages = given.text("messages")?;
        let messages = messages.map(|(path, at)| self.inside(at, "messages", &path)).transpose()?;
        given.finish()?;
        Ok(Some(StarterCode { language, visits, driver, messages }))
    }

    fn command(self, fields: &mut Fields<'a>, key: &'static str) -> Result<Vec<String>> {
        match self.words(fields, key)? {
            Some(words) if !words.is_empty() => Ok(words),
            _ => Err(fields.error(format!("{key} is missing: give a list of words, as in `{key}: [pg_dump, app]`"))),
        }
    }

    /// A list of words; no shell reads it.
    fn words(self, fields: &mut Fields<'a>, key: &'static str) -> Result<Option<Vec<String>>> {
        let Some(nodes) = fields.list(key)? else { return Ok(None) };
        nodes.into_iter().map(|node| Ok(text(self.file, key, node)?.0)).collect::<Result<_>>().map(Some)
    }

    fn inside(self, place: Place, what: &str, path: &str) -> Result<String, Error> {
        paths::inside(path).map_err(|why| place.error(self.file, format!("{what}: {why}")))
    }
}

struct Ready {
    image: ImageRef,
    /// Made by the package's author from its Dockerfile, for stacks without code of their own.
    prebuilt: bool,
}

fn port(fields: &mut Fields<'_>) -> Result<Option<u16>> {
    Ok(fields.number("port", 1, u64::from(u16::MAX))?.and_then(|port| u16::try_from(port).ok()))
}

#[cfg(test)]
#[path = "package_manifest_test.rs"]
mod tests;
