//! Request heads as they pass by, before hyper sees them: framing that it repairs silently is noticed.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use memchr::memchr;

/// Finds `Content-Length` lines in a request head that may arrive in any number of pieces.
#[derive(Debug, Default)]
pub struct HeadScan {
    /// How many bytes of `\ncontent-length` matched so far; `LINE_END` directly behind a line's end.
    matched: usize,
    /// Only `\n` and `\r` since the last line's end.
    blank: bool,
    started: bool,
}

const NAME: &[u8] = b"content-length";

impl HeadScan {
    /// Looks at `bytes`; returns where the head ended, if it did.
    pub fn feed(&mut self, bytes: &[u8], length_lines: &AtomicU8) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.matched == 0 && !self.blank {
                // In the middle of a line that is not interesting: on to its end.
                let end = memchr(b'\n', &bytes[at..])?;
                self.started |= end > 1 || (end == 1 && bytes[at] != b'\r');
                at += end + 1;
                self.blank = true;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if self.blank {
                match byte {
                    b'\n' if self.started => {
                        *self = Self::default();
                        return Some(at);
                    }
                    b'\n' | b'\r' => continue,
                    _ => {
                        self.blank = false;
                        self.started = true;
                    }
                }
            }
            if byte.to_ascii_lowercase() == NAME[self.matched] {
                self.matched += 1;
                if self.matched == NAME.len() {
                    length_lines.fetch_add(1, Relaxed);
                    self.matched = 0;
                }
            } else {
                self.matched = 0;
                if byte == b'\n' {
                    self.blank = true;
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_lines_are_counted_however_the_head_arrives() {
        for (head, lines) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 1),
            ("POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
            ("\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 2),
            ("POST / HTTP/1.1\nContent-Length : 5\n\n", 1),
            ("POST /content-length HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n", 0),
            ("POST / HTTP/1.1\r\nContent-Content-Length: 5\r\n\r\n", 0),
        ] {
            for piece in [1, 2, 3, 7, head.len()] {
                let mut scan = HeadScan::default();
                let count = AtomicU8::new(0);
                let ends: Vec<_> = head.as_bytes().chunks(piece).filter_map(|part| scan.feed(part, &count)).collect();
                assert_eq!(count.load(Relaxed), lines, "{head:?} in pieces of {piece}");
                assert_eq!(ends.len(), 1, "{head:?} ends once");
            }
        }
    }
}
