//! The keys of a component that the edge carries out, from the manifest's nodes.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, Redirect, USUAL_REDIRECT, resources};

use super::{BasicAuth, Domain, EdgePolicy, FieldName, FieldValue, HeaderEdits, HeaderRules, RequestLimits, keys};
use crate::stack::entries::{Entries, Pair, text};
use crate::stack::manifest::{At, Include};
use crate::stack::problem::Problems;
use crate::stack::yaml::Place;

/// Entries of each list.
const MOST: usize = 100;

/// The policy of a component.
pub fn policy(part: &mut Entries, problems: &mut Problems) -> EdgePolicy {
    EdgePolicy {
        headers: part.map("headers").map_or_else(HeaderRules::default, |given| headers(given, problems)),
        redirects: redirects(part, problems),
        limits: part.map("limits").map_or_else(RequestLimits::default, |given| limits(given, problems)),
        auth: part.map("auth").and_then(|given| auth(given, problems)),
    }
}

fn headers(mut given: Entries, problems: &mut Problems) -> HeaderRules {
    let response = given.map("response").map_or_else(HeaderEdits::default, |edits| header_edits(edits, problems));
    let request = given.map("request").map_or_else(HeaderEdits::default, |edits| header_edits(edits, problems));
    given.finish();
    HeaderRules { response, request }
}

fn header_edits(mut given: Entries, problems: &mut Problems) -> HeaderEdits {
    let (mut edits, mut seen) = (HeaderEdits::default(), BTreeSet::new());
    let mut name = |text: &str, place: Place, problems: &mut Problems| match text.parse::<FieldName>() {
        Err(why) => {
            problems.add(place, why);
            None
        }
        // Names are compared without case (RFC 9110 §5.1).
        Ok(_) if !seen.insert(text.to_ascii_lowercase()) => {
            problems.add(place, format!("the field {text} is named twice: set it or remove it, once"));
            None
        }
        Ok(name) => Some(name),
    };
    for Pair { key, key_place, value, place } in given.pairs("set").unwrap_or_default() {
        let (Some(field), value) = (name(&key, key_place, problems), value.parse::<FieldValue>()) else { continue };
        match value {
            Ok(value) => drop(edits.set.insert(field, value)),
            Err(why) => problems.add(place, format!("{field}: {why}")),
        }
    }
    for node in given.list("remove").unwrap_or_default() {
        let place = node.place;
        let Some(field) = text(node).and_then(|text| name(&text, place, problems)) else { continue };
        edits.remove.insert(field);
    }
    if edits.set.len() + edits.remove.len() > MOST {
        problems.add(given.place, format!("at most {MOST} fields can be set and removed"));
    }
    given.finish();
    edits
}

fn redirects(part: &mut Entries, problems: &mut Problems) -> Vec<Redirect> {
    let (mut read, mut places) = (Vec::new(), Vec::new());
    for mut given in part.maps("redirects").unwrap_or_default() {
        let (from, to) = (given.parse("from"), given.parse("to"));
        let status = given.parse("status").map_or(USUAL_REDIRECT, |(status, _)| status);
        given.finish();
        let (Some((from, _)), Some((to, place))) = (from, to) else { continue };
        match Redirect::new(from, to, status) {
            Ok(redirect) => {
                read.push(redirect);
                places.push(place);
            }
            Err(why) => problems.add(place, format!("to: {why}")),
        }
    }
    if let Some(at) = boathouse_types::circle(&read) {
        problems.add(places[at], format!("to: the redirect {} leads in a circle", read[at]));
    }
    if let Some(place) = places.get(MOST) {
        problems.add(*place, format!("a component has at most {MOST} redirects"));
    }
    read
}

fn limits(mut given: Entries, problems: &mut Problems) -> RequestLimits {
    let body_bytes = given.word("body").and_then(|text| bytes(&text));
    let rate = given.parse("rate").map(|(rate, _)| rate);
    let burst = given.parse("burst");
    let nodes = given.list("allow").unwrap_or_default();
    if let Some(node) = nodes.get(MOST) {
        problems.add(node.place, format!("allow has at most {MOST} networks"));
    }
    let allow = nodes.into_iter().filter_map(|node| text(node)?.parse().ok()).collect();
    given.finish();
    if let (None, Some((_, place))) = (rate, &burst) {
        problems.add(*place, "`burst` is for `rate`: give that, too, as in 20/s");
    }
    RequestLimits { body_bytes, rate, burst: burst.map(|(burst, _)| burst), allow }
}

/// A size: `0` lets no body through.
pub fn bytes(text: &str) -> Option<u64> {
    resources::memory(text)
}

fn auth(mut given: Entries, problems: &mut Problems) -> Option<BasicAuth> {
    let place = given.place;
    let (realm, pass_on) = (given.word("realm"), given.flag("passOn"));
    let mut users = BTreeMap::new();
    for Pair { key, key_place, value, place } in given.pairs("users").unwrap_or_default() {
        if let Err(why) = keys::user(&key) {
            problems.add(key_place, why);
            continue;
        }
        match (keys::password(&value), value.parse()) {
            (Ok(()), Ok(variable)) => drop(users.insert(key, variable)),
            (why, _) => problems.add(place, why.err().unwrap_or_default()),
        }
    }
    given.finish();
    if users.is_empty() || users.len() > MOST {
        problems.add(
            place,
            format!("`auth` needs 1 to {MOST} users with the variables of their passwords, as in `users: {{anna: ANNAS_PASSWORD}}`"),
        );
        return None;
    }
    Some(BasicAuth { users, realm, pass_on })
}

/// A password that stands in the manifest is none: whoever reads the repository knows it.
pub fn check_passwords(policy: &EdgePolicy, include: &[Include], problems: &mut Problems) {
    let Some(auth) = &policy.auth else { return };
    for entry in include {
        if let Include::Static { key, value, at } = entry
            && auth.users.values().any(|variable| variable == key)
            && !value.contains("${")
        {
            problems.add(
                at.0,
                format!("{key} is a password of `auth`, which cannot stand in the manifest: keep it with `boathouse env set {key}`, or have it made with ${{generate-random-password:16}}"),
            );
        }
    }
}

/// Host names of a component's own, with their places.
pub fn domains(part: &mut Entries) -> Vec<(Domain, At)> {
    let mut read = Vec::new();
    for mut given in part.maps("domains").unwrap_or_default() {
        let name = given.parse("name");
        let stage = given.word("stage").and_then(|word| DeploymentStage::parse(&word)).unwrap_or_default();
        given.finish();
        if let Some((name, place)) = name {
            read.push((Domain { name, stage }, At(place)));
        }
    }
    read
}
