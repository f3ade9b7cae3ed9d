//! Connections to applications: one pool per thread, and no task per connection.
//!
//! An idle connection is polled by nobody; whether it still lives is found out at the moment it is wanted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::routes::Upstream;
use super::stream::Stream;

/// Idle connections to one upstream that a thread keeps.
const MAX_IDLE: usize = 256;
/// An idle connection is closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that cannot be repeated goes only over a connection that was used this recently: applications close
/// idle ones after seconds, and the request must not meet that moment.
const FRESH: Duration = Duration::from_millis(1500);

thread_local! {
    static IDLE: RefCell<HashMap<u64, Vec<Idle>>> = RefCell::new(HashMap::new());
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection to an application.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Whose it is.
    pub origin: Origin,
}

/// What a connection belongs to.
#[derive(Debug)]
pub struct Origin {
    upstream: Arc<Upstream>,
    reused: bool,
}

impl Connection {
    /// A pooled connection that is alive as far as can be known. `repeatable` says whether the request can be sent
    /// again should it turn out dead.
    pub fn reuse(upstream: &Arc<Upstream>, repeatable: bool) -> Option<Self> {
        loop {
            let idle = IDLE.with_borrow_mut(|idle| idle.get_mut(&upstream.key)?.pop())?;
            if !repeatable && idle.since.elapsed() > FRESH {
                // Kept for a request that can be repeated.
                idle.connection.park(idle.since);
                return None;
            }
            let mut connection = idle.connection;
            if connection.stream.is_quiet() {
                connection.origin.reused = true;
                return Some(connection);
            }
        }
    }

    /// A new connection.
    pub async fn open(upstream: &Arc<Upstream>) -> io::Result<Self> {
        let stream = Stream::connect(&upstream.address).await?;
        Ok(Self { stream, origin: Origin { upstream: Arc::clone(upstream), reused: false } })
    }

    /// Whether this connection served a request before.
    pub fn is_reused(&self) -> bool {
        self.origin.reused
    }

    /// Back to this thread's pool. Its last response must have been read to the end.
    pub fn release(self) {
        if !self.origin.upstream.in_flight.is_closed() {
            self.park(Instant::now());
        }
    }

    fn park(self, since: Instant) {
        // The thread may be ending; then the connection ends with it.
        let _ended = IDLE.try_with(|idle| {
            if let Ok(mut idle) = idle.try_borrow_mut() {
                let idle = idle.entry(self.origin.upstream.key).or_default();
                if idle.len() < MAX_IDLE {
                    idle.push(Idle { connection: self, since });
                }
            }
        });
    }
}

/// Closes what idled for too long, died, or belongs to a closed upstream. Run now and then on each thread.
pub fn sweep() {
    IDLE.with_borrow_mut(|idle| {
        idle.retain(|_, connections| {
            connections.retain(|idle| {
                idle.since.elapsed() < IDLE_TIMEOUT
                    && !idle.connection.origin.upstream.in_flight.is_closed()
                    && idle.connection.stream.is_quiet()
            });
            !connections.is_empty()
        });
    });
}
