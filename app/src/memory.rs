//! Memory that is no longer used goes back to the system.
//!
//! The allocator keeps freed pages for a moment, for whoever asks next, and gives them back with the first allocation after that. A
//! server at rest allocates next to nothing: a third of its memory would stay what it was when it was busy last.
//!
//! The program itself is memory too: a start, a deployment, a page of the console each walk through code that then rests, and the
//! kernel keeps code that is mapped longest of all. So it is unmapped now and then. What is called again comes back from the page
//! cache with the first call (a microsecond for 16 pages); the rest is the first to go where memory is short.

use std::fs;
use std::io;
use std::ops::Range;
use std::time::Duration;

use rustix::mm::{Advice, madvise};

use crate::error::Result;
use crate::state::App;
use crate::task::Poke;

/// Often enough that nobody sees the memory of an hour ago, and a few microseconds each time.
const PERIOD: Duration = Duration::from_secs(15);
/// The code is unmapped once the start is over, and then every hour: so many periods.
const UNMAP_EVERY: u32 = 240;

/// Starts the task.
pub fn start(app: &App) {
    let description = "gives freed memory back to the system";
    let mut run = 0;
    app.tasks.reconcile("memory", description, Some(PERIOD), Poke::default(), move || {
        let unmap = run % UNMAP_EVERY == 1;
        run += 1;
        async move {
            give_back();
            if unmap { unmap_code() } else { Ok(()) }
        }
    });
}

fn give_back() {
    // SAFETY: takes no pointer and may be called by any thread at any time; not forced, it returns only what has been free for long.
    #[expect(unsafe_code, reason = "the allocator's crate has no safe name for it")]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}

fn unmap_code() -> Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let Some(code) = code_around(&maps, unmap_code as *const () as usize) else { return Ok(()) };
    // SAFETY: the range is one mapping of this program's file that may be read and executed but not written: each of its pages is as
    // in the file, and the kernel maps it again from there when it is touched, by whichever thread.
    #[expect(unsafe_code, reason = "advice on memory that other code lies in")]
    unsafe {
        madvise(code.start as *mut _, code.len(), Advice::LinuxDontNeed).map_err(io::Error::from)?;
    }
    Ok(())
}

/// The mapping that `address` lies in, if it is code that nobody can have written to (proc_pid_maps(5)).
fn code_around(maps: &str, address: usize) -> Option<Range<usize>> {
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (range.contains(&address) && rest.starts_with("r-xp ")).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KiB of the code's mapping that are in memory for this process (proc_pid_smaps(5)).
    fn mapped_code() -> usize {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let code = code_around(&smaps, unmap_code as *const () as usize).unwrap();
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&format!("{:x}-", code.start)));
        let size = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        size.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn code_that_rests_is_unmapped_and_comes_back_when_it_is_called() {
        let before = mapped_code();
        unmap_code().unwrap();
        let after = mapped_code();
        assert!(after < before / 2, "{before} KiB before, {after} KiB after");
        assert_eq!(serde_json::from_str::<Vec<u8>>("[1]").unwrap(), [1]);
    }

    #[test]
    fn only_code_that_nobody_can_write_is_unmapped() {
        let maps = "1000-2000 r--p 00000000 00:01 7 /bin/x\n2000-5000 r-xp 00001000 00:01 7 /bin/x\n5000-6000 rwxp 0 00:00 0\n";
        assert_eq!(code_around(maps, 0x4fff), Some(0x2000..0x5000));
        assert_eq!(code_around(maps, 0x1000), None);
        assert_eq!(code_around(maps, 0x5000), None);
        assert_eq!(code_around("", 0x5000), None);
    }
}
