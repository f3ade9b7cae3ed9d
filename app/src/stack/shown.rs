//! An environment as people may see it: secrets without their values.

use std::collections::BTreeMap;

use boathouse_types::{self as types, EnvKey, PartChange, PartEnvironment, VariableSource};

use super::environment::{Environment, Values, Variable};
use super::template::{Piece, Template};
use super::{Component, Stack};

/// What stands for a secret inside a text.
const MASK: &str = "***";

/// The parts of a stack with their variables, components first.
pub fn parts(stack: &Stack, environment: &Environment) -> Vec<PartEnvironment> {
    let empty = BTreeMap::new();
    let shown = |part: &Component, addon: bool| {
        let own = environment.get(&part.identifier).unwrap_or(&empty);
        let (custom, automatic) = own
            .iter()
            .map(|(key, variable)| shown(key, variable))
            .partition(|variable| variable.source == VariableSource::Custom);
        PartEnvironment {
            identifier: part.identifier.clone(),
            addon,
            automatic,
            custom,
            connection_strings: connection_strings(part, own),
        }
    };
    let components = stack.components.iter().map(|part| shown(part, false));
    components.chain(stack.addons.iter().map(|part| shown(part, true))).collect()
}

/// A variable without its value where that is a secret.
fn shown(key: &EnvKey, variable: &Variable) -> types::Variable {
    types::Variable {
        key: key.clone(),
        value: (!variable.secret).then(|| variable.value.clone()),
        secret: variable.secret,
        source: variable.source.clone(),
        overridden: variable.overridden.clone(),
    }
}

fn connection_strings(part: &Component, own: &BTreeMap<EnvKey, Variable>) -> Vec<types::ConnectionString> {
    let strings = part.connection_strings.iter();
    let shown = |string: &super::package::ConnectionString| types::ConnectionString {
        name: string.name.clone(),
        value: filled(&string.value, own),
        description: string.description.clone(),
    };
    strings.map(shown).collect()
}

fn filled(template: &str, own: &BTreeMap<EnvKey, Variable>) -> String {
    let Ok(template) = Template::parse(template) else { return template.to_owned() };
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(key) => match own.get(key) {
            Some(variable) if !variable.secret => variable.value.clone(),
            _ => MASK.to_owned(),
        },
        Piece::Generated(_) | Piece::Jwt { .. } => MASK.to_owned(),
    };
    template.pieces().iter().map(piece).collect()
}

/// Which variables of which parts are not the same in two environments; parts that only one of them has are left out.
pub fn changes(before: &Values, after: &Values) -> Vec<PartChange> {
    let of_part = |(identifier, new): (&types::Identifier, &BTreeMap<EnvKey, String>)| {
        let old = before.get(identifier)?;
        let mut keys: Vec<EnvKey> =
            new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| key.clone()).collect();
        keys.extend(old.keys().filter(|key| !new.contains_key(*key)).cloned());
        keys.sort();
        (!keys.is_empty()).then(|| PartChange { identifier: identifier.clone(), keys })
    };
    after.iter().filter_map(of_part).collect()
}
