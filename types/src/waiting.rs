//! Why a release is not built yet: its place in the queue of builds, and what it waits for.

use serde::{Deserialize, Serialize};

use crate::{Millis, plural};

/// A release that waits, or is built slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waiting {
    /// Its place among the releases that wait to be built, from 1; 0 where it is in no queue.
    pub position: u32,
    /// What it waits for.
    pub kind: WaitsFor,
    /// The same in words, as in `waits for the build of web/production`.
    pub reason: String,
    /// Since when.
    pub since: Millis,
}

/// What a release waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WaitsFor {
    /// The end of an earlier release of its deployment.
    Release,
    /// The end of a build: no more may run at the same time.
    Build,
    /// Memory of the machine.
    Memory,
    /// A machine on which work waits less for processors, memory or disk.
    Pressure,
    /// Nothing: it is built, but slowly while the machine is short of memory.
    Pace,
}

impl Waiting {
    /// Place and reason in a sentence without its full stop: `2nd in the queue: waits for the build of web/production`.
    pub fn sentence(&self) -> String {
        match self.position {
            0 => self.reason.clone(),
            position => format!("{} in the queue: {}", ordinal(position), self.reason),
        }
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The builds of this instance: how many there may be, and how it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Builds {
    /// So many may run at the same time.
    pub at_once: u32,
    /// That number follows from the processors, and fewer run while the machine is under pressure; false where it was set.
    pub automatic: bool,
    /// So many run now.
    pub running: u32,
    /// So many releases wait to be built.
    pub waiting: u32,
    /// Bytes of memory that programs could still get (`MemAvailable`); absent where the kernel does not say.
    pub memory_available_bytes: Option<u64>,
    /// No build begins while less than this is available.
    pub memory_floor_bytes: u64,
    /// Why builds run without limits, and what to do; absent where they have them.
    pub problem: Option<String>,
}

impl Builds {
    /// In one line.
    pub fn words(&self) -> String {
        let how = if self.automatic { "automatic" } else { "set" };
        let running = plural(self.running.into(), "build");
        format!("{running} of {} ({how}), {} waiting", self.at_once, self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_as_people_say_it() {
        let numbers = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111];
        let said = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"];
        assert_eq!(numbers.map(ordinal), said);
    }

    #[test]
    fn without_a_queue_the_reason_stands_alone() {
        let mut waiting = Waiting { position: 2, kind: WaitsFor::Build, reason: "waits for x".into(), since: 0 };
        assert_eq!(waiting.sentence(), "2nd in the queue: waits for x");
        waiting.position = 0;
        assert_eq!(waiting.sentence(), "waits for x");
    }
}
