//! What one client connection is doing, seen from below hyper: who dawdles is cut, and framing that hyper repairs
//! silently is noticed.
//!
//! One timer per connection, armed for the nearest deadline, replaces a timer per request: at keep-alive rates the
//! latter was a measurable part of a request's cost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How much time clients have. Progress counts, never the total.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a connection to its first byte, and for a handshake.
    pub first_byte: Duration,
    /// From the first byte of a request head to its last.
    pub head: Duration,
    /// Without a request in progress.
    pub idle: Duration,
    /// Taking nothing of what we have for the client.
    pub write_stall: Duration,
    /// A request body brings `body::MIN_BYTES` in each such window in which we wait for it.
    pub body_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(60),
            body_window: Duration::from_secs(30),
        }
    }
}

/// A multiplexed connection may hold back what it asked for this many times as long as a plain one: what it is given is a
/// piece of up to 256 KiB, not a packet, so this is the same lowest rate of about 1 kB/s.
const PIECES_STALL: u32 = 5;
/// How often a busy connection's timer looks.
const BUSY_CHECK: Duration = Duration::from_secs(30);

/// The observations of one connection. Shared by its IO, its requests and its timer; all on one thread, so the
/// atomics are never contended and only there to keep the futures `Send`.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    /// HTTP/2: the client can stall each response by itself, while the connection looks alive.
    multiplexed: bool,
    start: Instant,
    /// Milliseconds after `start` at which the present phase began.
    since: AtomicU64,
    /// Requests in progress.
    active: AtomicU32,
    /// Responses whose last piece the client has not taken yet (multiplexed only).
    undrained: AtomicU32,
    /// Bytes of a head that is not complete have arrived.
    in_head: AtomicBool,
    /// Any request was seen yet.
    served: AtomicBool,
    /// The next bytes read belong to a request head.
    armed: AtomicBool,
    /// `Content-Length` lines in the head being read.
    length_lines: AtomicU8,
    /// Bytes arrived that may belong to the next head and were not looked at.
    unseen: AtomicBool,
    /// The present head may have begun in such bytes.
    uncertain: AtomicBool,
}

/// What to do about a request's framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Unambiguous.
    Clear,
    /// Chunked behind bytes nobody checked: serve it, then close, so that a disagreement ends here.
    CloseAfter,
    /// Two lengths, or a length and chunked (RFC 9112 §6.3): hyper would repair it, another proxy might not.
    Ambiguous,
}

/// What the connection's timer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again after this long.
    Wait(Duration),
    /// Nothing in progress for too long: close politely.
    Idle,
    /// A head that does not end: cut.
    Slow,
}

