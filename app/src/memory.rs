//! Memory that was freed goes back to the system.
//!
//! The allocator keeps freed pages for a moment, for whoever asks next, and gives them back with the first allocation after that. A
//! server at rest allocates next to nothing: a third of its memory would stay what it was when it was busy last.

use std::time::Duration;

use crate::state::App;
use crate::task::Poke;

/// Often enough that nobody sees the memory of an hour ago, and a few microseconds each time.
const PERIOD: Duration = Duration::from_secs(15);

/// Starts the task.
pub fn start(app: &App) {
    let description = "gives freed memory back to the system";
    app.tasks.reconcile("memory", description, Some(PERIOD), Poke::default(), || async {
        give_back();
        Ok(())
    });
}

fn give_back() {
    // SAFETY: takes no pointer and may be called by any thread at any time; not forced, it returns only what has been free for long.
    #[expect(unsafe_code, reason = "the allocator's crate has no safe name for it")]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}
