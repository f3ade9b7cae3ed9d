//! What a delivery tells, in one shape for all providers. Only names and addresses are taken from it; every text is bounded.

mod bitbucket;
mod github;
mod gitlab;

use std::borrow::Cow;

use boathouse_types::{Happening, HookEvent, Provider};
use serde_json::Value;

use super::sender::{Sender, cut};
use crate::error::{Result, invalid};

/// Branches and tags of one delivery; only Bitbucket tells several.
const MAX_CHANGES: usize = 20;
/// Addresses of one repository.
const MAX_ADDRESSES: usize = 10;
const MAX_ADDRESS: usize = 500;
const MAX_REFERENCE: usize = 250;

/// Reads a body: JSON, or a form with the field `payload` (GitHub's and Gitea's other choice).
pub fn read(sender: &Sender, content_type: Option<&str>, body: &[u8]) -> Result<Vec<Happening>> {
    let is_form = content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let text: Cow<'_, [u8]> = if is_form {
        let field = form_urlencoded::parse(body).find(|(name, _)| name == "payload").map(|(_, value)| value);
        field.ok_or_else(|| not_understood("the form has no field `payload`"))?.into_owned().into_bytes().into()
    } else {
        body.into()
    };
    let value: Value = serde_json::from_slice(&text).map_err(|error| not_understood(&error.to_string()))?;
    let mut found = match sender.provider {
        Provider::Github | Provider::Gitea | Provider::Forgejo => vec![github::read(&sender.event, &value)],
        Provider::Gitlab => vec![gitlab::read(&sender.event, &value)],
        Provider::Bitbucket => bitbucket::read(&sender.event, &value),
        Provider::Boathouse | Provider::Ci => Vec::new(),
    };
    found.truncate(MAX_CHANGES);
    Ok(found)
}

fn not_understood(why: &str) -> crate::error::Error {
    invalid(format!("the delivery is not what its headers promise: {why}"))
        .hint("Choose the content type application/json at the provider, and send it again.")
}

/// An event of which nothing but its name is known.
pub(super) fn bare(event: HookEvent, name: &str) -> Happening {
    Happening {
        event,
        name: name.to_owned(),
        reference: None,
        before: None,
        after: None,
        commits: None,
        author: None,
        repository: Vec::new(),
        pull_request: None,
    }
}

/// Event and name of `refs/heads/…` and `refs/tags/…`.
fn reference(text: &str) -> Option<(HookEvent, String)> {
    let fits = |name: &str| (!name.is_empty() && name.len() <= MAX_REFERENCE).then(|| name.to_owned());
    match (text.strip_prefix("refs/heads/"), text.strip_prefix("refs/tags/")) {
        (Some(name), _) => Some((HookEvent::Push, fits(name)?)),
        (_, Some(name)) => Some((HookEvent::Tag, fits(name)?)),
        _ => None,
    }
}

/// A commit; zeros stand for none.
fn commit(text: Option<&str>) -> Option<String> {
    let text = text?;
    let is_name = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_name && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// The first text that is there.
fn first<'a>(value: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|pointer| text(value, pointer))
}

fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

fn count(value: Option<i64>) -> Option<u32> {
    value.and_then(|number| u32::try_from(number).ok())
}

fn addresses(value: &Value, pointers: &[&str]) -> Vec<String> {
    let found = pointers.iter().filter_map(|pointer| text(value, pointer));
    bounded(found.map(str::to_owned))
}

fn bounded(addresses: impl Iterator<Item = String>) -> Vec<String> {
    addresses.filter(|address| address.len() <= MAX_ADDRESS).take(MAX_ADDRESSES).collect()
}

fn name(value: &Value, pointers: &[&str]) -> Option<String> {
    first(value, pointers).map(cut)
}

#[cfg(test)]
#[path = "../payload_test.rs"]
mod tests;
