//! A file's nodes against the table of its keys: every unknown, misplaced or missing key and every wrong value is noted.

use super::grammar;
use super::nearest::nearest;
use super::problem::Problems;
use super::shape::{Form, Items, Rule, Shape};
use super::yaml::{Key, Node, Place, Value};

/// Notes what of `node` is not as `shape` says.
pub fn check(shape: &'static Shape, node: &Node, problems: &mut Problems) {
    mapping(shape, "the manifest", node, problems);
}

fn mapping(shape: &'static Shape, what: &str, node: &Node, problems: &mut Problems) {
    let Value::Map(entries) = &node.value else {
        problems.add(node.place, format!("{what} must be a mapping of keys to values"));
        return;
    };
    for (key, value) in entries {
        match shape.key(&key.text) {
            None => problems.add(key.place, unknown(shape, key)),
            // A key without a value counts as absent.
            Some(_) if matches!(value.value, Value::Null) => {}
            Some(known) => form(known.form, known.name, value, problems),
        }
    }
    for key in shape.keys {
        let given = entries.iter().any(|(given, value)| given.text == key.name && !matches!(value.value, Value::Null));
        if let (Some(example), false) = (key.required, given) {
            let noun = named(shape, entries);
            problems.add(node.place, format!("{noun} has no {}: add `{example}`", key.name));
        }
    }
}

/// `this component`, or `the volume "data"` where it has said so much.
fn named(shape: &Shape, entries: &[(Key, Node)]) -> String {
    let identifier = entries.iter().find(|(key, _)| key.text == "identifier");
    match identifier.map(|(_, node)| &node.value) {
        Some(Value::Scalar { text, .. }) => format!("the {} \"{}\"", shape.noun, text.escape_debug()),
        _ => format!("this {}", shape.noun),
    }
}

fn unknown(shape: &Shape, key: &Key) -> String {
    let shown = key.text.chars().take(80).collect::<String>();
    let message = format!("unknown key \"{}\"", shown.escape_debug());
    let here = || shape.keys.iter().map(|key| key.name);
    if let Some(known) = nearest(&key.text, here()) {
        return format!("{message}; did you mean \"{known}\"?");
    }
    let homes: Vec<String> = homes(&key.text).iter().map(|home| with_article(home.noun)).collect();
    if homes.is_empty() {
        return format!("{message}; known here: {}", here().collect::<Vec<_>>().join(", "));
    }
    format!(
        "misplaced key \"{}\": it belongs in {}, not in {}",
        shown.escape_debug(),
        homes.join(" or "),
        with_article(shape.noun)
    )
}

/// The mappings that know a key of that name.
fn homes(key: &str) -> Vec<&'static Shape> {
    let mut found = Vec::new();
    visit(&grammar::MANIFEST, &mut |shape| {
        if shape.key(key).is_some() && !found.iter().any(|other: &&Shape| std::ptr::eq(*other, shape)) {
            found.push(shape);
        }
    });
    found
}

/// Calls `each` with all mappings below `shape`.
pub fn visit(shape: &'static Shape, each: &mut impl FnMut(&'static Shape)) {
    each(shape);
    for key in shape.keys {
        below(key.form, each);
    }
}

fn below(form: Form, each: &mut impl FnMut(&'static Shape)) {
    match form {
        Form::Map(shape) | Form::Either(_, shape) => visit(shape, each),
        Form::List(items) | Form::OneOrList(items) => below(items.form, each),
        Form::Text | Form::Word(_) | Form::Number { .. } | Form::Flag | Form::Texts | Form::Words => {}
    }
}

fn with_article(noun: &str) -> String {
    match noun {
        "manifest" => "the root of the manifest".to_owned(),
        "build-limits" => "`build.limits`".to_owned(),
        "request-limits" => "`limits` of a component".to_owned(),
        "env" | "development" | "build" | "health" | "release" | "resources" | "containerCommands" | "headers"
        | "header-fields" | "auth" => {
            format!("`{noun}`")
        }
        _ if noun.starts_with(['a', 'e', 'i', 'o']) => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}

fn form(form: Form, what: &str, node: &Node, problems: &mut Problems) {
    match form {
        Form::Map(shape) => mapping(shape, what, node, problems),
        Form::Texts => texts(what, node, problems),
        Form::List(items) => match &node.value {
            Value::List(nodes) => each(items, what, nodes, problems),
            _ => problems.add(node.place, items.instead),
        },
        Form::OneOrList(items) => match &node.value {
            Value::List(nodes) => each(items, what, nodes, problems),
            _ => item(items, what, node, problems),
        },
        Form::Words => match &node.value {
            Value::List(nodes) => {
                for node in nodes {
                    scalar("a word", node, problems);
                }
            }
            _ => {
                scalar(what, node, problems);
            }
        },
        Form::Either(_, shape) if matches!(node.value, Value::Map(_)) => mapping(shape, what, node, problems),
        Form::Either(rule, _) | Form::Word(rule) => {
            if let Some(text) = scalar(what, node, problems) {
                word(rule, what, text, node.place, problems);
            }
        }
        Form::Text => {
            scalar(what, node, problems);
        }
        Form::Number { low, high } => {
            let Some(text) = scalar(what, node, problems) else { return };
            if !text.parse::<u64>().is_ok_and(|number| (low..=high).contains(&number)) {
                problems.add(
                    node.place,
                    format!("{what}: \"{}\" is not a number from {low} to {high}", text.escape_debug()),
                );
            }
        }
        Form::Flag => {
            let is = |word: &str| matches!(&node.value, Value::Scalar { text, plain: true } if text == word);
            if !is("true") && !is("false") {
                problems.add(node.place, format!("{what} must be true or false"));
            }
        }
    }
}

fn each(items: &'static Items, what: &str, nodes: &[Node], problems: &mut Problems) {
    nodes.iter().for_each(|node| item(items, what, node, problems));
}

/// A word of a list is called by the list's key, as in `secrets: "A-B" is not …`; everything else by what it is.
fn item(items: &'static Items, what: &str, node: &Node, problems: &mut Problems) {
    let is_word = matches!(items.form, Form::Word(_) | Form::Either(..)) && matches!(node.value, Value::Scalar { .. });
    form(items.form, if is_word { what } else { items.one }, node, problems);
}

fn word(rule: &Rule, what: &str, text: &str, place: Place, problems: &mut Problems) {
    if let Err(why) = (rule.check)(text) {
        let near = nearest(text, rule.words.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        problems.add(place, format!("{what}: {why}{near}"));
    }
}

fn texts(what: &str, node: &Node, problems: &mut Problems) {
    let Value::Map(entries) = &node.value else {
        problems.add(node.place, format!("{what} must be a mapping of keys to values"));
        return;
    };
    for (key, node) in entries.iter().filter(|(_, node)| !matches!(node.value, Value::Null)) {
        scalar(&key.text, node, problems);
    }
}

fn scalar<'a>(what: &str, node: &'a Node, problems: &mut Problems) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => {
            problems.add(node.place, format!("{what} must be one word or text"));
            None
        }
    }
}
