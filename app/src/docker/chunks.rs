//! Bytes on their way from a thread that writes them to a stream that the engine reads.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Chunks that may wait for the engine; bounds the memory.
pub const CHUNKS_IN_FLIGHT: usize = 8;
const CHUNK: usize = 64 * 1024;

/// Hands bytes over to the asynchronous side; blocks while the engine is slower than the disk. What is left must be flushed.
pub struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Chunks {
    /// What is written goes there.
    pub fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, buffer: Vec::with_capacity(CHUNK) }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
