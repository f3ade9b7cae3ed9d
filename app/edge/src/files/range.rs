//! The part of a file that a client asks for.

use http::header::HeaderValue;

/// What a `Range` header means for a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it.
    Whole,
    /// First and last byte.
    Part(u64, u64),
    /// Nothing there.
    Unsatisfiable,
}

impl Range {
    /// One range is served; several, or what is no range at all, answer the whole file, as RFC 9110 §14.2 allows.
    pub fn parse(value: &HeaderValue, size: u64) -> Self {
        let Some((first, last)) = value
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("bytes="))
            .filter(|text| !text.contains(','))
            .and_then(|text| text.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        match (number(first), number(last)) {
            (None, Some(0)) if first.is_empty() => Self::Unsatisfiable,
            (None, Some(length)) if first.is_empty() && size > 0 => Self::Part(size.saturating_sub(length), size - 1),
            (None, Some(_)) if first.is_empty() => Self::Unsatisfiable,
            (Some(first), None) if last.is_empty() && first < size => Self::Part(first, size - 1),
            (Some(_), None) if last.is_empty() => Self::Unsatisfiable,
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(first), Some(last)) if first < size => Self::Part(first, last.min(size - 1)),
            (Some(_), Some(_)) => Self::Unsatisfiable,
            _ => Self::Whole,
        }
    }
}
