//! Bytes on their way from a thread that writes them, as an archive is written, to a stream that somebody reads.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Chunks that may wait for the reader; bounds the memory.
pub const IN_FLIGHT: usize = 8;
const CHUNK: usize = 64 * 1024;

/// Hands bytes over to the asynchronous side; blocks while the reader is slower than the disk. What is left must be flushed.
pub struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
    sent: u64,
}

impl Chunks {
    /// What is written goes there.
    pub fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, buffer: Vec::with_capacity(CHUNK), sent: 0 }
    }

    /// Bytes that were handed over.
    pub fn sent(&self) -> u64 {
        self.sent
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
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sent += chunk.len() as u64;
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader is gone");
        self.sender.blocking_send(Ok(chunk.into())).map_err(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arrives_in_its_order_and_is_counted() {
        let (sender, mut receiver) = mpsc::channel(IN_FLIGHT);
        let mut chunks = Chunks::new(sender);
        let bytes: Vec<u8> = (0..3 * CHUNK + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        bytes.chunks(1000).for_each(|piece| chunks.write_all(piece).unwrap());
        chunks.flush().unwrap();
        chunks.flush().unwrap();
        assert_eq!(chunks.sent(), bytes.len() as u64);
        drop(chunks);
        let mut arrived = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            let chunk = chunk.unwrap();
            assert!(!chunk.is_empty(), "an empty chunk would end some streams");
            arrived.extend_from_slice(&chunk);
        }
        assert_eq!(arrived, bytes);
    }

    #[test]
    fn who_writes_is_told_that_nobody_reads() {
        let (sender, receiver) = mpsc::channel(IN_FLIGHT);
        drop(receiver);
        let mut chunks = Chunks::new(sender);
        chunks.write_all(b"bytes").unwrap();
        assert_eq!(chunks.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
