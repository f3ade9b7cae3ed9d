//! The table of keys as a JSON Schema (draft 2020-12), for editors. It allows what the parser allows, and where a rule cannot be
//! said in a schema, more.

use serde_json::{Map, Value, json};

use super::conform::visit;
use super::grammar::MANIFEST;
use super::shape::{Form, Items, Key, Rule, Shape};

/// Where the schema says that it lives; nothing is fetched from there.
const ID: &str = "https://boathouse.dev/schema/boathouse.json";

/// The schema of a manifest.
pub fn manifest() -> Value {
    let mut definitions = Map::new();
    visit(&MANIFEST, &mut |shape| {
        definitions.entry(shape.noun).or_insert_with(|| mapping(shape));
    });
    let Some(Value::Object(mut root)) = definitions.remove(MANIFEST.noun) else { return Value::Null };
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("$id".to_owned(), json!(ID));
    root.insert("title".to_owned(), json!("Boathouse manifest"));
    root.insert("required".to_owned(), json!(["components"]));
    root.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(root)
}

fn mapping(shape: &Shape) -> Value {
    let properties: Map<String, Value> = shape.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.required.is_some()).map(|key| key.name).collect();
    let mut made = json!({
        "type": "object",
        "description": shape.says,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        made["required"] = json!(required);
    }
    made
}

/// A key that may be absent may also be empty.
fn property(key: &Key) -> Value {
    let mut value = value(key.form);
    let wanted = key.required.is_some();
    if let (false, Some(kind)) = (wanted, value.get_mut("type")) {
        let mut kinds = match kind.take() {
            Value::Array(kinds) => kinds,
            one => vec![one],
        };
        kinds.push(json!("null"));
        *kind = Value::Array(kinds);
        if let Some(Value::Array(words)) = value.get_mut("enum") {
            words.push(Value::Null);
        }
    } else if !wanted {
        value = json!({"anyOf": [value, {"type": "null"}]});
    }
    value["description"] = json!(key.says);
    value
}

fn value(form: Form) -> Value {
    match form {
        Form::Text => json!({"type": ["string", "number", "boolean"]}),
        Form::Word(rule) => word(rule),
        Form::Number { low, high } => {
            json!({"type": ["integer", "string"], "minimum": low, "maximum": high, "pattern": "^\\+?[0-9]+$"})
        }
        Form::Flag => json!({"type": "boolean"}),
        Form::List(items) => list(items),
        Form::OneOrList(items) => json!({"anyOf": [list(items), value(items.form)]}),
        Form::Map(shape) => reference(shape),
        Form::Texts => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }),
        Form::Either(rule, shape) => json!({"anyOf": [word(rule), reference(shape)]}),
        Form::Words => json!({"anyOf": [
            {"type": ["string", "number", "boolean"]},
            {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
        ]}),
    }
}

fn list(items: &Items) -> Value {
    json!({"type": "array", "items": value(items.form)})
}

fn reference(shape: &Shape) -> Value {
    json!({"$ref": format!("#/$defs/{}", shape.noun)})
}

/// A pattern speaks of texts; a number that YAML makes of an unquoted word passes it.
fn word(rule: &Rule) -> Value {
    let mut made = json!({"type": ["string", "number"]});
    if let Some(pattern) = rule.pattern {
        made["pattern"] = json!(pattern);
    }
    if !rule.words.is_empty() {
        made = json!({"type": "string", "enum": rule.words});
    }
    made
}
