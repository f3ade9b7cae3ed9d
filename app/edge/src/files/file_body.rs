//! What is sent of a file: from memory where it is small, else in pieces read off the edge's threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::task::JoinHandle;

use super::site::{Form, Site};
use crate::body::{Body, BodyError};

/// Files up to this size are kept in memory once asked for,
const MAX_CACHED: u64 = 64 * 1024;
/// as long as the site's cached files together stay below this.
const CACHE_BUDGET: u64 = 8 * 1024 * 1024;
/// Larger ones are read in pieces of this size, off the edge's threads.
const PIECE: u64 = 256 * 1024;

/// `length` bytes of a form.
pub async fn open(site: &Arc<Site>, form: &Form, from: u64, length: u64) -> io::Result<Body> {
    let slice = |bytes: &Bytes| {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        let end = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
        Body::full(bytes.slice(from..end))
    };
    if let Some(bytes) = form.cache.get() {
        return Ok(slice(bytes));
    }
    let path = form.path.clone();
    let file = off_thread(move || File::open(path)).await?;
    if form.size > MAX_CACHED || site.cached.fetch_add(form.size, Relaxed) + form.size > CACHE_BUDGET {
        if form.size <= MAX_CACHED {
            site.cached.fetch_sub(form.size, Relaxed);
        }
        return Ok(Body::file(FileBody { file: Arc::new(file), at: from, remaining: length, reading: None }));
    }
    let size = form.size;
    let bytes = off_thread(move || read_at(&file, 0, size)).await?;
    Ok(slice(form.cache.get_or_init(|| bytes)))
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn read_at(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer.into())
}

/// A file on its way, one piece ahead of the client at most.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    at: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let (file, at, length) = (&self.file, self.at, self.remaining.min(PIECE));
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            tokio::task::spawn_blocking(move || read_at(&file, at, length))
        });
        let piece = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        self.at += length;
        self.remaining -= length;
        Poll::Ready(Some(piece.map(Frame::data).map_err(BodyError::File)))
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }
}
