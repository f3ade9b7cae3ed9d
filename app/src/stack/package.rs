//! A package: the definition that a component or add-on of a stack instantiates. Data only; `package_manifest` reads it.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Identifier, ImageRef};
use serde::{Deserialize, Serialize};

use super::{HealthCheck, HostSpec};

/// Whether users reach what it makes, or only components do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// A component: built from code, reached by users.
    Component,
    /// An add-on: a ready image, reached by components.
    Addon,
}

/// What a component or add-on is unless the manifest says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Component or add-on.
    pub kind: PackageKind,
    /// The identifier that a new part of this package gets.
    pub identifier: Identifier,
    /// Display name: `PostgreSQL`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// What its container is made from, where its folder has no Dockerfile of its own.
    pub image: PackageImage,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// How it is found healthy.
    pub health: HealthCheck,
    /// Public endpoints; none for an add-on.
    pub hosts: Vec<HostSpec>,
    /// Variables that it gets and that others may import, in the order of the package.
    pub parameters: Vec<Parameter>,
    /// Ways to reach it, as people and programs write them down.
    pub connection_strings: Vec<ConnectionString>,
    /// Volumes that outlive releases.
    pub storage: Vec<Storage>,
    /// Add-ons that it cannot be without, by the identifier that they have here.
    pub dependencies: Vec<Dependency>,
    /// Replaces the image's command where given.
    pub commands: Commands,
    /// How its data is taken and put back: an argument list that runs in its container.
    pub backup: Option<Backup>,
    /// How a credential of it is changed while it runs.
    pub rotate: Option<Rotate>,
}

/// What stands for the part's own identifier in a package's values; Diploi's word for it comes second.
const SELF: [&str; 2] = ["${IDENTIFIER}", "${DIPLOI_NAMESPACE}"];

impl Package {
    /// The package as the part of that identifier has it: its own name is known in every value.
    pub fn named(mut self, identifier: &Identifier) -> Self {
        let strings = self.connection_strings.iter_mut().map(|string| &mut string.value);
        for value in self.parameters.iter_mut().map(|parameter| &mut parameter.value).chain(strings) {
            for word in SELF {
                *value = value.replace(word, identifier.as_str());
            }
        }
        self
    }
}

/// What a package's container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PackageImage {
    /// A ready image.
    Image {
        /// The reference.
        image: ImageRef,
        /// Versions that may be asked for, newest first; empty where the package has but one.
        #[serde(default)]
        versions: Vec<String>,
        /// Another major version cannot read the data of this one: it must be migrated by hand.
        #[serde(default)]
        major_migrates: bool,
    },
    /// Built from the part's folder.
    Dockerfile {
        /// Text of `Dockerfile`, for staging, production and preview.
        production: String,
        /// Text of `Dockerfile.dev`, for development.
        development: Option<String>,
        /// Text of the `.dockerignore` that belongs to both.
        ignore: Option<String>,
        /// The part becomes files of this absolute path in the built image, served by the edge.
        files: Option<String>,
        /// Unknown paths of these files answer `index.html`.
        spa: bool,
    },
}

/// A variable of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub key: EnvKey,
    /// Display name.
    pub name: String,
    /// One sentence.
    pub description: Option<String>,
    /// Display name of the group that it stands in.
    pub group: String,
    /// What values it takes.
    pub kind: ParameterKind,
    /// A template: text with `${generate-random-password:16}`, `${OTHER}` and the like.
    pub value: String,
    /// Whether a deployment may set another value.
    pub read_only: bool,
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Text that is never shown.
    Secret,
}

/// A way to reach a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionString {
    /// Display name: `Connection URI`.
    pub name: String,
    /// A template of the part's variables.
    pub value: String,
    /// Who can use it.
    pub description: Option<String>,
}

/// A volume of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Its identifier; the part's own is put before it.
    pub identifier: Identifier,
    /// Absolute path in the container.
    pub path: String,
    /// What is expected to be enough, in MiB; shown, not enforced.
    pub size_mib: Option<u64>,
    /// Owner of the files.
    pub uid: Option<u32>,
    /// Group of the files.
    pub gid: Option<u32>,
    /// Stages that have it; all where empty.
    pub stages: BTreeSet<DeploymentStage>,
}

/// An add-on that a package cannot be without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The identifier of the add-on in the stack.
    pub identifier: Identifier,
    /// The package of the add-on.
    pub package: String,
    /// Variables of it that the part imports: theirs → ours.
    pub imports: BTreeMap<EnvKey, EnvKey>,
}

