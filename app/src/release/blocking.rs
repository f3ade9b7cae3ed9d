//! Work on files off the async threads, told to stop when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Result, internal};

/// Whether the caller is gone; long loops look at it.
#[derive(Clone, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// An error once the caller is gone.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(internal("nobody waits for this any more")) } else { Ok(()) }
    }
}

struct OnDrop(Abandoned);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work`; dropping the future tells it to stop.
pub async fn run<T: Send + 'static>(work: impl FnOnce(&Abandoned) -> Result<T> + Send + 'static) -> Result<T> {
    let abandoned = Abandoned::default();
    let _tell = OnDrop(abandoned.clone());
    tokio::task::spawn_blocking(move || work(&abandoned))
        .await
        .map_err(|error| internal("work on files was cut short").caused_by(error))?
}
