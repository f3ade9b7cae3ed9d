//! The chunked transfer coding of responses (RFC 9112 §7.1), taken apart.

use bytes::{Buf as _, Bytes};

/// A line with a chunk's size, its extensions included, may be this long.
const MAX_LINE: usize = 4 * 1024;
/// Trailers may have this many bytes together.
const MAX_TRAILERS: usize = 64 * 1024;

/// Where in a chunked body we are.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunks {
    /// Before a chunk's size.
    Size,
    /// So many bytes of a chunk are to come.
    Data(u64),
    /// The line's end behind a chunk.
    Behind,
    /// Trailers.
    Trailers,
    /// The end.
    Done,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Content.
    Data(Bytes),
    /// The lines of the trailers, with their empty last one; only where there are some.
    Trailers(Bytes),
    /// Nothing yet: more bytes are needed.
    More,
    /// Nothing any more.
    End,
}

/// Not the chunked coding.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application's chunked coding is wrong: {0}")]
pub struct ChunkError(&'static str);

impl Chunks {
    /// Takes the next piece out of `bytes`.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Piece, ChunkError> {
        loop {
            match self {
                Self::Done => return Ok(Piece::End),
                Self::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(Piece::More);
                    }
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= count as u64;
                    if *left == 0 {
                        *self = Self::Behind;
                    }
                    return Ok(Piece::Data(bytes.split_to(count)));
                }
                Self::Behind => {
                    if bytes.len() < 2 {
                        return Ok(Piece::More);
                    }
                    if !bytes.starts_with(b"\r\n") {
                        return Err(ChunkError("a chunk is longer than its size"));
                    }
                    bytes.advance(2);
                    *self = Self::Size;
                }
                Self::Size => {
                    let end = memchr::memchr(b'\n', bytes);
                    if end.unwrap_or(bytes.len()) > MAX_LINE {
                        return Err(ChunkError("a size without end"));
                    }
                    let Some(end) = end else { return Ok(Piece::More) };
                    let line = bytes.split_to(end + 1);
                    let size = size(&line)?;
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Trailers => {
                    if bytes.starts_with(b"\r\n") {
                        bytes.advance(2);
                        *self = Self::Done;
                        continue;
                    }
                    let end = memchr::memmem::find(bytes, b"\r\n\r\n");
                    if end.unwrap_or(bytes.len()) > MAX_TRAILERS {
                        return Err(ChunkError("too many trailers"));
                    }
                    let Some(end) = end else { return Ok(Piece::More) };
                    *self = Self::Done;
                    return Ok(Piece::Trailers(bytes.split_to(end + 4)));
                }
            }
        }
    }
}

/// Of a whole line. Hexadecimal digits alone, then perhaps extensions, which nobody needs.
fn size(line: &[u8]) -> Result<u64, ChunkError> {
    let line = line.strip_suffix(b"\r\n").ok_or(ChunkError("a line ends without a carriage return"))?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    if digits.is_empty() || digits.len() > 16 {
        return Err(ChunkError("no size"));
    }
    if !matches!(rest.trim_ascii_start(), [] | [b';', ..]) || rest.contains(&b'\r') {
        return Err(ChunkError("something else behind a size"));
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map_or(0, u64::from);
    Ok(digits.iter().fold(0, |size, byte| size << 4 | digit(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content, the trailers and what is left, or why not, with the bytes arriving in pieces.
    fn decode(text: &str, piece: usize) -> Result<(String, String, String), ChunkError> {
        let (mut chunks, mut bytes) = (Chunks::Size, Bytes::new());
        let (mut content, mut trailers) = (Vec::new(), String::new());
        let mut rest = text.as_bytes();
        loop {
            match chunks.next(&mut bytes)? {
                Piece::Data(data) => content.extend_from_slice(&data),
                Piece::Trailers(lines) => trailers = String::from_utf8(lines.to_vec()).unwrap(),
                Piece::More if rest.is_empty() => return Err(ChunkError("incomplete")),
                Piece::More => {
                    let (now, later) = rest.split_at(piece.min(rest.len()));
                    bytes = [&bytes[..], now].concat().into();
                    rest = later;
                }
                Piece::End => {
                    let left = [&bytes[..], rest].concat();
                    return Ok((String::from_utf8(content).unwrap(), trailers, String::from_utf8(left).unwrap()));
                }
            }
        }
    }

    #[test]
    fn content_comes_out_however_it_arrives() {
        for (text, content, trailers, left) in [
            ("0\r\n\r\n", "", "", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", "", ""),
            ("005\r\nhello\r\nA ; x=\"y\"\r\n0123456789\r\n000\r\n\r\nHTTP/1.1", "hello0123456789", "", "HTTP/1.1"),
            ("1\r\nx\r\n0\r\nDigest: y\r\nB: z\r\n\r\n", "x", "Digest: y\r\nB: z\r\n\r\n", ""),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "", ""),
        ] {
            for piece in [1, 2, 3, 7, text.len()] {
                let expected = (content.to_owned(), trailers.to_owned(), left.to_owned());
                assert_eq!(decode(text, piece), Ok(expected), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\nx",
            "+1\r\nx\r\n0\r\n\r\n",
            "0x1\r\nx\r\n0\r\n\r\n",
            " 1\r\nx\r\n0\r\n\r\n",
            "1 2\r\nx\r\n0\r\n\r\n",
            "1\nx\r\n0\r\n\r\n",
            "1\r\rx\n",
            "1\r\nxy\r\n0\r\n\r\n",
            "10000000000000000\r\nx",
            "5\r\nhel",
            "5\r\nhello\r\n0\r\n",
            &format!("1;{}\r\nx\r\n0\r\n\r\n", "y".repeat(MAX_LINE * 2)),
        ] {
            assert!(decode(text, text.len()).is_err(), "{text:.60?}");
            assert!(decode(text, 1000).is_err(), "{text:.60?} in pieces");
        }
    }
}
