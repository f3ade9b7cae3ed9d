//! What answers for a deployment that is stopped or just waking: a page, and where visitors may, a button that wakes it.
//!
//! A request touches no database: it rings a bell, and whoever waits for that writes what it means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boathouse_types::DeploymentId;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::sync::Notify;

use super::body::Body;
use super::pages::{self, Rest};

/// Where the button posts to, at any host of a deployment that sleeps.
pub const WAKE_PATH: &str = "/.boathouse/wake";

/// A deployment that sleeps.
#[derive(Debug)]
pub struct Asleep {
    /// Which one.
    pub deployment: DeploymentId,
    /// Whether visitors may wake it.
    pub visitors: bool,
    /// It was woken and is on its way.
    pub waking: bool,
    rung: AtomicBool,
    bell: Arc<Notify>,
}

impl Asleep {
    /// Nobody has rung yet.
    pub fn new(deployment: DeploymentId, visitors: bool, waking: bool, bell: Arc<Notify>) -> Self {
        Self { deployment, visitors, waking, rung: AtomicBool::new(false), bell }
    }

    /// Whether it is the same as one that is to be made.
    pub fn is(&self, visitors: bool, waking: bool) -> bool {
        (self.visitors, self.waking) == (visitors, waking)
    }

    /// Whether somebody has rung since the last look.
    pub fn take_ring(&self) -> bool {
        self.rung.swap(false, Ordering::Relaxed)
    }

    /// The answer to a request.
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        if self.visitors && head.method == Method::POST && head.uri.path() == WAKE_PATH {
            self.rung.store(true, Ordering::Relaxed);
            self.bell.notify_one();
            return pages::resting(StatusCode::ACCEPTED, &head.headers, Rest::Waking);
        }
        let rest = match (self.waking, self.visitors) {
            (true, _) => Rest::Waking,
            (false, true) => Rest::Button,
            (false, false) => Rest::Closed,
        };
        pages::resting(StatusCode::SERVICE_UNAVAILABLE, &head.headers, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(asleep: &Asleep, method: Method, path: &str) -> StatusCode {
        let request = http::Request::builder().method(method).uri(path).body(()).unwrap();
        asleep.answer(&request.into_parts().0).status()
    }

    #[test]
    fn only_the_button_rings_and_only_where_visitors_may() {
        for (visitors, method, path, rings) in [
            (true, Method::POST, WAKE_PATH, true),
            (true, Method::GET, WAKE_PATH, false),
            (true, Method::POST, "/", false),
            (false, Method::POST, WAKE_PATH, false),
        ] {
            let asleep = Asleep::new(DeploymentId(1), visitors, false, Arc::default());
            let status = ask(&asleep, method.clone(), path);
            assert_eq!(status, if rings { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE });
            assert_eq!(asleep.take_ring(), rings, "{visitors} {method} {path}");
            assert!(!asleep.take_ring(), "rung once, told once");
        }
    }
}
