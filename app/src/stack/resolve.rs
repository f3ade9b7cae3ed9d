//! What is written, with packages → what is meant.

use std::collections::BTreeMap;

use boathouse_types::{EnvKey, Identifier, Millis, NewSchedule, Serves, SetSchedule};

use super::links;
use super::manifest::{Build, Include, Manifest, Part, ScheduleEntry};
use super::package::{Package, PackageImage, PackageKind, Storage};
use super::package_url::{Location, PackageUrl};
use super::problem::{ManifestErrors, Problems};
use super::{
    Commands, Component, Development, Files, HostSpec, Import, Origin, PackageUse, Provided, Stack, Volume, health,
    resources,
};

/// Makes the stack. `packages` answers for the packages that are at hand: the catalog's, and those that were fetched.
///
/// A component whose package is not at hand is what its folder's Dockerfile says; an add-on must have one, or an image.
///
/// # Errors
/// All that is wrong, with its place: packages of the wrong kind, imports of what is not there, variables in a circle.
pub fn resolve(
    manifest: &Manifest,
    packages: &dyn Fn(&PackageUrl) -> Option<Package>,
) -> Result<Stack, ManifestErrors> {
    let mut resolver = Resolver { manifest, packages, problems: Problems::of(&manifest.file) };
    let components: Vec<Component> =
        manifest.components.iter().filter_map(|part| resolver.part(part, PackageKind::Component)).collect();
    let mut addons: Vec<Component> =
        manifest.addons.iter().filter_map(|part| resolver.part(part, PackageKind::Addon)).collect();
    let missing = resolver.dependencies(&components, &addons);
    addons.extend(missing);
    let stack = Stack {
        name: manifest.name.clone(),
        components,
        addons,
        sleep: manifest.sleep,
        backup: manifest.backup.clone(),
    };
    // What was left out above would be reported a second time as unknown.
    if resolver.problems.is_empty() {
        links::check(manifest, &stack, &mut resolver.problems);
    }
    resolver.problems.finish(stack)
}

struct Resolver<'a> {
    manifest: &'a Manifest,
    packages: &'a dyn Fn(&PackageUrl) -> Option<Package>,
    problems: Problems,
}

