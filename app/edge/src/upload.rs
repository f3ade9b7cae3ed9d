//! Requests with a body, and switches of protocols: by hyper's client, which reads the answer while it still sends.
//!
//! A connection's driver is polled by whoever uses it: the request that waits for a response, then the body that is
//! sent on. That saves two wake-ups and two queue operations per request against the usual spawned driver.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::body::RequestBody;
use super::pool::{Connection, Origin};
use super::routes::Upstream;
use super::stream::Stream;

/// A response head may have this many fields and bytes.
const MAX_RESPONSE_HEADERS: usize = 256;
const MAX_RESPONSE_HEAD: usize = 256 * 1024;

/// A connection while hyper has it.
#[derive(Debug)]
pub struct Upload {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    driver: Option<Box<http1::Connection<TokioIo<Stream>, RequestBody>>>,
    origin: Origin,
}

impl Upload {
    /// Gives a connection to hyper.
    pub async fn over(connection: Connection) -> io::Result<Self> {
        let Connection { stream, origin } = connection;
        let (sender, driver) = builder().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::new(driver)), origin })
    }

    /// Sends a request and waits for the head of its response.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut sending = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            drive(driver, cx);
            sending.as_mut().poll(cx)
        })
        .await
    }

    /// Lets hyper read and write.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }

    /// Back to the pool, where the request was sent and the response read to their ends.
    pub fn release(mut self) {
        self.drive(&mut Context::from_waker(Waker::noop()));
        if let Some(driver) = self.driver
            && self.sender.is_ready()
        {
            let parts = driver.into_parts();
            if parts.read_buf.is_empty() {
                Connection { stream: parts.io.into_inner(), origin: self.origin }.release();
            }
        }
    }
}

/// Polls a driver; an ended one is dropped. Its errors also reach the request or the body, which report them.
fn drive(driver: &mut Option<Box<http1::Connection<TokioIo<Stream>, RequestBody>>>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(&mut **running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_RESPONSE_HEADERS).max_header_size(MAX_RESPONSE_HEAD).max_buf_size(MAX_RESPONSE_HEAD);
    builder
}

/// Opens a connection of its own for a protocol switch. Its driver is returned to be run until the switch is done.
pub async fn open_for_switch(
    upstream: &Upstream,
) -> io::Result<(SendRequest<RequestBody>, impl Future<Output = hyper::Result<()>> + Send + use<>)> {
    let stream = Stream::connect(&upstream.address).await?;
    let (sender, driver) = builder().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    Ok((sender, driver.with_upgrades()))
}
