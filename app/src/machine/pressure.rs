//! Pressure stall information of the kernel (Documentation/accounting/psi.rst): the share of time in which work waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Some of the work waits for memory for 400 ms of 2 s, in microseconds: for windows of other lengths the kernel wants a privilege. It
/// takes the last byte for the end, whatever it is.
const MEMORY_ALARM: &str = "some 400000 2000000\0";

/// Percent of the last 10 s; None where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// Some work waits for a processor.
    pub cpu: Option<f64>,
    /// Some work waits for memory.
    pub memory: Option<f64>,
    /// All work waits for the disk.
    pub io: Option<f64>,
}

impl Pressure {
    pub(super) fn parse(cpu: Option<&str>, memory: Option<&str>, io: Option<&str>) -> Self {
        let of = |text: Option<&str>, line: &str| average(text?, line);
        Self { cpu: of(cpu, "some "), memory: of(memory, "some "), io: of(io, "full ") }
    }
}

fn average(text: &str, line: &str) -> Option<f64> {
    let line = text.lines().find_map(|found| found.strip_prefix(line))?;
    line.split_whitespace().find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

/// A bell that the kernel rings; it stands as long as this lives.
#[derive(Debug)]
pub struct Alarm(AsyncFd<File>);

impl Alarm {
    pub(super) fn set(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        file.write_all(MEMORY_ALARM.as_bytes())?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for the sake of descriptors that change; a file's does not"
        )]
        let watched = AsyncFd::with_interest(file, Interest::PRIORITY)?;
        Ok(Self(watched))
    }

    /// Waits until it rings; for ever where it rings no more.
    pub async fn rings(&self) {
        match self.0.ready(Interest::PRIORITY).await {
            Ok(mut rung) => rung.clear_ready(),
            Err(error) => {
                tracing::debug!(%error, "the kernel's pressure alarm is broken");
                std::future::pending().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_seconds_are_read_from_the_line_that_counts() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=1\n";
        let read = Pressure::parse(Some(text), Some(text), Some(text));
        assert_eq!(read, Pressure { cpu: Some(12.5), memory: Some(12.5), io: Some(3.25) });
        assert_eq!(Pressure::parse(Some("nonsense"), Some("some avg10=x"), None), Pressure::default());
    }

    #[tokio::test]
    async fn an_alarm_can_be_set_where_the_kernel_has_them() {
        let path = Path::new("/proc/pressure/memory");
        // Not every kernel has it, and not everybody may.
        if OpenOptions::new().write(true).open(path).is_ok() {
            Alarm::set(path).unwrap();
        }
    }
}
