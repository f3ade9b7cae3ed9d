//! The head of an application's response as it comes over the wire, and what follows it (RFC 9112 §6.3).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use httparse::{ParserConfig, Status};

use super::chunks::Chunks;
use super::headers;

/// A response head may have this many fields
const MAX_FIELDS: usize = 256;
/// and this many bytes.
const MAX_HEAD: usize = 256 * 1024;

/// A head made ready for a client: its hop-by-hop fields are gone.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// What follows.
    pub left: Left,
    /// Whether the connection can carry another request once nothing is left.
    pub keep_alive: bool,
}

/// What is to come of a response's body.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection ends.
    UntilClose,
}

/// Why bytes are no response head.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP/1.
    #[error("the application's answer is no HTTP: {0}")]
    Parse(#[from] httparse::Error),
    /// Its length is not one number.
    #[error("the application's answer has several lengths, or what is no length")]
    Length,
    /// A name or value that cannot be passed on.
    #[error("the application's answer has a field that is none")]
    Field,
    /// Too long.
    #[error("the application's answer has a head of more than {MAX_HEAD} bytes")]
    TooLong,
}

/// What the fields say about the connection and about what follows.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
    close: bool,
}

impl ResponseHead {
    /// The head at the start of `bytes` and its length, if it is there completely. `asked` is the request's method.
    pub fn parse(bytes: &Bytes, asked: &Method) -> Result<Option<(Self, usize)>, HeadError> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let outcome = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields)?;
        let Status::Complete(length) = outcome else {
            return if bytes.len() > MAX_HEAD { Err(HeadError::TooLong) } else { Ok(None) };
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(httparse::Error::Status)?;
        let mut headers = HeaderMap::with_capacity(parsed.headers.len());
        let framing = take_fields(bytes, parsed.headers, &mut headers)?;
        // An older application is not asked a second time on one connection.
        let persistent = parsed.version == Some(1) && !framing.close;
        let (left, framed) = framing.left(status, asked);
        if framing.coded {
            headers.remove(header::CONTENT_LENGTH);
        }
        Ok(Some((Self { status, headers, left, keep_alive: persistent && framed }, length)))
    }

    /// Whether the response proper is still to come.
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

impl Framing {
    /// What follows, and whether its end is beyond doubt.
    fn left(&self, status: StatusCode, asked: &Method) -> (Left, bool) {
        let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 304) || *asked == Method::HEAD;
        match self.length {
            _ if bodiless => (Left::Length(0), true),
            length if self.chunked => (Left::Chunked(Chunks::Size), length.is_none()),
            Some(length) if !self.coded => (Left::Length(length), true),
            _ => (Left::UntilClose, false),
        }
    }
}

fn take_fields(bytes: &Bytes, fields: &[httparse::Header<'_>], headers: &mut HeaderMap) -> Result<Framing, HeadError> {
    let mut framing = Framing::default();
    let mut named = Vec::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| HeadError::Field)?;
        if name == header::CONTENT_LENGTH {
            let length = number(field.value).ok_or(HeadError::Length)?;
            match framing.length.replace(length) {
                None => {}
                Some(before) if before == length => continue,
                Some(_) => return Err(HeadError::Length),
            }
        } else if name == header::TRANSFER_ENCODING {
            framing.coded = true;
            framing.chunked =
                items(field.value).next_back().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            continue;
        }
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).map_err(|_| HeadError::Field)?;
        if name == header::CONNECTION {
            framing.close |= items(field.value).any(|item| item.eq_ignore_ascii_case(b"close"));
            headers::named_by_connection(&value, &mut named);
        } else if !headers::is_hop_by_hop(name.as_str()) {
            headers.append(name, value);
        }
    }
    for name in named {
        headers.remove(name);
    }
    Ok(framing)
}

fn items(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str, status: u16, asked: Method) -> Result<ResponseHead, HeadError> {
        let text = format!("HTTP/1.1 {status} Whatever\r\n{fields}\r\nrest");
        let (head, length) = ResponseHead::parse(&Bytes::from(text.clone()), &asked)?.expect("complete");
        assert_eq!(&text[length..], "rest");
        assert_eq!(head.status, status);
        Ok(head)
    }

    #[test]
    fn what_follows_a_head_is_beyond_doubt_or_ends_the_connection() {
        let chunked = || Left::Chunked(Chunks::Size);
        for (fields, status, asked, left, keep_alive) in [
            ("Content-Length: 5\r\n", 200, Method::GET, Left::Length(5), true),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 200, Method::GET, Left::Length(5), true),
            ("Content-Length: 5\r\nConnection: keep-alive, Close\r\n", 200, Method::GET, Left::Length(5), false),
            ("Content-Length: 5\r\n", 200, Method::HEAD, Left::Length(0), true),
            ("Content-Length: 5\r\n", 304, Method::GET, Left::Length(0), true),
            ("Transfer-Encoding: chunked\r\n", 204, Method::GET, Left::Length(0), true),
            ("", 100, Method::GET, Left::Length(0), true),
            ("Transfer-Encoding: Chunked\r\n", 200, Method::GET, chunked(), true),
            ("Transfer-Encoding: gzip, chunked\r\n", 200, Method::GET, chunked(), true),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 200, Method::GET, chunked(), false),
            ("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", 200, Method::GET, Left::UntilClose, false),
            ("Transfer-Encoding: chunked, gzip\r\n", 200, Method::GET, Left::UntilClose, false),
            ("", 200, Method::GET, Left::UntilClose, false),
        ] {
            let head = parse(fields, status, asked.clone()).unwrap();
            assert_eq!((&head.left, head.keep_alive), (&left, keep_alive), "{asked} {status} {fields:?}");
            let length = head.headers.get_all(header::CONTENT_LENGTH).iter().count();
            let announced = usize::from(fields.contains("Content-Length") && !fields.contains("Transfer-Encoding"));
            assert_eq!(length, announced, "{fields:?}");
        }
        let old = Bytes::from_static(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n");
        assert!(!ResponseHead::parse(&old, &Method::GET).unwrap().unwrap().0.keep_alive);
    }

    #[test]
    fn hop_by_hop_fields_do_not_travel() {
        let fields = "Server: x\r\nConnection: X-Hop, Date, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nDate: now\r\n\
                      Upgrade: h2c\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n";
        let head = parse(fields, 200, Method::GET).unwrap();
        let mut fields: Vec<_> =
            head.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        fields.sort();
        assert_eq!(fields, ["date=now", "server=x", "set-cookie=a=1", "set-cookie=b=2"]);
    }

    #[test]
    fn what_is_no_head_is_an_error_and_half_of_one_is_none_yet() {
        for fields in [
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length : 5\r\n",
            "no colon\r\n",
            "a: b\r\n folded\r\n",
            "a: \0\r\n",
            &"a: b\r\n".repeat(MAX_FIELDS + 1),
        ] {
            assert!(parse(fields, 200, Method::GET).is_err(), "{fields:?}");
        }
        for text in ["SSH-2.0-x\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n"]
        {
            assert!(ResponseHead::parse(&Bytes::from_static(text.as_bytes()), &Method::GET).is_err(), "{text}");
        }
        let whole = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        for end in 0..whole.len() {
            assert!(ResponseHead::parse(&whole.slice(..end), &Method::GET).unwrap().is_none(), "{end} bytes");
        }
        let endless = Bytes::from(format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MAX_HEAD)));
        assert_eq!(ResponseHead::parse(&endless, &Method::GET).unwrap_err(), HeadError::TooLong);
    }
}
