//! The queue of builds: who waits for what, and who is built slowly.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentName, ProjectName, ReleaseId, Waiting, WaitsFor};

use super::Observed;

/// What is seen of it.
#[derive(Default)]
pub(super) struct State {
    waits: BTreeMap<ReleaseId, Wait>,
    slow: BTreeMap<ReleaseId, Wait>,
    building: usize,
}

/// A release that waits to be built, or is built slowly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Its project.
    pub project: ProjectName,
    /// Its deployment.
    pub deployment: DeploymentName,
    /// Its number there.
    pub number: i64,
    /// Its place, and what it waits for.
    pub waiting: Waiting,
}

impl Wait {
    /// Whether people would want to hear of the change: numbers in a reason change all the time.
    pub fn is_news_after(&self, before: &Self) -> bool {
        let (now, before) = (&self.waiting, &before.waiting);
        let is_other = (now.position, now.kind) != (before.position, before.kind);
        is_other || now.kind == WaitsFor::Build && now.reason != before.reason
    }
}

impl Observed {
    /// Notes which releases wait to be built, and how many are; returns true where that is news.
    pub fn set_queue(&self, waits: BTreeMap<ReleaseId, Wait>, building: usize) -> bool {
        let mut state = self.lock();
        let known =
            |id: &ReleaseId, wait: &Wait| state.queue.waits.get(id).is_some_and(|before| !wait.is_news_after(before));
        let is_same = waits.len() == state.queue.waits.len() && waits.iter().all(|(id, wait)| known(id, wait));
        let is_news = !is_same || building != state.queue.building;
        (state.queue.waits, state.queue.building) = (waits, building);
        drop(state);
        if is_news {
            self.changed();
        }
        is_news
    }

    /// The releases that wait to be built, and how many are.
    pub fn queue(&self) -> (BTreeMap<ReleaseId, Wait>, usize) {
        let state = self.lock();
        (state.queue.waits.clone(), state.queue.building)
    }

    /// Notes that a release is built slowly, or no longer.
    pub fn set_slow(&self, release: ReleaseId, wait: Option<Wait>) {
        let mut state = self.lock();
        match wait {
            Some(wait) => state.queue.slow.insert(release, wait),
            None => state.queue.slow.remove(&release),
        };
        drop(state);
        self.changed();
    }

    /// The releases that wait to be built, and those that are built slowly.
    pub fn waits(&self) -> BTreeMap<ReleaseId, Wait> {
        let state = self.lock();
        state.queue.waits.iter().chain(&state.queue.slow).map(|(id, wait)| (*id, wait.clone())).collect()
    }

    /// What a release waits for.
    pub fn waiting(&self, release: ReleaseId) -> Option<Waiting> {
        let state = self.lock();
        state.queue.waits.get(&release).or_else(|| state.queue.slow.get(&release)).map(|wait| wait.waiting.clone())
    }
}
