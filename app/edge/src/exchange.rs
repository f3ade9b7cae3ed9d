//! A request without a body and the head of its response, over one connection.
//!
//! This is what nearly every request is. hyper's client does it through a channel, a callback and a task's worth of
//! state for each; here it is one write and, mostly, one read. Requests with bodies and switches of protocols go
//! through `upload`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _};

use super::response_head::{HeadError, ResponseHead};
use super::stream::Stream;

/// Interim responses (1xx) that are skipped before the final one,
const MAX_INTERIM: usize = 16;
/// and the pieces in which the heads may arrive: each piece is a look at all of them.
const MAX_PIECES: usize = 1024;
/// Room for the head of a usual request.
const WIRE: usize = 4 * 1024;

thread_local! {
    /// Where requests are written before they are sent: nearly always at once, and whole.
    static OUT: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(WIRE));
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Not one byte of the request was sent.
    #[error("nothing could be sent: {0}")]
    Unsent(io::Error),
    /// Not one byte came back: where the connection was kept, it may have been dead.
    #[error("the connection ended without an answer: {0}")]
    Silent(io::Error),
    /// It broke in the middle of the head.
    #[error("the connection broke within the answer's head: {0}")]
    Broken(io::Error),
    /// It is none.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Interim responses only, or too many pieces.
    #[error("the application's answer does not come to its point")]
    Endless,
    /// Too late: judged by the caller.
    #[error("no response in time")]
    Late,
}

/// Sends what `write` makes and reads until the head of the response is complete. Returns what came behind it, too.
pub async fn exchange(
    stream: &mut Stream,
    write: impl FnOnce(&mut Vec<u8>),
    asked: &Method,
) -> Result<(ResponseHead, Bytes), ExchangeError> {
    send(stream, write).await?;
    let mut bytes = Bytes::new();
    let mut interim = 0;
    for piece in 0..MAX_PIECES {
        let failed = |error| if piece == 0 { ExchangeError::Silent(error) } else { ExchangeError::Broken(error) };
        let more = poll_fn(|cx| stream.poll_take(cx)).await.map_err(failed)?;
        if more.is_empty() {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes = if bytes.is_empty() { more } else { [bytes, more].concat().into() };
        while let Some((head, length)) = ResponseHead::parse(&bytes, asked)? {
            let rest = bytes.split_off(length);
            if !head.is_interim() {
                return Ok((head, rest));
            }
            interim += 1;
            if interim > MAX_INTERIM {
                return Err(ExchangeError::Endless);
            }
            bytes = rest;
        }
    }
    Err(ExchangeError::Endless)
}

async fn send(stream: &mut Stream, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), ExchangeError> {
    let mut write = Some(write);
    let rest = poll_fn(|cx| {
        OUT.with_borrow_mut(|out| {
            out.clear();
            if let Some(write) = write.take() {
                write(out);
            }
            let sent = match Pin::new(&mut *stream).poll_write(cx, out) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            let rest = out[sent..].to_vec();
            out.shrink_to(WIRE);
            Poll::Ready(Ok(rest))
        })
    });
    let rest = rest.await.map_err(ExchangeError::Unsent)?;
    if rest.is_empty() {
        return Ok(());
    }
    // An error here may have left a part of it behind.
    stream.write_all(&rest).await.map_err(ExchangeError::Silent)
}