impl Resolver<'_> {
    fn part(&mut self, part: &Part, kind: PackageKind) -> Option<Component> {
        let package = part.package.as_ref().and_then(|(url, _)| (self.packages)(url));
        let package = package.map(|package| package.named(&part.identifier));
        if let Some(package) = &package {
            self.check_kind(part, package, kind)?;
        }
        let origin = match kind {
            PackageKind::Component => component_origin(part, package.as_ref()),
            PackageKind::Addon => self.addon_origin(part, package.as_ref())?,
        };
        let mut component = Component::new(part.identifier.clone(), origin);
        if let Some(package) = &package {
            instantiate(&mut component, package, kind);
        }
        self.write_over(&mut component, part, package.as_ref(), kind);
        self.check_worker(&component, part);
        component.not_backed_up = part.not_backed_up;
        self.write_release(&mut component, part);
        self.write_replicas(&mut component, part);
        self.schedules(&mut component, part);
        Some(component)
    }

    fn write_release(&mut self, component: &mut Component, part: &Part) {
        let Some((release, at)) = &part.release else { return };
        if component.files.is_some() {
            let identifier = &part.identifier;
            self.problems.add(
                at.0,
                format!("\"{identifier}\" is files that are served, it has no container for a command: move `release` to a component that has one"),
            );
        }
        component.release = release.clone();
    }

    fn check_worker(&mut self, component: &Component, part: &Part) {
        let running = part.health.as_ref().and_then(|health| health.running);
        if let (Some((_, at)), Some(why)) = (running, health::worker_problem(component)) {
            self.problems.add(at.0, why);
        }
    }

    fn write_replicas(&mut self, component: &mut Component, part: &Part) {
        let Some((count, at)) = part.replicas else { return };
        component.resources.replicas = Some(count);
        if let Some(why) = resources::single(component, false).filter(|_| count > 1) {
            let identifier = &part.identifier;
            self.problems.add(at.0, format!("replicas: \"{identifier}\" cannot have {count} containers: {why}"));
        }
    }

    fn check_kind(&mut self, part: &Part, package: &Package, kind: PackageKind) -> Option<()> {
        if package.kind == kind {
            return Some(());
        }
        let (is, list) = match package.kind {
            PackageKind::Component => ("a component", "components"),
            PackageKind::Addon => ("an add-on", "addons"),
        };
        let place = part.package.as_ref().map_or(part.at.0, |(_, at)| at.0);
        self.problems.add(place, format!("{} is {is}: move \"{}\" to `{list}:`", package.name, part.identifier));
        None
    }

    fn addon_origin(&mut self, part: &Part, package: Option<&Package>) -> Option<Origin> {
        if let Some(image) = &part.image {
            return Some(Origin::Image { image: image.clone() });
        }
        match (package.map(|package| &package.image), &part.package) {
            (Some(PackageImage::Image { image, .. }), _) => Some(Origin::Image { image: image.clone() }),
            (Some(PackageImage::Dockerfile { .. }), _) => Some(built(part, part.identifier.to_string())),
            (None, Some((url, at))) => {
                let why = match url.location() {
                    Location::Catalog(_) => "is not in the catalog",
                    Location::Git(_) => "was not fetched: its repository is read by a release, not here",
                    Location::Folder(_) => "was not read",
                };
                let message = format!(
                    "the add-on \"{}\" needs the package \"{url}\", which {why}; give the add-on an image instead, as in `image: redis:7`",
                    part.identifier
                );
                self.problems.add(at.0, message);
                None
            }
            (None, None) => {
                self.problems.add(
                    part.at.0,
                    format!(
                        "the add-on \"{}\" needs a package or an image, as in `package: redis` or `image: redis:7`",
                        part.identifier
                    ),
                );
                None
            }
        }
    }

    /// What the manifest says wins over what the package says.
    fn write_over(&self, component: &mut Component, part: &Part, package: Option<&Package>, kind: PackageKind) {
        if let Some(name) = &part.name {
            name.clone_into(&mut component.name);
        }
        component.package = part.package.as_ref().map(|(url, _)| PackageUse {
            url: url.clone(),
            name: package.map(|package| package.name.clone()),
            commit: None,
        });
        if let Some(site) = &part.files {
            component.files = Some(Files { path: site_path(part, &site.path), spa: site.spa });
            if let Some(provided) = &mut component.provided {
                provided.files = false;
            }
        }
        let of_hosts = part.hosts.iter().flatten().find_map(|host| host.port);
        component.port = part.port.or(of_hosts).or(component.port);
        if let Some(given) = &part.health {
            component.health.write_over(given);
        }
        component.resources = part.resources;
        component.command.clone_from(&part.command);
        component.commands = Commands {
            development: part.commands.development.clone().or(component.commands.development.take()),
            production: part.commands.production.clone().or(component.commands.production.take()),
        };
        for entry in &part.volumes {
            component.volumes.retain(|volume| volume.path != entry.path);
            let volume = Volume::new(entry.identifier.clone(), entry.path.clone());
            component.volumes.push(Volume { size_mib: entry.size_mib, shared: entry.shared, ..volume });
        }
        if kind == PackageKind::Component {
            component.domains = part.domains.iter().map(|(domain, _)| domain.clone()).collect();
            component.edge = part.edge.clone();
            write_hosts(component, part);
        }
        let (env, imports) = split(&part.include);
        component.env.extend(env);
        component.imports.extend(imports);
        let everywhere = if kind == PackageKind::Component { &self.manifest.development[..] } else { &[] };
        let (mut env, mut imports) = split(everywhere);
        let own = split(&part.development);
        env.extend(own.0);
        imports.extend(own.1);
        component.development = Development { env, imports };
    }

    fn schedules(&mut self, component: &mut Component, part: &Part) {
        component.schedules = part.schedules.iter().map(|entry| schedule(&part.identifier, entry)).collect();
        if let (Some(first), Serves::Files) = (part.schedules.first(), component.serves()) {
            let message =
                format!("\"{}\" is files that are served, it has no container that runs commands", part.identifier);
            self.problems.add(first.at.0, message);
        }
    }

    /// Add-ons that packages cannot be without and that the manifest does not name.
    fn dependencies(&mut self, components: &[Component], addons: &[Component]) -> Vec<Component> {
        let mut added: Vec<Component> = Vec::new();
        for part in self.manifest.parts() {
            let Some((url, at)) = &part.package else { continue };
            let Some(package) = (self.packages)(url) else { continue };
            for dependency in &package.dependencies {
                let is_it = |other: &Component| other.identifier == dependency.identifier;
                if components.iter().chain(addons).chain(&added).any(is_it) {
                    continue;
                }
                let found =
                    dependency.package.parse::<PackageUrl>().ok().and_then(|url| Some(((self.packages)(&url)?, url)));
                let Some((needed, needed_url)) = found else {
                    let message = format!(
                        "{} needs an add-on \"{}\" ({}), which is not at hand",
                        package.name, dependency.identifier, dependency.package
                    );
                    self.problems.add_with_hint(
                        at.0,
                        message,
                        format!("Add it to `addons:` with the identifier {}.", dependency.identifier),
                    );
                    continue;
                };
                added.extend(self.addition(&dependency.identifier, needed_url, needed, at.0));
            }
        }
        added
    }

    fn addition(
        &mut self,
        identifier: &Identifier,
        url: PackageUrl,
        package: Package,
        place: super::yaml::Place,
    ) -> Option<Component> {
        let PackageImage::Image { image, .. } = package.image.clone() else {
            self.problems
                .add(place, format!("the add-on \"{identifier}\" ({url}) is built from a folder: add it to `addons:`"));
            return None;
        };
        let mut component = Component::new(identifier.clone(), Origin::Image { image });
        let package = package.named(identifier);
        instantiate(&mut component, &package, PackageKind::Addon);
        component.package = Some(PackageUse { url, name: Some(package.name), commit: None });
        Some(component)
    }
}

