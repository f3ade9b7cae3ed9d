//! Conditional requests: whether a client has what it asks for, and whether its range is one of the file as it is.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderValue};

use super::site::{Entry, Form};

/// RFC 9110 §13.2.2: the tag decides, the date only where there is none.
pub fn is_unchanged(entry: &Entry, form: &Form, headers: &HeaderMap) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return tags.any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
                .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == form.etag.as_bytes())
        });
    }
    seconds(headers.get(header::IF_MODIFIED_SINCE)).is_some_and(|since| entry.modified <= since)
}

/// Whether `If-Range`, if there is one, names the file as it is.
pub fn range_applies(entry: &Entry, headers: &HeaderMap) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| {
        value == entry.plain.etag || seconds(Some(value)).is_some_and(|since| since == entry.modified)
    })
}

fn seconds(value: Option<&HeaderValue>) -> Option<u64> {
    let time: SystemTime = httpdate::parse_http_date(value?.to_str().ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}
