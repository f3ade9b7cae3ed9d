//! A build goes on slowly while the machine is short of memory. It is never frozen: what is slow can still be cancelled, runs into its
//! time limit, and ends by itself; and after a crash nothing stands still that nobody would wake.

use std::time::{Duration, Instant};

use boathouse_types::{Waiting, WaitsFor};

use super::Queue;
use super::plan::mib;
use super::room::floor;
use crate::clock;
use crate::db::release::ReleaseRow;
use crate::disk::guard;
use crate::docker::Pace;
use crate::error::Error;
use crate::machine::{Alarm, Memory, Pressure};
use crate::observed::Wait;
use crate::release::pipeline::Run;

/// While something is built, memory and disk are looked at this often; the kernel's alarm is faster.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Slow for at least so long, so that it does not waver.
const AT_LEAST: Duration = Duration::from_secs(5);
/// And at most so long at a stretch: the build may have nothing to do with it, and must come to its end.
const AT_MOST: Duration = Duration::from_secs(60);
/// After that it has its whole speed for so long, whatever happens.
const REST: Duration = Duration::from_secs(30);
/// Work waits for memory in more than this share of the time, in percent: the machine is short of it.
const SHORT: f64 = 20.0;
/// In less than this: no longer.
const CALM: f64 = 5.0;
/// Of its memory the machine has less left than one part in so many.
const SCARCE: u64 = 10;

/// When it is slow.
#[derive(Debug, Default)]
pub struct Pacing {
    slow_since: Option<Instant>,
    rests_until: Option<Instant>,
}

impl Pacing {
    /// Whether the build is to be slow from `now` on.
    fn next(&mut self, now: Instant, need: Need) -> bool {
        match self.slow_since {
            None if need == Need::Short && self.rests_until.is_none_or(|until| until <= now) => {
                self.slow_since = Some(now);
            }
            Some(since) if now.duration_since(since) >= AT_MOST => {
                *self = Self { slow_since: None, rests_until: Some(now + REST) };
            }
            Some(since) if need == Need::Calm && now.duration_since(since) >= AT_LEAST => self.slow_since = None,
            _ => {}
        }
        self.slow_since.is_some()
    }
}

/// How the machine is off for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Short,
    Between,
    Calm,
}

/// Pressure alone says too little: a build that reaches its own limit makes some by itself, and hurts nobody.
fn need(memory: Option<Memory>, pressure: Pressure, rang: bool, floor: u64) -> Need {
    let Some(memory) = memory else { return Need::Calm };
    let waits = pressure.memory.unwrap_or(0.0);
    let is_scarce = memory.available < floor.max(memory.total / SCARCE);
    if is_scarce && (rang || waits > SHORT) || memory.available < floor / 2 {
        Need::Short
    } else if is_scarce && waits > CALM {
        Need::Between
    } else {
        Need::Calm
    }
}

impl Queue {
    /// Keeps the machine usable while something is built: sets its pace, and returns why it has to end once the disk is full.
    pub async fn watch(&self, run: &Run, row: &ReleaseRow, pace: &Pace) -> Error {
        let (alarm, mut pacing) = (self.machine.memory_alarm(), Pacing::default());
        let mut slow = Slow { queue: self, run, row, is_slow: false };
        loop {
            let rang = rings_within(alarm.as_ref(), LOOK_AGAIN).await;
            let memory = self.machine.memory();
            let need = need(memory, self.machine.pressure(), rang, floor(&self.app));
            let is_slow = pacing.next(Instant::now(), need);
            pace.set_slow(is_slow);
            slow.set(is_slow, memory);
            // A look that fails ends no build.
            if let Err(error) = guard::check(&self.app, "the rest of the build").await
                && error.kind == boathouse_types::ErrorKind::DiskFull
            {
                return error;
            }
        }
    }
}

/// Whether it rang; else after that time.
async fn rings_within(alarm: Option<&Alarm>, time: Duration) -> bool {
    let Some(alarm) = alarm else {
        tokio::time::sleep(time).await;
        return false;
    };
    let rang = tokio::time::timeout(time, alarm.rings()).await.is_ok();
    if rang {
        // It may ring again at once: a look takes a moment, too.
        tokio::time::sleep(time / 4).await;
    }
    rang
}

/// Tells of it, also that it is over where the build ends.
struct Slow<'a> {
    queue: &'a Queue,
    run: &'a Run,
    row: &'a ReleaseRow,
    is_slow: bool,
}

impl Slow<'_> {
    fn set(&mut self, is_slow: bool, memory: Option<Memory>) {
        if std::mem::replace(&mut self.is_slow, is_slow) == is_slow {
            return;
        }
        let left = memory.map_or_else(String::new, |memory| format!(", {} available", mib(memory.available)));
        let reason = format!("is built slowly: the machine is short of memory{left}");
        match is_slow {
            true => self.run.log.say(reason.clone()),
            false => self.run.log.say("is built at its whole speed again"),
        }
        let waiting = Waiting { position: 0, kind: WaitsFor::Pace, reason, since: clock::now() };
        let row = self.row;
        let (project, deployment) = (row.project.clone(), row.deployment.clone());
        let wait = Wait { project, deployment, number: row.number, waiting };
        self.queue.app.observed.set_slow(row.id, is_slow.then_some(wait));
        self.queue.app.pokes.events.notify_waiters();
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        if self.is_slow {
            self.queue.app.observed.set_slow(self.row.id, None);
            self.queue.app.pokes.events.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn slow_has_an_end_whatever_the_machine_does() {
        let (mut pacing, begin) = (Pacing::default(), Instant::now());
        let mut at = |seconds: u64, need: Need| pacing.next(begin + Duration::from_secs(seconds), need);
        assert!(!at(0, Need::Calm) && !at(1, Need::Between));
        assert!(at(2, Need::Short));
        assert!(at(3, Need::Calm), "not for a moment only");
        assert!(at(20, Need::Between) && !at(21, Need::Calm));
        assert!(at(30, Need::Short) && at(89, Need::Short));
        assert!(!at(90, Need::Short), "it must get on, too");
        assert!(!at(119, Need::Short) && at(120, Need::Short));
    }

    #[test]
    fn a_build_that_only_reaches_its_own_limit_is_not_slowed() {
        let of = |available: u64, waits: f64, rang: bool| {
            let memory = Memory { total: 8000 * MIB, available: available * MIB };
            need(Some(memory), Pressure { memory: Some(waits), ..Pressure::default() }, rang, 256 * MIB)
        };
        assert_eq!(of(4000, 90.0, true), Need::Calm, "there is memory enough");
        assert_eq!(of(700, 30.0, false), Need::Short);
        assert_eq!(of(700, 3.0, true), Need::Short, "the alarm is faster than the average");
        assert_eq!(of(700, 10.0, false), Need::Between);
        assert_eq!(of(700, 1.0, false), Need::Calm);
        assert_eq!(of(100, 0.0, false), Need::Short, "also where the kernel counts no pressure");
        assert_eq!(need(None, Pressure::default(), false, 256 * MIB), Need::Calm);
    }
}
