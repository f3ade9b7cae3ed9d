//! What answers for a deployment that does not run, or is just waking: a page, where visitors may, a button that wakes it; and where it
//! sleeps for want of visitors, the application itself: the request is held until that answers.
//!
//! A request touches no database: it rings a bell, and whoever waits for that writes what it means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use boathouse_types::DeploymentId;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::Body;
use super::pages::{self, Rest};
use super::routes::{Route, Target};

/// Where the button posts to, at any host of a deployment that is stopped.
pub const WAKE_PATH: &str = "/.boathouse/wake";
/// Requests of one deployment that are held at the same time: each costs what it has sent so far, a few KiB.
const MOST_HELD: usize = 512;
/// Whoever asks for a page sees nothing while its request is held: after this it gets one that looks again by itself.
const PAGE_AFTER: Duration = Duration::from_secs(2);

/// A deployment that does not run.
#[derive(Debug)]
pub struct Asleep {
    /// Which one.
    pub deployment: DeploymentId,
    /// What wakes it.
    pub by: WokenBy,
    /// How far that is.
    pub waking: Waking,
    door: Arc<Door>,
}

/// What wakes a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WokenBy {
    /// Its owner, elsewhere.
    Owner,
    /// A visitor who presses the button.
    Button,
    /// Any request; it is held so long.
    Request(Duration),
}

/// How far a deployment is that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waking {
    /// Nothing of it runs.
    No,
    /// It is on its way.
    Yes,
    /// It cannot start, and that is tried again; a sentence that tells nothing of what is behind.
    Failed(&'static str),
}

/// What the requests for one deployment share, however often its route changes.
#[derive(Debug)]
pub struct Door {
    rung: AtomicBool,
    held: AtomicUsize,
    changed: Notify,
    bell: Arc<Notify>,
}

/// A request that is held, until it is dropped.
struct Held<'a>(&'a Door);

impl Door {
    /// Nobody has rung yet; `bell` wakes whoever answers the door.
    pub fn new(bell: Arc<Notify>) -> Self {
        Self { rung: AtomicBool::new(false), held: AtomicUsize::new(0), changed: Notify::new(), bell }
    }

    /// Whether somebody has rung since the last look.
    pub fn take_ring(&self) -> bool {
        self.rung.swap(false, Ordering::Relaxed)
    }

    /// The routes have changed: whoever is held looks again.
    pub fn tell(&self) {
        self.changed.notify_waiters();
    }

    /// However many ring, it rings once.
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            self.bell.notify_one();
        }
    }

    fn enter(&self) -> Option<Held<'_>> {
        let held = Held(self);
        (self.held.fetch_add(1, Ordering::Relaxed) < MOST_HELD).then_some(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Asleep {
    /// Behind that door.
    pub fn new(deployment: DeploymentId, by: WokenBy, waking: Waking, door: Arc<Door>) -> Self {
        Self { deployment, by, waking, door }
    }

    /// Whether it is the same as one that is to be made.
    pub fn is(&self, by: WokenBy, waking: Waking) -> bool {
        (self.by, self.waking) == (by, waking)
    }

    /// Whether requests are held for it.
    pub fn holds(&self) -> bool {
        matches!(self.by, WokenBy::Request(_))
    }

    /// The answer to a request that is not held.
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        let button = self.by == WokenBy::Button;
        if button && head.method == Method::POST && head.uri.path() == WAKE_PATH {
            self.door.ring();
            return pages::resting(StatusCode::ACCEPTED, &head.headers, Rest::Rung);
        }
        let rest = match (self.waking, button) {
            (Waking::Yes, _) => Rest::Rung,
            (Waking::No | Waking::Failed(_), true) => Rest::Button,
            (Waking::No | Waking::Failed(_), false) => Rest::Closed,
        };
        pages::resting(StatusCode::SERVICE_UNAVAILABLE, &head.headers, rest)
    }
}

