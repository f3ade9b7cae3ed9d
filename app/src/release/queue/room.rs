//! How much there is to build with: by what the operator said, and by what the machine has at the moment.

use boathouse_types::Builds;

use super::plan::Room;
use super::{Queue, Turn};
use crate::docker;
use crate::machine::{Machine, Pressure};
use crate::state::App;

/// Where nobody says how many builds there may be: one for so many processors, within these bounds.
const CPUS_PER_BUILD: usize = 2;
const MOST_BUILDS: usize = 4;
/// What a build beside others must find, where its limit is not lower, in bytes.
const NEED: u64 = 1 << 30;
/// From such a share of the time on, in percent, work waits too much already for one more build to be any use.
const MOST_PRESSURE: [(&str, f64); 3] = [("processors", 90.0), ("memory", 10.0), ("the disk", 40.0)];

impl Queue {
    /// What there is now.
    pub(super) fn room(&self) -> Room {
        let (at_once, automatic) = at_once(&self.app);
        Room {
            at_once,
            memory: self.machine.memory().map(|memory| memory.available),
            floor: floor(&self.app),
            need: limit(&self.app).map_or(NEED, |limit| limit.min(NEED)),
            // Whoever says how many there may be has thought of it.
            pressed: if automatic { pressed(self.machine.pressure()) } else { None },
        }
    }
}

impl Turn {
    /// The most memory that this build may have, in bytes: as it is set, but never what the machine has not got. Half of the floor
    /// stays for what runs.
    pub fn memory_limit(&self, set: Option<u64>) -> MemoryLimit {
        let app = &self.queue.app;
        let left = self.queue.machine.memory().map(|memory| memory.available.saturating_sub(floor(app) / 2));
        match (set, left) {
            (Some(set), Some(left)) if left < set => MemoryLimit { limit: Some(left), set: Some(set) },
            (set, _) => MemoryLimit { limit: set, set },
        }
    }
}

/// The memory of a build, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Its limit.
    pub limit: Option<u64>,
    /// What it would be if the machine had that much.
    pub set: Option<u64>,
}

impl MemoryLimit {
    /// Whether it has less than what was set.
    pub fn is_scarce(self) -> bool {
        self.limit < self.set
    }
}

/// The builds of this instance as the API shows them.
pub fn status(app: &App) -> Builds {
    let (at_once, automatic) = at_once(app);
    let (waiting, running) = app.observed.queue();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Builds {
        at_once: count(at_once),
        automatic,
        running: count(running),
        waiting: count(waiting.len()),
        memory_available_bytes: Machine::default().memory().map(|memory| memory.available),
        memory_floor_bytes: floor(app),
        problem: docker::build::without_limits().map(str::to_owned),
    }
}

/// Builds at the same time, and whether that follows from the machine.
fn at_once(app: &App) -> (usize, bool) {
    match app.config.builds {
        0 => {
            let here = || std::thread::available_parallelism().map_or(1, usize::from);
            let cpus = app.observed.engine().cpus.map_or_else(here, |cpus| cpus as usize);
            ((cpus / CPUS_PER_BUILD).clamp(1, MOST_BUILDS), true)
        }
        set => (set, false),
    }
}

pub(super) fn floor(app: &App) -> u64 {
    app.config.build_floor << 20
}

fn limit(app: &App) -> Option<u64> {
    (app.config.build_memory > 0).then_some(app.config.build_memory << 20)
}

fn pressed(pressure: Pressure) -> Option<(&'static str, u8)> {
    let found = [pressure.cpu, pressure.memory, pressure.io];
    let too_much = |((what, most), found): ((&'static str, f64), Option<f64>)| {
        let share = found.filter(|share| *share > most)?;
        Some((what, percent(share)))
    };
    MOST_PRESSURE.into_iter().zip(found).find_map(too_much)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a percentage can be")]
fn percent(share: f64) -> u8 {
    share.clamp(0.0, 100.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_presses_most_urgently_is_named() {
        let of = |cpu, memory, io| pressed(Pressure { cpu, memory, io });
        assert_eq!(of(Some(50.0), Some(0.0), None), None);
        assert_eq!(of(Some(97.5), Some(50.0), None), Some(("processors", 97)));
        assert_eq!(of(None, Some(11.0), Some(99.0)), Some(("memory", 11)));
        assert_eq!(of(Some(10.0), None, Some(41.9)), Some(("the disk", 41)));
        assert_eq!(of(None, None, None), None);
    }

    #[test]
    fn less_memory_than_was_set_is_scarce_and_no_limit_is_not() {
        let scarce = |limit, set| MemoryLimit { limit, set }.is_scarce();
        assert!(scarce(Some(1), Some(2)));
        assert!(!scarce(Some(2), Some(2)) && !scarce(None, None));
    }
}
