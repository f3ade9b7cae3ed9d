//! Values: which source gives a variable its value, and templates filled in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use boathouse_types::{EnvKey, Identifier, VariableSource};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::circles::MAX_DEPTH;
use super::environment::{DEFAULT_PORT, Facts, Layer, Outward, Supply};
use super::links::{self, Links, PartLinks};
use super::package::ParameterKind;
use super::template::{Piece, Template};
use super::{Component, Stack, jwt};
use crate::error::{Result, invalid};

/// All but the unreserved characters (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Names that every template may read besides the part's variables: its host name in the deployment. The second is Diploi's,
/// in addresses like `http://app.${DIPLOI_NAMESPACE}`; `app.IDENTIFIER` leads to the part here, too.
const OWN_NAMES: [&str; 2] = ["IDENTIFIER", "DIPLOI_NAMESPACE"];

/// Who gives a variable its value; the later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The server's settings.
    Setting,
    /// Boathouse.
    Automatic,
    /// The part's package.
    Package,
    /// Another part.
    Import,
    /// The manifest.
    Manifest,
    /// The layer of that position.
    Layer(usize),
}

/// A value and whether it may be shown.
#[derive(Clone)]
pub struct Value {
    /// The value.
    pub text: String,
    /// It is a secret or made of one.
    pub secret: bool,
    /// It was made at random, or is made of what was.
    pub generated: bool,
}

impl Value {
    fn shown(text: impl Into<String>) -> Self {
        Self { text: text.into(), secret: false, generated: false }
    }
}

/// Works out values, each once.
pub struct Resolver<'a> {
    links: &'a Links<'a>,
    facts: &'a Facts,
    layers: &'a [Layer],
    supply: &'a mut dyn Supply,
    automatic: BTreeMap<&'a Identifier, BTreeMap<EnvKey, String>>,
    known: HashMap<(Identifier, EnvKey, Level), Value>,
    depth: usize,
}

impl<'a> Resolver<'a> {
    /// For the parts of a stack.
    pub fn new(
        links: &'a Links<'a>,
        stack: &'a Stack,
        facts: &'a Facts,
        layers: &'a [Layer],
        supply: &'a mut dyn Supply,
    ) -> Self {
        let automatic = stack.components.iter().map(|part| (&part.identifier, automatic(stack, part, facts))).collect();
        Self { links, facts, layers, supply, automatic, known: HashMap::new(), depth: 0 }
    }

    /// All variables that a part has.
    pub fn keys(&self, part: &Component) -> BTreeSet<EnvKey> {
        let mut keys: BTreeSet<EnvKey> =
            self.automatic.get(&part.identifier).into_iter().flat_map(|own| own.keys().cloned()).collect();
        if let Some(own) = self.links.part(&part.identifier) {
            keys.extend(own.statics.keys().chain(own.parameters.keys()).map(|key| (*key).clone()));
            keys.extend(own.imports.keys().cloned());
        }
        keys.extend(self.outward(part).iter().map(|outward| outward.key.clone()));
        keys.extend(self.layers.iter().filter(|layer| self.reaches(layer, part)).map(|layer| layer.key.clone()));
        keys
    }

