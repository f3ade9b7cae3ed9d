//! The variables of a package: in groups that people see, and in none.

use boathouse_types::EnvKey;

use super::super::fields::Fields;
use super::super::package::{Parameter, ParameterKind};
use super::super::yaml::{Node, Place};
use super::{NO_GROUP, Reader};
use crate::error::Result;

/// Variables of one package.
const MAX_PARAMETERS: usize = 200;
/// How Diploi's older packages ask for a password.
const OLD_PASSWORD: &str = "[diploi-generate-password]";
const NEW_PASSWORD: &str = "${generate-random-password:32}";

impl<'a> Reader<'a> {
    pub fn parameters(self, top: &mut Fields<'a>) -> Result<Vec<Parameter>> {
        let mut all: Vec<Parameter> = Vec::new();
        for node in top.list("parameterGroups")?.unwrap_or_default() {
            self.group(node, &mut all)?;
        }
        for node in top.list("environmentVariables")?.unwrap_or_default() {
            let (parameter, _) = self.parameter(node, NO_GROUP)?;
            // Where a group has it too, people see and change that one.
            if !all.iter().any(|known| known.key == parameter.key) {
                all.push(parameter);
            }
        }
        if all.len() > MAX_PARAMETERS {
            return Err(top.error(format!("a package has at most {MAX_PARAMETERS} variables")));
        }
        Ok(all)
    }

    /// A group that can be switched off, and is, gives no variables: they exist once somebody sets them.
    fn group(self, node: Node, all: &mut Vec<Parameter>) -> Result<()> {
        let mut group = Fields::of(self.file, "a parameter group", node)?;
        let identifier = group.text("identifier")?.map(|(text, _)| text);
        let name = group.text("name")?.map(|(text, _)| text).or(identifier).unwrap_or_else(|| NO_GROUP.to_owned());
        group.take("description");
        let toggleable = group.flag("toggleable")?;
        let on = group.text("defaultValue")?.is_none_or(|(text, _)| text.eq_ignore_ascii_case("true"));
        for node in group.list("parameters")?.unwrap_or_default() {
            let (parameter, place) = self.parameter(node, &name)?;
            if all.iter().any(|known| known.key == parameter.key) {
                return Err(place.error(self.file, format!("the parameter {} is given twice", parameter.key)));
            }
            if on || !toggleable {
                all.push(parameter);
            }
        }
        group.finish()
    }

    fn parameter(self, node: Node, group: &str) -> Result<(Parameter, Place)> {
        let mut entry = Fields::of(self.file, "a parameter", node)?;
        let place = entry.place();
        let key: EnvKey = entry
            .parse("identifier")?
            .ok_or_else(|| entry.error("this parameter has no identifier: add `identifier: POSTGRES_USER`"))?;
        let name = entry.text("name")?.map_or_else(|| key.to_string(), |(text, _)| text);
        let description = entry.text("description")?.map(|(text, _)| text);
        let (value, value_place) = entry.text("defaultValue")?.unwrap_or((String::new(), place));
        let kind = self.parameter_kind(&mut entry)?;
        let read_only = entry.flag("readOnly")?;
        entry.take("contexts");
        entry.finish()?;
        let value = self.value(value_place, &key, kind, value)?;
        Ok((Parameter { key, name, description, group: group.to_owned(), kind, value, read_only }, place))
    }

    fn parameter_kind(self, entry: &mut Fields<'a>) -> Result<ParameterKind> {
        let Some((kind, at)) = entry.text("type")? else { return Ok(ParameterKind::String) };
        match kind.as_str() {
            "string" => Ok(ParameterKind::String),
            "integer" => Ok(ParameterKind::Integer),
            "boolean" => Ok(ParameterKind::Boolean),
            "secret" => Ok(ParameterKind::Secret),
            _ => Err(at.error(
                self.file,
                format!("type: \"{}\" is none of string, integer, boolean, secret", kind.escape_debug()),
            )),
        }
    }

    fn value(self, place: Place, key: &EnvKey, kind: ParameterKind, value: String) -> Result<String> {
        if value == OLD_PASSWORD {
            return Ok(NEW_PASSWORD.to_owned());
        }
        if value.contains('\0') {
            return Err(place.error(self.file, format!("the value of {key} has a NUL character")));
        }
        let template = value.contains("${");
        match kind {
            ParameterKind::Integer if !template && !value.is_empty() && value.parse::<i64>().is_err() => Err(place
                .error(self.file, format!("{key} is an integer; \"{}\" is not a whole number", value.escape_debug()))),
            ParameterKind::Boolean if !template => match value.to_ascii_lowercase().as_str() {
                word @ ("true" | "false" | "") => Ok(word.to_owned()),
                _ => Err(place.error(
                    self.file,
                    format!("{key} is a boolean; \"{}\" is neither true nor false", value.escape_debug()),
                )),
            },
            _ => Ok(value),
        }
    }
}
