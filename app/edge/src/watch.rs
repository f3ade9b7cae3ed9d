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

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::head_scan::HeadScan;

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
/// Pieces are counted by age, in so many steps; the oldest step is the stall.
const AGES: u32 = 4;
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
    /// Pieces of responses that the client has not taken yet, by the age in which they were made (multiplexed only).
    pieces: [AtomicU32; AGES as usize],
    /// The present age, and the milliseconds after `start` at which it began.
    age: AtomicU32,
    age_since: AtomicU64,
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
            pieces: Default::default(),
            age: AtomicU32::new(0),
            age_since: AtomicU64::new(0),
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
        Active { watch: Arc::clone(self) }
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
        let now = self.now();
        if self.active.load(Relaxed) > 0 {
            return self.check_pieces(now);
        }
        self.age_since.store(now, Relaxed);
        let spent = Duration::from_millis(now.saturating_sub(self.since.load(Relaxed)));
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

    /// Judges the responses under way: each by itself, however busy the others are.
    fn check_pieces(&self, now: u64) -> Verdict {
        if !self.multiplexed {
            return Verdict::Wait(BUSY_CHECK);
        }
        let length = self.limits.write_stall * PIECES_STALL / (AGES - 1);
        let spent = Duration::from_millis(now.saturating_sub(self.age_since.load(Relaxed)));
        if let Some(left) = length.checked_sub(spent).filter(|left| !left.is_zero()) {
            return Verdict::Wait(left.min(BUSY_CHECK));
        }
        let next = self.age.load(Relaxed).wrapping_add(1);
        if self.of_age(next).load(Relaxed) > 0 {
            return Verdict::Slow;
        }
        self.age.store(next, Relaxed);
        self.age_since.store(now, Relaxed);
        Verdict::Wait(length.min(BUSY_CHECK))
    }

    /// The counter of an age, which is also that of `AGES` before.
    fn of_age(&self, age: u32) -> &AtomicU32 {
        &self.pieces[(age % AGES) as usize]
    }

    fn finish_one(&self) {
        if self.active.fetch_sub(1, Relaxed) == 1 {
            self.since.store(self.now(), Relaxed);
        }
    }
}

/// A request in progress.
#[derive(Debug)]
pub struct Active {
    watch: Arc<Watch>,
}

impl Active {
    /// A piece of the response as it is given away. On a multiplexed connection whoever drops it has sent it, and the
    /// request is in progress until then.
    pub fn piece(&self, bytes: Bytes) -> Bytes {
        if !self.watch.multiplexed {
            return bytes;
        }
        let age = self.watch.age.load(Relaxed);
        self.watch.active.fetch_add(1, Relaxed);
        self.watch.of_age(age).fetch_add(1, Relaxed);
        Bytes::from_owner(Piece { bytes, age, watch: Arc::clone(&self.watch) })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.watch.finish_one();
    }
}

/// Bytes that wait until the client takes them.
struct Piece {
    bytes: Bytes,
    age: u32,
    watch: Arc<Watch>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.watch.of_age(self.age).fetch_sub(1, Relaxed);
        self.watch.finish_one();
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
    fn a_response_that_nobody_takes_is_noticed_however_busy_the_others_are() {
        let limits = Limits { write_stall: Duration::ZERO, ..Limits::default() };
        let watch = Watch::new(limits, true);
        let (stalled, busy) = (watch.begin(), watch.begin());
        let looks = |count: u32| (0..count).map(|_| watch.check()).collect::<Vec<_>>();
        assert!(!looks(2 * AGES).contains(&Verdict::Slow), "their application has nothing to say");
        let kept = stalled.piece(Bytes::from_static(b"nobody reads this"));
        drop(stalled);
        for look in 0..AGES - 1 {
            drop(busy.piece(Bytes::from_static(b"taken at once")));
            assert_ne!(watch.check(), Verdict::Slow, "look {look}");
        }
        assert_eq!(watch.check(), Verdict::Slow);
        drop(kept);
        assert!(!looks(2 * AGES).contains(&Verdict::Slow));
        drop(busy);
        assert_eq!(watch.active.load(Relaxed), 0);
    }

    #[test]
    fn what_is_not_sent_yet_keeps_the_connection_busy() {
        for (multiplexed, expected) in [(true, 1), (false, 0)] {
            let watch = Watch::new(Limits::default(), multiplexed);
            let active = watch.begin();
            let piece = active.piece(Bytes::from_static(b"the last one"));
            drop(active);
            assert_eq!(watch.active.load(Relaxed), expected, "multiplexed: {multiplexed}");
            assert_eq!(piece, "the last one");
            drop(piece);
            assert_eq!(watch.active.load(Relaxed), 0);
        }
    }
}
