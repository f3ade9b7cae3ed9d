//! The variables of every part, each with its source. Pure: what is stored or made at random is handed in.
//!
//! Order, later wins: the server's settings (the way out, in development), automatic (`PORT`, `STAGE`, `APP_PUBLIC_URL`, `<HOST>_ENDPOINT`), the package's parameters, imports, the
//! manifest's static variables, then the layers: shared variables and the deployment's own. Add-ons get no automatic
//! variables, and of the layers only what names them.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Identifier, Millis, VariableSource};
use serde::{Deserialize, Serialize};

use super::links::{Links, Unresolved};
use super::render::{Level, Resolver};
use super::template::Generator;
use super::{Component, Origin, Stack};
use crate::error::{Result, invalid};

/// `PORT` of a component whose manifest and image name none.
pub const DEFAULT_PORT: u16 = 8080;

/// What the automatic variables are made from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The deployment's stage.
    pub stage: DeploymentStage,
    /// Address of the first component.
    pub public_url: Option<String>,
    /// Address of each host.
    pub endpoints: Vec<Endpoint>,
    /// Ports that the images declare, by component.
    pub exposed: BTreeMap<Identifier, Vec<u16>>,
    /// When tokens of this deployment count as issued.
    pub issued_at: Millis,
    /// The way out that programs of components need.
    pub outward: Vec<Outward>,
}

/// A variable that leads programs out of a closed network.
#[derive(Clone)]
pub struct Outward {
    /// Its key.
    pub key: EnvKey,
    /// Its value.
    pub value: String,
    /// Whether there is a password in it.
    pub secret: bool,
    /// The setting of the server that says so.
    pub setting: &'static str,
}

/// The address of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The component that answers.
    pub component: Identifier,
    /// The host's identifier in the manifest.
    pub host: Identifier,
    /// Its address.
    pub url: String,
}

/// A variable that somebody set: it is taken as it is, placeholders are not filled in.
#[derive(Clone)]
pub struct Layer {
    /// Who set it.
    pub source: VariableSource,
    /// Only this part gets it; all components where absent.
    pub component: Option<Identifier>,
    /// Its key.
    pub key: EnvKey,
    /// Its value.
    pub value: String,
    /// Whether it may be shown.
    pub secret: bool,
}

/// A variable of a part.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its value.
    pub value: String,
    /// It is a secret or made of one.
    pub secret: bool,
    /// It was made at random, or is made of what was.
    #[serde(default)]
    pub generated: bool,
    /// Where it comes from.
    pub source: VariableSource,
    /// What else would have given it a value, the nearest first.
    #[serde(default)]
    pub overridden: Vec<VariableSource>,
}

/// Variables by part.
pub type Environment = BTreeMap<Identifier, BTreeMap<EnvKey, Variable>>;

/// Values alone, by part.
pub type Values = BTreeMap<Identifier, BTreeMap<EnvKey, String>>;

/// The values of an environment.
pub fn values(environment: &Environment) -> Values {
    let of_part =
        |own: &BTreeMap<EnvKey, Variable>| own.iter().map(|(key, own)| (key.clone(), own.value.clone())).collect();
    environment.iter().map(|(part, own)| (part.clone(), of_part(own))).collect()
}

/// What cannot be worked out from the manifest.
pub trait Supply {
    /// The piece that a placeholder of a variable stands for: the same each time it is asked for. `nth` counts the placeholders
    /// of that kind in the variable.
    fn piece(&mut self, part: &Identifier, key: &EnvKey, nth: usize, generator: Generator) -> Result<String>;

    /// The value of a variable that is read by another one and that nobody has set.
    fn missing(&mut self, part: &Identifier, reader: &EnvKey, key: &EnvKey) -> Result<String>;

    /// A variable is imported that its part does not have.
    fn unresolved(&mut self, what: &Unresolved<'_>) -> Result<()> {
        let Unresolved { importer, import, exporter } = what;
        let package = exporter
            .package
            .as_ref()
            .map_or_else(String::new, |package| format!(": the package {} is not known here", package.url));
        Err(invalid(format!(
            "\"{}\" imports {import}, and \"{}\" has no such variable{package}",
            importer.identifier, exporter.identifier
        ))
        .hint("Use a package of the catalog, or write the variables of that component into its `env.include`."))
    }
}