/// Commands that replace the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// At stage development.
    pub development: Option<Vec<String>>,
    /// At all other stages.
    pub production: Option<Vec<String>>,
}

impl Commands {
    /// Whether the image's are used.
    pub fn is_empty(&self) -> bool {
        self.development.is_none() && self.production.is_none()
    }
}

/// How data is taken and put back. Both run in the part's container, with its environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Writes the data to standard output.
    pub dump: Vec<String>,
    /// Reads it from standard input.
    pub restore: Vec<String>,
    /// Writes what must be the same after a restore as before the dump, in lines: names and counts, no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// The ending of the file that it is stored as: `sql`, `rdb`, `archive`.
    pub extension: String,
}

/// How a credential is changed while the add-on runs. The new value is in the variable `NEW_VALUE` of the command, the old
/// one in the parameter's own: neither stands in an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotate {
    /// The parameter that is replaced.
    pub key: EnvKey,
    /// The parameter that is the login name, where the server knows one password per name: two names take turns, the new one
    /// is in `NEW_USER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<EnvKey>,
    /// Makes the new value valid; the old one may stay valid.
    pub begin: Vec<String>,
    /// Ends the old one, once nobody uses it.
    pub end: Option<Vec<String>>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A parameter of a package.
    pub fn parameter(key: &str, value: &str, kind: ParameterKind) -> Parameter {
        Parameter {
            key: key.parse().unwrap(),
            name: key.to_owned(),
            description: None,
            group: "Connection".to_owned(),
            kind,
            value: value.to_owned(),
            read_only: false,
        }
    }

    /// A package of which only its name and image are known.
    pub fn package(kind: PackageKind, identifier: &str, image: PackageImage) -> Package {
        Package {
            kind,
            identifier: identifier.parse().unwrap(),
            name: identifier.to_owned(),
            description: String::new(),
            image,
            port: None,
            health: HealthCheck::default(),
            hosts: Vec::new(),
            parameters: Vec::new(),
            connection_strings: Vec::new(),
            storage: Vec::new(),
            dependencies: Vec::new(),
            commands: Commands::default(),
            backup: None,
            rotate: None,
        }
    }

    /// A database as the catalog has it.
    pub fn postgres() -> Package {
        let image =
            PackageImage::Image { image: "postgres:17".parse().unwrap(), versions: Vec::new(), major_migrates: true };
        let data = Storage {
            identifier: "data".parse().unwrap(),
            path: "/var/lib/postgresql/data".to_owned(),
            size_mib: Some(6144),
            uid: None,
            gid: None,
            stages: BTreeSet::new(),
        };
        let url = "postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:5432/${POSTGRES_DB}";
        Package {
            name: "PostgreSQL".to_owned(),
            port: Some(5432),
            parameters: vec![
                parameter("POSTGRES_HOST", "${IDENTIFIER}", ParameterKind::String),
                parameter("POSTGRES_USER", "postgres", ParameterKind::String),
                parameter("POSTGRES_PASSWORD", "${generate-random-password:24}", ParameterKind::Secret),
                parameter("POSTGRES_DB", "app", ParameterKind::String),
                parameter("DATABASE_URL", url, ParameterKind::Secret),
            ],
            storage: vec![data],
            ..package(PackageKind::Addon, "postgres", image)
        }
    }

    /// A component that is built from its package and needs a database.
    pub fn n8n() -> Package {
        let image = PackageImage::Dockerfile {
            production: "FROM n8n\n".to_owned(),
            development: None,
            ignore: None,
            files: None,
            spa: false,
        };
        let key = |text: &str| -> EnvKey { text.parse().unwrap() };
        Package {
            port: Some(5678),
            hosts: vec![HostSpec::of(&"app".parse().unwrap())],
            dependencies: vec![Dependency {
                identifier: "postgres".parse().unwrap(),
                package: "postgres#17".to_owned(),
                imports: BTreeMap::from([(key("POSTGRES_HOST"), key("DB_HOST"))]),
            }],
            ..package(PackageKind::Component, "n8n", image)
        }
    }

    /// A component whose files the edge serves.
    pub fn vite() -> Package {
        let image = PackageImage::Dockerfile {
            production: "FROM node\n".to_owned(),
            development: Some("FROM node\n".to_owned()),
            ignore: Some("node_modules\n".to_owned()),
            files: Some("/app/dist".to_owned()),
            spa: true,
        };
        package(PackageKind::Component, "vite", image)
    }
}