fn schedule(component: &Identifier, entry: &ScheduleEntry) -> NewSchedule {
    let set = SetSchedule {
        component: component.clone(),
        argv: entry.command.clone(),
        cron: entry.cron.clone(),
        zone: entry.zone.clone(),
        fresh: entry.inside.then_some(false),
        overlap: entry.overlap.unwrap_or_default(),
        limit_ms: entry.limit_s.map(|seconds| Millis::from(seconds) * 1000),
        catch_up: entry.catch_up,
    };
    NewSchedule { name: entry.identifier.clone(), set }
}

fn component_origin(part: &Part, package: Option<&Package>) -> Origin {
    let folder = part.folder.clone().unwrap_or_else(|| part.identifier.to_string());
    if let Some(image) = &part.image {
        return Origin::Image { image: image.clone() };
    }
    let is_of_source = |path: &str| !path.starts_with('/');
    if part.build.is_none() && part.files.as_ref().is_some_and(|site| is_of_source(&site.path)) {
        return Origin::Folder { folder };
    }
    match package.map(|package| &package.image) {
        Some(PackageImage::Image { image, .. }) if part.build.is_none() => Origin::Image { image: image.clone() },
        _ => built(part, folder),
    }
}

fn built(part: &Part, folder: String) -> Origin {
    let build = part.build.clone().unwrap_or_default();
    let dockerfile = build.dockerfile.unwrap_or_else(|| "Dockerfile".to_owned());
    let Build { target, args, secrets, no_cache, limits, .. } = build;
    Origin::Build { folder, dockerfile, target, args, secrets, no_cache, limits }
}

/// What the package says of the part.
fn instantiate(component: &mut Component, package: &Package, kind: PackageKind) {
    package.name.clone_into(&mut component.name);
    component.port = package.port;
    component.health = package.health.clone();
    component.health.presumed =
        package.health.path.is_some() && matches!(package.image, PackageImage::Dockerfile { .. });
    component.parameters.clone_from(&package.parameters);
    component.connection_strings.clone_from(&package.connection_strings);
    component.commands = package.commands.clone();
    component.backup.clone_from(&package.backup);
    component.rotate.clone_from(&package.rotate);
    component.major_migrates = matches!(package.image, PackageImage::Image { major_migrates: true, .. });
    component.volumes = package.storage.iter().filter_map(|storage| volume(&component.identifier, storage)).collect();
    if kind == PackageKind::Component {
        component.hosts.clone_from(&package.hosts);
    }
    for dependency in &package.dependencies {
        let imports = dependency.imports.iter();
        component
            .imports
            .extend(imports.map(|(theirs, ours)| Import::of_one(&dependency.identifier, theirs, Some(ours.clone()))));
        component.depends_on.push(dependency.identifier.clone());
    }
    let (Origin::Build { dockerfile, .. }, PackageImage::Dockerfile { production, development, ignore, files, spa }) =
        (&component.origin, &package.image)
    else {
        return;
    };
    if dockerfile != "Dockerfile" {
        return;
    }
    component.files = files.clone().map(|path| Files { path, spa: *spa });
    component.provided = Some(Provided {
        production: production.clone(),
        development: development.clone(),
        ignore: ignore.clone(),
        files: files.is_some(),
    });
}

fn volume(part: &Identifier, storage: &Storage) -> Option<Volume> {
    // Both are identifiers; together they may be too long for one, and then the part's own must do.
    let identifier = format!("{part}-{}", storage.identifier).parse().or_else(|_| part.as_str().parse()).ok()?;
    let Storage { path, size_mib, uid, gid, stages, .. } = storage.clone();
    Some(Volume { size_mib, uid, gid, stages, ..Volume::new(identifier, path) })
}

fn site_path(part: &Part, path: &str) -> String {
    let made = part.build.is_some() || part.image.is_some() || path.starts_with('/');
    let checked = if made { super::paths::in_image(path) } else { super::paths::inside(path) };
    checked.unwrap_or_else(|_| path.to_owned())
}

fn write_hosts(component: &mut Component, part: &Part) {
    match &part.hosts {
        None if component.hosts.is_empty() => component.hosts = vec![HostSpec::of(&component.identifier)],
        None => {}
        Some(hosts) => {
            component.hosts = hosts
                .iter()
                .map(|host| HostSpec {
                    identifier: host.identifier.clone().unwrap_or_else(|| part.identifier.clone()),
                    path: host.path.clone().unwrap_or_else(|| "/".to_owned()),
                    name: host.name.clone(),
                    port: host.port.filter(|port| Some(*port) != component.port),
                })
                .collect();
        }
    }
}

/// Static variables and imports of a list; of what is there twice the later wins.
fn split(include: &[Include]) -> (BTreeMap<EnvKey, String>, Vec<Import>) {
    let (mut env, mut imports) = (BTreeMap::new(), Vec::new());
    for entry in include {
        match entry {
            Include::Static { key, value, .. } => drop(env.insert(key.clone(), value.clone())),
            Include::Import { import, .. } => imports.push(import.clone()),
        }
    }
    (env, imports)
}
