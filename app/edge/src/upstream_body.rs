//! A response body as it comes from an application. It returns the connection to the pool when it was read to its end,
//! and closes it otherwise.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::io::poll_read_buf;

use super::body::BodyError;
use super::chunks::{Chunks, Piece};
use super::pool::Connection;
use super::response_head::{Left, ResponseHead};
use super::stream::TAKE;
use super::upload::Upload;
use crate::in_flight::InFlightGuard;

/// What is asked for at most, when the application is quick.
const MAX_READ: usize = 128 * 1024;
/// The last chunk, without trailers, behind the one before.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
const MAX_TRAILERS: usize = 64;

/// A response body.
#[derive(Debug)]
pub struct UpstreamBody {
    source: Source,
    _guard: InFlightGuard,
}

#[derive(Debug)]
enum Source {
    Plain(Plain),
    Upload { incoming: Incoming, upload: Option<Upload>, ended: bool },
}

/// A body that we read ourselves.
#[derive(Debug)]
struct Plain {
    /// `None` once it is back in the pool, or broken.
    connection: Option<Connection>,
    left: Left,
    keep_alive: bool,
    /// What was read and not passed on.
    bytes: Bytes,
    read: usize,
}

impl UpstreamBody {
    /// What follows `head`; `bytes` of it are there already.
    pub fn plain(head: &mut ResponseHead, bytes: Bytes, connection: Connection, guard: InFlightGuard) -> Self {
        let left = std::mem::replace(&mut head.left, Left::Length(0));
        let connection = Some(connection);
        let mut plain = Plain { connection, left, keep_alive: head.keep_alive, bytes, read: TAKE };
        plain.settle();
        Self { source: Source::Plain(plain), _guard: guard }
    }

    /// `upload` is `None` when its driver runs elsewhere.
    pub fn upload(incoming: Incoming, upload: Option<Upload>, guard: InFlightGuard) -> Self {
        let ended = incoming.is_end_stream();
        Self { source: Source::Upload { incoming, upload, ended }, _guard: guard }
    }

    /// The next piece, not one byte later than it came.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.source {
            Source::Plain(plain) => {
                let frame = plain.poll_frame(cx);
                if matches!(frame, Poll::Ready(Some(Err(_)))) {
                    plain.connection = None;
                }
                plain.settle();
                frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::Application)))
            }
            Source::Upload { incoming, upload, ended } => {
                let mut frame = Pin::new(&mut *incoming).poll_frame(cx);
                if frame.is_pending()
                    && let Some(upload) = upload
                {
                    upload.drive(cx);
                    frame = Pin::new(&mut *incoming).poll_frame(cx);
                }
                match &frame {
                    Poll::Ready(None) => *ended = true,
                    Poll::Ready(Some(Err(_))) => *upload = None,
                    _ => {}
                }
                frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::from)))
            }
        }
    }

    /// Nothing is left to come.
    pub fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Plain(plain) => plain.left == Left::Length(0),
            Source::Upload { incoming, .. } => incoming.is_end_stream(),
        }
    }

    /// What the application announced.
    pub fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Plain(Plain { left: Left::Length(left), .. }) => SizeHint::with_exact(*left),
            Source::Plain(_) => SizeHint::default(),
            Source::Upload { incoming, .. } => incoming.size_hint(),
        }
    }
}

impl Plain {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            let piece = match &mut self.left {
                Left::Length(0) => return Poll::Ready(None),
                Left::Length(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(self.bytes.len());
                    *left -= count as u64;
                    self.bytes.split_to(count)
                }
                Left::UntilClose => std::mem::take(&mut self.bytes),
                Left::Chunked(chunks) => match chunks.next(&mut self.bytes).map_err(io::Error::other)? {
                    Piece::Data(data) => {
                        if *chunks == Chunks::Behind && self.bytes == LAST_CHUNK {
                            self.bytes = Bytes::new();
                            self.left = Left::Length(0);
                        }
                        data
                    }
                    Piece::Trailers(lines) => {
                        self.left = Left::Length(0);
                        return Poll::Ready(Some(trailers(&lines).map(Frame::trailers)));
                    }
                    Piece::End => {
                        self.left = Left::Length(0);
                        return Poll::Ready(None);
                    }
                    Piece::More => Bytes::new(),
                },
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if ready!(self.poll_read(cx))? == 0 {
                if self.left != Left::UntilClose {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                self.left = Left::Length(0);
            }
        }
    }

    /// Reads on, behind what is there.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let stream = &mut connection.stream;
        if self.read == TAKE && self.bytes.is_empty() {
            self.bytes = ready!(stream.poll_take(cx))?;
            self.grow(self.bytes.len());
            return Poll::Ready(Ok(self.bytes.len()));
        }
        // Who waits for the application keeps no buffer.
        ready!(stream.poll_readable(cx))?;
        let mut buffer = BytesMut::with_capacity(self.bytes.len() + self.read);
        buffer.extend_from_slice(&self.bytes);
        let count = ready!(poll_read_buf(Pin::new(stream), cx, &mut buffer))?;
        // What waits for a slow client keeps no more memory than it has bytes.
        self.bytes = if count < TAKE { Bytes::copy_from_slice(&buffer) } else { buffer.freeze() };
        self.grow(count);
        Poll::Ready(Ok(count))
    }

    /// An application that fills what it is given is given more, and one that does not, less.
    fn grow(&mut self, count: usize) {
        if count >= self.read {
            self.read = (self.read * 2).min(MAX_READ);
        } else if count < TAKE {
            self.read = TAKE;
        }
    }

    /// Once nothing is left, the connection is free for the next request, unless something came that nobody asked for.
    fn settle(&mut self) {
        if self.left == Left::Length(0)
            && let Some(connection) = self.connection.take()
            && self.keep_alive
            && self.bytes.is_empty()
        {
            connection.release();
        }
    }
}

/// Fields behind a chunked body.
fn trailers(lines: &[u8]) -> io::Result<HeaderMap> {
    let invalid = || io::Error::other("the application's trailers are no fields");
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(lines, &mut fields) else {
        return Err(invalid());
    };
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| invalid())?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| invalid())?);
    }
    Ok(headers)
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Source::Upload { incoming, upload, ended } = &mut self.source
            && let Some(upload) = upload.take()
            && (*ended || incoming.is_end_stream())
        {
            upload.release();
        }
    }
}