    /// Packages are installed in components; an add-on is complete.
    fn outward(&self, part: &Component) -> &'a [Outward] {
        if self.automatic.contains_key(&part.identifier) { &self.facts.outward } else { &[] }
    }

    fn setting(&self, part: &Component, key: &EnvKey) -> Option<&'a Outward> {
        self.outward(part).iter().find(|outward| outward.key == *key)
    }

    /// Add-ons get only what names them: a database is no place for the variables of apps.
    fn reaches(&self, layer: &Layer, part: &Component) -> bool {
        match &layer.component {
            Some(component) => *component == part.identifier,
            None => self.automatic.contains_key(&part.identifier),
        }
    }

    /// Who would give a variable a value, the winner first.
    pub fn levels(&self, part: &Component, key: &EnvKey) -> Vec<Level> {
        let layers = self.layers.iter().enumerate().rev();
        let mut levels: Vec<Level> = layers
            .filter(|(_, layer)| layer.key == *key && self.reaches(layer, part))
            .map(|(at, _)| Level::Layer(at))
            .collect();
        if let Some(own) = self.links.part(&part.identifier) {
            levels.extend(own.statics.contains_key(key).then_some(Level::Manifest));
            levels.extend(own.imports.contains_key(key).then_some(Level::Import));
            levels.extend(own.parameters.contains_key(key).then_some(Level::Package));
        }
        let automatic = self.automatic.get(&part.identifier);
        levels.extend(automatic.is_some_and(|own| own.contains_key(key)).then_some(Level::Automatic));
        levels.extend(self.setting(part, key).map(|_| Level::Setting));
        levels
    }

    /// What a level is called to people.
    pub fn source(&self, part: &Component, key: &EnvKey, level: Level) -> VariableSource {
        match level {
            Level::Setting => match self.setting(part, key) {
                Some(outward) => VariableSource::Setting { setting: outward.setting.to_owned() },
                None => VariableSource::Automatic,
            },
            Level::Automatic => VariableSource::Automatic,
            Level::Package => {
                let package = part.package.as_ref();
                let name = package.map_or_else(String::new, |package| {
                    package.name.clone().unwrap_or_else(|| package.url.to_string())
                });
                VariableSource::Package { package: name }
            }
            Level::Import => match self.links.part(&part.identifier).and_then(|own| own.imports.get(key)) {
                Some((from, theirs)) => VariableSource::Import { from: (*from).clone(), key: theirs.clone() },
                None => VariableSource::Automatic,
            },
            Level::Manifest => VariableSource::Manifest,
            Level::Layer(at) => self.layers[at].source.clone(),
        }
    }

    /// The value that a level gives a variable.
    pub fn value(&mut self, part: &Component, key: &EnvKey, level: Level) -> Result<Value> {
        let place = (part.identifier.clone(), key.clone(), level);
        if let Some(known) = self.known.get(&place) {
            return Ok(known.clone());
        }
        if self.depth == MAX_DEPTH {
            return Err(invalid(format!(
                "more than {MAX_DEPTH} variables read each other in a row, up to {}.{key}",
                part.identifier
            )));
        }
        self.depth += 1;
        let value = self.work_out(part, key, level)?;
        self.depth -= 1;
        self.known.insert(place, value.clone());
        Ok(value)
    }

    fn work_out(&mut self, part: &Component, key: &EnvKey, level: Level) -> Result<Value> {
        let own = self.links.part(&part.identifier);
        match level {
            Level::Setting => Ok(self.setting(part, key).map_or_else(
                || Value::shown(""),
                |outward| Value { secret: outward.secret, ..Value::shown(&outward.value) },
            )),
            Level::Automatic => Ok(Value::shown(
                self.automatic.get(&part.identifier).and_then(|own| own.get(key)).cloned().unwrap_or_default(),
            )),
            Level::Package => {
                let Some(parameter) = own.and_then(|own| own.parameters.get(key).copied()) else {
                    return Ok(Value::shown(""));
                };
                let value = self.fill(part, key, level, &parameter.value)?;
                let secret = value.secret || parameter.kind == ParameterKind::Secret;
                // A login name changes with its password, so a repeated release must not bring back the old one.
                Ok(Value {
                    secret,
                    generated: value.generated || own.is_some_and(|own| own.rotating.contains(key)),
                    ..value
                })
            }
            Level::Import => {
                let Some((from, theirs)) = own.and_then(|own| own.imports.get(key)) else {
                    return Ok(Value::shown(""));
                };
                let (from, theirs) = (self.links.part(from), theirs.clone());
                from.map_or_else(|| Ok(Value::shown("")), |from| self.exported(from, &theirs))
            }
            Level::Manifest => {
                let text = own.and_then(|own| own.statics.get(key).copied()).unwrap_or_default();
                self.fill(part, key, level, text)
            }
            Level::Layer(at) => {
                let layer = &self.layers[at];
                let rotated = matches!(layer.source, VariableSource::Package { .. });
                let parameter = own.and_then(|own| own.parameters.get(key).copied());
                let is_secret = parameter.is_some_and(|parameter| parameter.kind == ParameterKind::Secret);
                let secret = layer.secret || rotated && is_secret;
                Ok(Value { text: layer.value.clone(), secret, generated: rotated })
            }
        }
    }

    /// What a part gives to others: what it has itself, whatever it imports under that name.
    fn exported(&mut self, from: &PartLinks<'a>, key: &EnvKey) -> Result<Value> {
        let own = |level: &Level| !matches!(level, Level::Import | Level::Automatic | Level::Setting);
        if let Some(level) = self.levels(from.part, key).into_iter().find(own) {
            return self.value(from.part, key, level);
        }
        let host = links::endpoints(&from.part.hosts).find(|(name, _)| name == key).map(|(_, host)| &host.identifier);
        let is_it = |endpoint: &&super::environment::Endpoint| {
            endpoint.component == from.part.identifier && Some(&endpoint.host) == host
        };
        match self.facts.endpoints.iter().find(is_it) {
            Some(endpoint) => Ok(Value::shown(endpoint.url.clone())),
            None => Err(invalid(format!("{}.{key} is imported, and that host has no address", from.part.identifier))),
        }
    }

    /// A template that is no variable of the part.
    pub fn text(&mut self, part: &Component, text: &str) -> Result<Value> {
        let nobody = "_".parse::<EnvKey>()?;
        self.fill(part, &nobody, Level::Layer(usize::MAX), text)
    }

    fn fill(&mut self, part: &Component, key: &EnvKey, level: Level, text: &str) -> Result<Value> {
        let template = Template::parse(text)
            .map_err(|why| invalid(format!("the variable {key} of {}: {why}", part.identifier)))?;
        let (mut filled, mut secret, mut generated) = (String::new(), false, false);
        let mut counts = BTreeMap::new();
        for piece in template.pieces() {
            let value = match piece {
                Piece::Text(text) => {
                    filled.push_str(text);
                    continue;
                }
                Piece::Variable(other) => self.read(part, key, level, other)?,
                Piece::Generated(generator) => {
                    let nth = counts.entry(*generator).or_insert(0_usize);
                    let text = self.supply.piece(&part.identifier, key, *nth, *generator)?;
                    *nth += 1;
                    Value { text, secret: true, generated: true }
                }
                Piece::Jwt { secret, claims } => {
                    let signing = self.read(part, key, level, secret)?;
                    Value { text: jwt::sign(&signing.text, claims, self.facts.issued_at)?, secret: true, ..signing }
                }
            };
            secret |= value.secret;
            generated |= value.generated;
            if template.is_url() {
                filled.extend(utf8_percent_encode(&value.text, ENCODED));
            } else {
                filled.push_str(&value.text);
            }
        }
        Ok(Value { text: filled, secret, generated })
    }

    /// A variable that another one reads. Its own name means what stands below it.
    fn read(&mut self, part: &Component, reader: &EnvKey, level: Level, key: &EnvKey) -> Result<Value> {
        let below = |other: &Level| key != reader || *other < level;
        if let Some(found) = self.levels(part, key).into_iter().find(below) {
            return self.value(part, key, found);
        }
        if OWN_NAMES.contains(&key.as_str()) {
            return Ok(Value::shown(part.identifier.as_str()));
        }
        self.supply.missing(&part.identifier, reader, key).map(Value::shown)
    }
}

fn automatic(stack: &Stack, part: &Component, facts: &Facts) -> BTreeMap<EnvKey, String> {
    let exposed = facts.exposed.get(&part.identifier).and_then(|ports| ports.first().copied());
    let port = part.port.or(exposed).unwrap_or(DEFAULT_PORT);
    let mut variables =
        vec![("PORT".to_owned(), port.to_string()), ("STAGE".to_owned(), facts.stage.as_str().to_owned())];
    variables.extend(facts.public_url.iter().map(|url| ("APP_PUBLIC_URL".to_owned(), url.clone())));
    // Of hosts with the same name a component sees its own, else the first component's.
    let order = |endpoint: &super::environment::Endpoint| {
        let at = stack.components.iter().position(|other| other.identifier == endpoint.component);
        (endpoint.component != part.identifier, at)
    };
    let mut endpoints: Vec<_> = facts.endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| order(endpoint));
    variables
        .extend(endpoints.iter().rev().map(|endpoint| (links::endpoint_key(&endpoint.host), endpoint.url.clone())));
    // Keys made from identifiers are valid: letters, digits and underscores.
    variables.into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect()
}
