//! The two bodies of a proxied exchange: what the client sends us, and what we send it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::files::FileBody;
use super::upstream_body::UpstreamBody;
use super::watch::{Active, Watch};

/// A request body must bring this much in every window (`watch::Limits`) in which we wait for it: 500 bytes per second
/// over 30 s. A limit on progress, not on total time: a slow upload of any size passes, a dribble does not.
pub const MIN_BYTES: u64 = 15_000;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Either side's connection broke.
    #[error("the connection broke: {0}")]
    Connection(#[from] hyper::Error),
    /// The application's connection broke, or it sent what is no body.
    #[error("the application's response broke off: {0}")]
    Application(std::io::Error),
    /// The client sends too slowly.
    #[error("the client sent less than {MIN_BYTES} bytes in the time for so many")]
    TooSlow,
    /// The route's limit.
    #[error("the request body is larger than the route allows")]
    TooLarge,
    /// A file could not be read.
    #[error("a file could not be read: {0}")]
    File(#[from] std::io::Error),
}

/// What we send to a client.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    /// Ends the request in the connection's books.
    active: Option<Active>,
}

#[derive(Debug)]
enum Kind {
    Empty,
    Full(Option<Bytes>),
    Upstream(Box<UpstreamBody>),
    File(Box<FileBody>),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty, active: None }
    }

    /// Bytes in memory.
    pub fn full(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(Some(bytes)), active: None }
    }

    /// What an application sends.
    pub fn upstream(body: UpstreamBody) -> Self {
        Self { kind: Kind::Upstream(Box::new(body)), active: None }
    }

    /// A file.
    pub fn file(body: FileBody) -> Self {
        Self { kind: Kind::File(Box::new(body)), active: None }
    }

    /// Keeps `active` until the last byte.
    pub fn holding(mut self, active: Active) -> Self {
        self.active = Some(active);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Upstream(body) => body.poll_frame(cx),
            Kind::File(body) => body.poll_frame(cx),
        };
        match &this.active {
            Some(active) => {
                frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(|data| active.piece(data)))))
            }
            None => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Upstream(body) => body.is_end_stream(),
            Kind::File(body) => body.remaining() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Upstream(body) => body.size_hint(),
            Kind::File(body) => SizeHint::with_exact(body.remaining()),
        }
    }
}

/// What a client sends to an application.
#[derive(Debug)]
pub enum RequestBody {
    /// Nothing: the request can be repeated.
    Empty,
    /// A stream that can be read once.
    Stream(Box<Upload>),
}

/// A request body under way.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    /// Told when the next head may come.
    watch: Arc<Watch>,
    left: u64,
    progress: Progress,
    done: Arc<AtomicBool>,
}

/// Judges how fast a client sends, counting only the time we wait for it.
#[derive(Debug)]
struct Progress {
    length: Duration,
    window: Option<Pin<Box<Sleep>>>,
    bytes: u64,
    /// The last poll found nothing: what comes next, we waited for.
    waiting: bool,
    /// The client was ahead of us since the window began: begin a new one.
    stale: bool,
}

impl RequestBody {
    /// Takes a request's body. `max` is the route's limit.
    pub fn new(incoming: Incoming, max: Option<u64>, watch: &Arc<Watch>) -> Self {
        if incoming.is_end_stream() {
            watch.expect_head();
            return Self::Empty;
        }
        let left = max.unwrap_or(u64::MAX);
        let progress = Progress::new(watch.limits().body_window);
        let done = Arc::new(AtomicBool::new(false));
        Self::Stream(Box::new(Upload { incoming, watch: Arc::clone(watch), left, progress, done }))
    }

    /// Becomes true when the upload has ended, well or not. `None` when there is none.
    pub fn done(&self) -> Option<Arc<AtomicBool>> {
        match self {
            Self::Empty => None,
            Self::Stream(upload) => Some(Arc::clone(&upload.done)),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(upload) => upload.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(upload) => upload.incoming.size_hint(),
        }
    }
}

impl Upload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                return self.progress.poll_too_slow(cx).map(|error| Some(Err(error)));
            };
            let Some(frame) = frame else {
                self.done.store(true, Relaxed);
                return Poll::Ready(None);
            };
            let frame = frame?;
            // Trailers of requests are dropped: no application needs them, and they could name what the head may not.
            let Some(data) = frame.data_ref() else { continue };
            let length = data.len() as u64;
            self.progress.received(length);
            self.left = self.left.checked_sub(length).ok_or(BodyError::TooLarge)?;
            return Poll::Ready(Some(Ok(frame)));
        }
    }
}

impl Progress {
    fn new(length: Duration) -> Self {
        Self { length, window: None, bytes: 0, waiting: false, stale: false }
    }

    fn received(&mut self, bytes: u64) {
        self.stale |= !std::mem::take(&mut self.waiting);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Ready when a whole window of waiting passed with too little in it.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        self.waiting = true;
        let fresh = std::mem::take(&mut self.stale);
        let window = match &mut self.window {
            Some(window) => {
                if fresh {
                    self.bytes = 0;
                    window.as_mut().reset(Instant::now() + self.length);
                }
                window
            }
            empty => {
                self.bytes = 0;
                empty.insert(Box::pin(tokio::time::sleep(self.length)))
            }
        };
        loop {
            ready!(window.as_mut().poll(cx));
            if self.bytes < MIN_BYTES {
                return Poll::Ready(BodyError::TooSlow);
            }
            self.bytes = 0;
            window.as_mut().reset(Instant::now() + self.length);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        self.watch.expect_head();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dribble_is_cut_and_a_busy_application_is_not_blamed_on_the_client() {
        let window = Duration::from_millis(100);
        let mut progress = Progress::new(window);
        let dribble = async {
            loop {
                let slow = std::future::poll_fn(|cx| progress.poll_too_slow(cx));
                if tokio::time::timeout(window / 10, slow).await.is_ok() {
                    return;
                }
                progress.received(1);
            }
        };
        tokio::time::timeout(window * 20, dribble).await.expect("cut");

        let mut progress = Progress::new(window);
        for _ in 0..3 {
            // The application is busy for longer than a window; meanwhile the client filled what it could.
            tokio::time::sleep(window * 2).await;
            progress.received(100);
            let mut slow = std::pin::pin!(std::future::poll_fn(|cx| progress.poll_too_slow(cx)));
            let first = std::future::poll_fn(|cx| Poll::Ready(slow.as_mut().poll(cx).is_pending())).await;
            assert!(first, "the client gets a new window");
            progress.received(100);
        }
    }
}