/// The environment of all parts. Later layers win.
///
/// # Errors
/// A variable that reads one without a value refuses the whole: an app never starts with half a value.
pub fn resolve(stack: &Stack, facts: &Facts, layers: &[Layer], supply: &mut dyn Supply) -> Result<Environment> {
    let links = Links::of(stack, facts.stage);
    for unresolved in links.unresolved() {
        supply.unresolved(&unresolved)?;
    }
    let mut resolver = Resolver::new(&links, stack, facts, layers, supply);
    stack.in_start_order().map(|part| Ok((part.identifier.clone(), of_part(&mut resolver, part)?))).collect()
}

fn of_part(resolver: &mut Resolver<'_>, part: &Component) -> Result<BTreeMap<EnvKey, Variable>> {
    let mut variables = BTreeMap::new();
    for key in resolver.keys(part) {
        let mut levels = resolver.levels(part, &key).into_iter();
        let Some(level) = levels.next() else { continue };
        let value = resolver.value(part, &key, level)?;
        let variable = Variable {
            value: value.text,
            secret: value.secret,
            generated: value.generated,
            source: resolver.source(part, &key, level),
            overridden: levels.map(|level| resolver.source(part, &key, level)).collect(),
        };
        variables.insert(key, variable);
    }
    Ok(variables)
}

/// What a build may know, and what of it was left out because an image keeps it for ever.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BuildArgs {
    /// Values by name.
    pub values: BTreeMap<String, String>,
    /// Names of arguments that are secrets or made of such.
    pub left_out: BTreeSet<String>,
}

/// The build arguments of a part: its static variables and its `build.args`, filled in, without what is secret.
pub fn build_args(stack: &Stack, part: &Component, facts: &Facts, layers: &[Layer]) -> Result<BuildArgs> {
    let links = Links::of(stack, facts.stage);
    let mut supply = Unfilled { missing: BTreeSet::new() };
    let mut made = BuildArgs::default();
    let mut note = |key: String, value: super::render::Value, missing: bool| {
        if value.secret || missing {
            made.left_out.insert(key);
        } else {
            made.values.insert(key, value.text);
        }
    };
    let statics: Vec<EnvKey> = links
        .part(&part.identifier)
        .map_or_else(Vec::new, |own| own.statics.keys().map(|key| (*key).clone()).collect());
    for key in statics {
        supply.missing.clear();
        let value = Resolver::new(&links, stack, facts, layers, &mut supply).value(part, &key, Level::Manifest)?;
        note(key.to_string(), value, !supply.missing.is_empty());
    }
    if let Origin::Build { args, .. } = &part.origin {
        for (key, template) in args {
            supply.missing.clear();
            let value = Resolver::new(&links, stack, facts, layers, &mut supply).text(part, template)?;
            note(key.clone(), value, !supply.missing.is_empty());
        }
    }
    // A build reads these by another way, which leaves nothing in the image.
    let secrets: BTreeSet<String> = part.build_secrets().map(ToString::to_string).collect();
    made.values.retain(|key, _| !secrets.contains(key));
    made.left_out.retain(|key| !secrets.contains(key));
    Ok(made)
}

/// Fills in nothing: what needs something made at random is secret, and what needs a value that nobody set is left out.
struct Unfilled {
    missing: BTreeSet<EnvKey>,
}

impl Supply for Unfilled {
    fn piece(&mut self, _: &Identifier, _: &EnvKey, _: usize, _: Generator) -> Result<String> {
        Ok(String::new())
    }

    fn missing(&mut self, _: &Identifier, _: &EnvKey, key: &EnvKey) -> Result<String> {
        self.missing.insert(key.clone());
        Ok(String::new())
    }
}

// Values may be secrets: they never appear in debug output.
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("key", &self.key).field("source", &self.source).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outward").field("key", &self.key).field("setting", &self.setting).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variable").field("source", &self.source).field("secret", &self.secret).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "environment_test.rs"]
mod tests;
