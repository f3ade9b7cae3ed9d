//! Header fields that come and go.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::headers::named_by_connection;

/// Fields that are set in the place of all of their name, and fields that go.
#[derive(Debug, Default)]
pub struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

impl Edits {
    /// Of names and values; what no field can be is left out.
    pub fn new<'a>(set: impl Iterator<Item = (&'a str, &'a str)>, remove: impl Iterator<Item = &'a str>) -> Self {
        let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
        Self {
            set: set.filter_map(|(field, value)| Some((name(field)?, HeaderValue::from_str(value).ok()?))).collect(),
            remove: remove.filter_map(name).collect(),
        }
    }

    /// Sets and removes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        self.remove.iter().for_each(|name| drop(headers.remove(name)));
        self.set.iter().for_each(|(name, value)| drop(headers.insert(name, value.clone())));
    }

    /// The same for what a client sent. What its `Connection` names goes now: later it could name what is set here.
    /// `X_User` goes with `X-User`, because CGI-style applications take one for the other.
    pub fn of_request(&self, headers: &mut HeaderMap) {
        if self.set.is_empty() && self.remove.is_empty() {
            return;
        }
        let mut doomed = Vec::new();
        headers.get_all(header::CONNECTION).iter().for_each(|value| named_by_connection(value, &mut doomed));
        let ours = || self.set.iter().map(|(name, _)| name).chain(&self.remove);
        let is_alias = |name: &&HeaderName| {
            name.as_str().contains('_')
                && ours().any(|own| name.as_str().replace('_', "-") == own.as_str().replace('_', "-"))
        };
        doomed.extend(headers.keys().filter(is_alias).cloned());
        doomed.iter().for_each(|name| drop(headers.remove(name)));
        headers.remove(header::CONNECTION);
        self.apply(headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_cannot_undo_what_is_set() {
        let pairs = [
            ("connection", "close, x-user, x-hop"),
            ("x-user", "root"),
            ("x_user", "root"),
            ("x-hop", "1"),
            ("cookie", "a=b"),
            ("accept", "*/*"),
        ];
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Edits::new([("X-User", "anna")].into_iter(), ["Cookie"].into_iter()).of_request(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&("x-user", "anna")) && left.contains(&("accept", "*/*")), "{left:?}");
    }
}