/// Holds a request, of which nothing but the head was read, until `look` finds a route behind which something runs: that route. Or what is
/// answered in place of the application.
pub async fn hold(
    asleep: Arc<Asleep>,
    head: &Parts,
    is_page: bool,
    look: impl Fn() -> Option<Arc<Route>>,
) -> Result<Arc<Route>, Box<Response<Body>>> {
    let instead = |status, rest| Err(Box::new(pages::resting(status, &head.headers, rest)));
    let door = Arc::clone(&asleep.door);
    let Some(_held) = door.enter() else { return instead(StatusCode::SERVICE_UNAVAILABLE, Rest::Crowded) };
    let wait = match asleep.by {
        WokenBy::Request(wait) => wait,
        WokenBy::Owner | WokenBy::Button => Duration::ZERO,
    };
    let deadline = Instant::now() + if is_page { wait.min(PAGE_AFTER) } else { wait };
    // Once: where nobody may wake it now, each look would ring for the next.
    let mut has_rung = false;
    loop {
        let mut changed = std::pin::pin!(door.changed.notified());
        // Before the look, so that no change is missed in between.
        changed.as_mut().enable();
        let Some(route) = look() else { return Err(Box::new(pages::page(StatusCode::NOT_FOUND, &head.headers))) };
        match &route.target {
            Target::Asleep(now) if now.holds() => match now.waking {
                Waking::No if has_rung => {}
                Waking::No => {
                    door.ring();
                    has_rung = true;
                }
                Waking::Yes => has_rung = false,
                Waking::Failed(why) => return instead(StatusCode::SERVICE_UNAVAILABLE, Rest::Failed(why)),
            },
            _ => return Ok(route),
        }
        if tokio::time::timeout_at(deadline, changed).await.is_err() {
            return if is_page {
                instead(StatusCode::SERVICE_UNAVAILABLE, Rest::Waking)
            } else {
                instead(StatusCode::GATEWAY_TIMEOUT, Rest::Late)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::routes::{Policy, Upstream};

    fn head(method: Method, path: &str) -> Parts {
        http::Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_the_button_rings_and_only_where_visitors_may() {
        for (by, method, path, rings) in [
            (WokenBy::Button, Method::POST, WAKE_PATH, true),
            (WokenBy::Button, Method::GET, WAKE_PATH, false),
            (WokenBy::Button, Method::POST, "/", false),
            (WokenBy::Owner, Method::POST, WAKE_PATH, false),
        ] {
            let door = Arc::new(Door::new(Arc::default()));
            let asleep = Asleep::new(DeploymentId(1), by, Waking::No, Arc::clone(&door));
            let status = asleep.answer(&head(method.clone(), path)).status();
            assert_eq!(status, if rings { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE });
            assert_eq!(door.take_ring(), rings, "{by:?} {method} {path}");
            assert!(!door.take_ring(), "rung once, told once");
        }
    }

    /// A deployment whose route can be changed.
    struct World {
        door: Arc<Door>,
        bell: Arc<Notify>,
        route: Mutex<Arc<Route>>,
        wait: Duration,
    }

    impl World {
        fn new(wait: Duration) -> Self {
            let bell = Arc::<Notify>::default();
            let door = Arc::new(Door::new(Arc::clone(&bell)));
            let route = Mutex::new(World::route(&door, wait, Waking::No));
            Self { door, bell, route, wait }
        }

        fn route(door: &Arc<Door>, wait: Duration, waking: Waking) -> Arc<Route> {
            let by = WokenBy::Request(wait);
            let target = Target::Asleep(Arc::new(Asleep::new(DeploymentId(1), by, waking, Arc::clone(door))));
            Arc::new(Route { id: "a".to_owned(), target, policy: Policy::default() })
        }

        fn becomes(&self, waking: Waking) {
            *self.route.lock().unwrap() = World::route(&self.door, self.wait, waking);
            self.door.tell();
        }

        fn runs(&self) {
            let target = Target::Upstreams(vec![Upstream::tcp(([127, 0, 0, 1], 1).into())]);
            let route = Route { id: "b".to_owned(), target, policy: Policy::default() };
            *self.route.lock().unwrap() = Arc::new(route);
            self.door.tell();
        }

        async fn hold(&self, is_page: bool) -> Result<String, StatusCode> {
            let route = Arc::clone(&self.route.lock().unwrap());
            let Target::Asleep(asleep) = &route.target else { panic!("it runs") };
            let look = || Some(Arc::clone(&self.route.lock().unwrap()));
            let held = hold(Arc::clone(asleep), &head(Method::GET, "/"), is_page, look).await;
            held.map(|route| route.id.clone()).map_err(|response| response.status())
        }
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn many_are_held_and_ring_once_until_it_runs() {
        let world = World::new(LONG);
        let story = async {
            world.bell.notified().await;
            assert!(world.door.take_ring() && !world.door.take_ring(), "however many ring");
            world.becomes(Waking::No);
            tokio::task::yield_now().await;
            assert!(!world.door.take_ring(), "each rings once");
            world.becomes(Waking::Yes);
            tokio::task::yield_now().await;
            assert!(!world.door.take_ring(), "it is on its way");
            assert_eq!(world.door.held.load(Ordering::Relaxed), 3);
            world.runs();
        };
        let (first, second, page, ()) = tokio::join!(world.hold(false), world.hold(false), world.hold(true), story);
        assert_eq!((first, second, page), (Ok("b".to_owned()), Ok("b".to_owned()), Ok("b".to_owned())));
        assert_eq!(world.door.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_waits_too_long_or_in_vain_is_told_so() {
        let world = World::new(SHORT);
        let begun = Instant::now();
        assert_eq!(world.hold(true).await, Err(StatusCode::SERVICE_UNAVAILABLE), "a page that looks again");
        assert_eq!(world.hold(false).await, Err(StatusCode::GATEWAY_TIMEOUT));
        assert!(begun.elapsed() >= SHORT * 2);
        let world = World::new(LONG);
        world.becomes(Waking::Failed("It ended while it started."));
        assert_eq!(world.hold(false).await, Err(StatusCode::SERVICE_UNAVAILABLE), "at once");
    }

    #[tokio::test]
    async fn not_too_many_are_held() {
        let world = World::new(SHORT);
        let places: Vec<_> = (0..MOST_HELD).map(|_| world.door.enter().unwrap()).collect();
        assert_eq!(world.hold(false).await, Err(StatusCode::SERVICE_UNAVAILABLE));
        assert!(!world.door.take_ring());
        drop(places);
        assert_eq!(world.hold(false).await, Err(StatusCode::GATEWAY_TIMEOUT));
    }
}