impl Watch {
    /// For a connection just accepted.
    pub fn new(limits: Limits, multiplexed: bool) -> Arc<Self> {
        Arc::new(Self {
            limits,
            multiplexed,
            undrained: AtomicU32::new(0),
            start: Instant::now(),
            since: AtomicU64::new(0),
            active: AtomicU32::new(0),
            in_head: AtomicBool::new(false),
            served: AtomicBool::new(false),
            armed: AtomicBool::new(true),
            length_lines: AtomicU8::new(0),
            unseen: AtomicBool::new(false),
            uncertain: AtomicBool::new(false),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A request's head is complete. The returned guard ends with its response's last byte.
    pub fn begin(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Relaxed);
        self.in_head.store(false, Relaxed);
        self.served.store(true, Relaxed);
        Active { watch: Arc::clone(self), delivered: false }
    }

    /// The limits of this connection.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Judges the head that was just parsed (HTTP/1 only).
    pub fn framing(&self, chunked: bool) -> Framing {
        let lines = self.length_lines.swap(0, Relaxed);
        let uncertain = self.uncertain.swap(false, Relaxed);
        match (lines, chunked) {
            (2.., _) | (1, true) => Framing::Ambiguous,
            (_, true) if uncertain => Framing::CloseAfter,
            _ => Framing::Clear,
        }
    }

    /// The next bytes read are the next request's head.
    pub fn expect_head(&self) {
        self.uncertain.store(self.unseen.swap(false, Relaxed), Relaxed);
        self.armed.store(true, Relaxed);
    }

    /// Judges the connection's progress.
    pub fn check(&self) -> Verdict {
        let spent = Duration::from_millis(self.now().saturating_sub(self.since.load(Relaxed)));
        if self.active.load(Relaxed) > 0 {
            let stalled = self.undrained.load(Relaxed) > 0 && spent > self.limits.write_stall * PIECES_STALL;
            return if stalled { Verdict::Slow } else { Verdict::Wait(BUSY_CHECK) };
        }
        let (limit, end) = if self.in_head.load(Relaxed) {
            (self.limits.head, Verdict::Slow)
        } else if self.served.load(Relaxed) {
            (self.limits.idle, Verdict::Idle)
        } else {
            (self.limits.first_byte, Verdict::Slow)
        };
        match limit.checked_sub(spent) {
            // A head may begin at any moment while idle: never sleep past the deadline it would have.
            Some(left) if !left.is_zero() => Verdict::Wait(left.min(self.limits.head)),
            _ => end,
        }
    }
}

/// A request in progress.
#[derive(Debug)]
pub struct Active {
    watch: Arc<Watch>,
    delivered: bool,
}

impl Active {
    /// The client was given a piece of its response. It has taken it when it comes for the next one.
    pub fn delivered(&mut self) {
        if self.watch.multiplexed {
            self.watch.since.store(self.watch.now(), Relaxed);
            if !std::mem::replace(&mut self.delivered, true) {
                self.watch.undrained.fetch_add(1, Relaxed);
            }
        }
    }

    /// The client came for more and there was none.
    pub fn drained(&mut self) {
        if std::mem::take(&mut self.delivered) {
            self.watch.undrained.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.drained();
        if self.watch.active.fetch_sub(1, Relaxed) == 1 {
            self.watch.since.store(self.watch.now(), Relaxed);
        }
    }
}

/// Finds `Content-Length` lines in a request head that may arrive in any number of pieces.
#[derive(Debug, Default)]
struct HeadScan {
    /// How many bytes of `\ncontent-length` matched so far; `LINE_END` directly behind a line's end.
    matched: usize,
    /// Only `\n` and `\r` since the last line's end.
    blank: bool,
    started: bool,
}

const NAME: &[u8] = b"content-length";

impl HeadScan {
    /// Looks at `bytes`; returns where the head ended, if it did.
    fn feed(&mut self, bytes: &[u8], length_lines: &AtomicU8) -> Option<usize> {
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

/// A client's byte stream under observation.
#[derive(Debug)]
pub struct Observed<T> {
    inner: T,
    watch: Arc<Watch>,
    /// HTTP/1 heads are scanned; HTTP/2 frames are not.
    scan: Option<HeadScan>,
    stall: Option<Pin<Box<Sleep>>>,
    stalled: bool,
}

impl<T> Observed<T> {
    /// Observes `inner`; `heads` says whether it carries HTTP/1.
    pub fn new(inner: T, watch: Arc<Watch>, heads: bool) -> Self {
        Self { inner, watch, scan: heads.then(HeadScan::default), stall: None, stalled: false }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let watch = &*self.watch;
        // HTTP/2 frames may be answers to pings; only what becomes a request counts there.
        let Some(scan) = &mut self.scan else { return };
        if watch.active.load(Relaxed) == 0 && !watch.in_head.swap(true, Relaxed) {
            watch.since.store(watch.now(), Relaxed);
        }
        if !watch.armed.load(Relaxed) {
            watch.unseen.store(true, Relaxed);
        } else if let Some(end) = scan.feed(bytes, &watch.length_lines) {
            watch.armed.store(false, Relaxed);
            if end < bytes.len() {
                watch.unseen.store(true, Relaxed);
            }
        }
    }

    /// Turns a write that waits too long for the client into an error.
    fn write_progress<R>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.stalled = false;
            return result;
        }
        if !self.stalled {
            self.stalled = true;
            let deadline = tokio::time::Instant::now() + self.watch.limits.write_stall;
            match &mut self.stall {
                Some(stall) => stall.as_mut().reset(deadline),
                None => self.stall = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        if let Some(stall) = &mut self.stall {
            ready!(stall.as_mut().poll(cx));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no data")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Observed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        if !new.is_empty() {
            this.saw(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.write_progress(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.write_progress(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(cx);
        this.write_progress(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.write_progress(cx, result)
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

    #[test]
    fn the_body_is_not_taken_for_a_head() {
        let watch = Watch::new(Limits::default(), false);
        let mut io = Observed::new(tokio::io::empty(), Arc::clone(&watch), true);
        io.saw(b"POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\n\r\nContent-Length: 7\r\n");
        assert_eq!(watch.framing(false), Framing::Clear);
        io.saw(b"\r\nContent-Length: 8\r\n");
        watch.expect_head();
        io.saw(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(watch.framing(true), Framing::CloseAfter, "it may have begun in the bytes before");
        watch.expect_head();
        io.saw(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(watch.framing(true), Framing::Ambiguous);
    }

    #[test]
    fn who_dawdles_is_told_from_who_rests() {
        let watch = Watch::new(Limits::default(), false);
        assert!(matches!(watch.check(), Verdict::Wait(left) if left <= Limits::default().first_byte));
        let active = watch.begin();
        assert_eq!(watch.check(), Verdict::Wait(BUSY_CHECK));
        drop(active);
        assert!(matches!(watch.check(), Verdict::Wait(_)), "idle, but not for long");
    }

    #[test]
    fn a_response_that_nobody_takes_is_noticed_and_a_silent_one_is_not() {
        let limits = Limits { write_stall: Duration::ZERO, ..Limits::default() };
        let watch = Watch::new(limits, true);
        let (mut stalled, mut silent) = (watch.begin(), watch.begin());
        silent.delivered();
        silent.drained();
        assert_eq!(watch.check(), Verdict::Wait(BUSY_CHECK), "its application has nothing to say");
        stalled.delivered();
        while watch.now() <= watch.since.load(Relaxed) {
            std::hint::spin_loop();
        }
        assert_eq!(watch.check(), Verdict::Slow);
        drop(stalled);
        assert_eq!(watch.check(), Verdict::Wait(BUSY_CHECK));
    }
}
