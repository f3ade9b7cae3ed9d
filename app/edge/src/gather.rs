//! What a multiplexed connection writes in one turn, sent together when the turn is over.
//!
//! h2 flushes after each DATA frame of more than a few hundred bytes, because it keeps one such frame at a time: every
//! response would be a TLS record and a system call of its own. Here a flush ends nothing; whoever polls the connection
//! ends the turn once all its streams have had theirs.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What waits for the end of a turn at most: two full TLS records.
const MOST: usize = 32 * 1024;

/// The byte stream as the connection has it. Locked for one poll at a time, by one task: never contended.
#[derive(Debug)]
pub struct Gather<T>(Arc<Mutex<Gathered<T>>>);

/// The same as the one who polls the connection has it.
#[derive(Debug)]
pub struct Turn<T>(Arc<Mutex<Gathered<T>>>);

#[derive(Debug)]
struct Gathered<T> {
    io: T,
    bytes: Vec<u8>,
    /// So many of `bytes` are with `io` already.
    sent: usize,
    /// `io` was given something since it was last flushed.
    dirty: bool,
    /// The connection waits for room.
    blocked: bool,
}

/// Gathers what is written to `io`.
pub fn gather<T>(io: T) -> (Gather<T>, Turn<T>) {
    let gathered = Gathered { io, bytes: Vec::new(), sent: 0, dirty: false, blocked: false };
    let shared = Arc::new(Mutex::new(gathered));
    (Gather(Arc::clone(&shared)), Turn(shared))
}

fn lock<T>(shared: &Mutex<Gathered<T>>) -> MutexGuard<'_, Gathered<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: AsyncWrite + Unpin> Turn<T> {
    /// Sends what was gathered.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_end(cx)
    }
}

impl<T: AsyncWrite + Unpin> Gathered<T> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.dirty {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.dirty = false;
        }
        if std::mem::take(&mut self.blocked) {
            // Nothing else would tell the connection that there is room again.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            self.dirty = true;
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.bytes[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        // A connection at rest keeps no buffer.
        self.bytes = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= MOST {
            self.blocked = true;
            ready!(self.poll_send(cx))?;
            self.blocked = false;
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(MOST);
        }
        let count = piece.len().min(MOST - self.bytes.len());
        self.bytes.extend_from_slice(&piece[..count]);
        Poll::Ready(Ok(count))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gather<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_gather(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = lock(&self.0);
        let mut total = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            match gathered.poll_gather(cx, buf) {
                Poll::Ready(Ok(count)) => {
                    total += count;
                    if count < buf.len() {
                        break;
                    }
                }
                // What was taken before is told first.
                _ if total > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(total))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: the turn's end flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = lock(&self.0);
        ready!(gathered.poll_end(cx))?;
        Pin::new(&mut gathered.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn many_writes_and_flushes_are_one_when_the_turn_ends() {
        let (mut peer, io) = duplex(MOST);
        let (mut gather, turn) = gather(io);
        for piece in ["one, ", "two, ", "three"] {
            gather.write_all(piece.as_bytes()).await.unwrap();
            gather.flush().await.unwrap();
        }
        let mut all = [0; 15];
        {
            let mut early = std::pin::pin!(peer.read(&mut all));
            let early = poll_fn(|cx| Poll::Ready(early.as_mut().poll(cx).is_ready())).await;
            assert!(!early, "the turn has not ended");
        }
        poll_fn(|cx| turn.poll_end(cx)).await.unwrap();
        assert_eq!(peer.read(&mut all).await.unwrap(), 15, "in one piece");
        assert_eq!(&all, b"one, two, three");
        assert_eq!(lock(&turn.0).bytes.capacity(), 0, "nothing is kept");
    }

    #[tokio::test]
    async fn a_slow_peer_gets_everything_and_no_more_is_kept_than_allowed() {
        let (mut peer, io) = duplex(1000);
        let (mut gather, turn) = gather(io);
        let sent: Vec<u8> = (0..5 * MOST).map(|n| (n % 251) as u8).collect();
        let writing = async {
            let mut at = 0;
            // As a connection is polled: it writes what it can, and the turn ends.
            poll_fn(|cx| {
                while at < sent.len() {
                    let halves = sent[at..].split_at((sent.len() - at) / 2);
                    let slices = [io::IoSlice::new(halves.0), io::IoSlice::new(halves.1)];
                    match Pin::new(&mut gather).poll_write_vectored(cx, &slices) {
                        Poll::Ready(count) => at += count.unwrap(),
                        Poll::Pending => break,
                    }
                    assert!(lock(&turn.0).bytes.len() <= MOST);
                }
                ready!(turn.poll_end(cx)).unwrap();
                if at < sent.len() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            gather.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let reading = peer.read_to_end(&mut got);
        let both = async { tokio::join!(writing, reading) };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("no side waits for ever").1.unwrap();
        assert!(got == sent);
    }
}
