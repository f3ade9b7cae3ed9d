//! The queue of builds: tables for its words, and a thousand random histories for what must always hold.

use std::collections::BTreeMap;

use boathouse_types::{ReleaseId, WaitsFor};
use proptest::prelude::*;

use super::plan::{Asked, Room, Served, plan};

const MIB: u64 = 1 << 20;

fn asked(release: i64, project: &str) -> Asked {
    Asked {
        release: ReleaseId(release),
        project: project.parse().unwrap(),
        deployment: "production".parse().unwrap(),
        number: release,
        since: release,
    }
}

fn room(at_once: usize) -> Room {
    Room { at_once, memory: Some(8000 * MIB), floor: 256 * MIB, need: 1000 * MIB, pressed: None }
}

fn ids(plan: &super::plan::Plan) -> (Vec<i64>, Vec<i64>) {
    (plan.begin.iter().map(|id| id.0).collect(), plan.wait.iter().map(|(id, _)| id.0).collect())
}

/// The first reason, and what it is about.
fn reason(waiting: &[Asked], running: &[Asked], room: &Room) -> Option<(WaitsFor, String)> {
    let plan = plan(waiting, running, &Served::new(), room);
    plan.wait.first().map(|(_, waiting)| (waiting.kind, waiting.sentence()))
}

#[test]
fn projects_take_turns_and_each_keeps_its_order() {
    let mut waiting: Vec<Asked> = (1..=4).map(|id| asked(id, "busy")).collect();
    waiting.extend([asked(5, "calm"), asked(6, "other"), asked(7, "calm")]);
    let nobody = plan(&waiting, &[], &Served::new(), &room(1));
    assert_eq!(ids(&nobody), (vec![1], vec![5, 6, 2, 7, 3, 4]));
    let served = Served::from([("busy".parse().unwrap(), 9), ("calm".parse().unwrap(), 8)]);
    assert_eq!(ids(&plan(&waiting, &[], &served, &room(2))), (vec![6, 5], vec![1, 7, 2, 3, 4]));
}

#[test]
fn whoever_waits_is_told_why() {
    let (one, two, next) = ([asked(1, "web")], [asked(1, "web"), asked(2, "api")], [asked(9, "shop")]);
    let of = |running: &[Asked], room: Room| reason(&next, running, &room).unwrap();
    let (kind, words) = of(&one, room(1));
    assert_eq!((kind, words.as_str()), (WaitsFor::Build, "1st in the queue: waits for the build of web/production"));
    assert_eq!(of(&two, room(2)).1, "1st in the queue: waits for the builds of web/production and api/production");
    let three = [asked(1, "a"), asked(2, "b"), asked(3, "c")];
    assert!(of(&three, room(3)).1.ends_with("the builds of a/production, b/production and 1 more"));
    let (kind, words) = of(&[], Room { memory: Some(200 * MIB), ..room(2) });
    assert_eq!(kind, WaitsFor::Memory);
    assert!(words.ends_with("waits for memory: 200 MiB available, a build begins from 256 MiB on"), "{words}");
    let (kind, words) = of(&one, Room { memory: Some(2000 * MIB), ..room(2) });
    assert_eq!(kind, WaitsFor::Memory);
    let wanted = "2000 MiB available, beside the build of web/production it takes 2256 MiB";
    assert!(words.ends_with(wanted), "{words}");
    let (kind, words) = of(&one, Room { pressed: Some(("the disk", 60)), ..room(2) });
    assert_eq!(kind, WaitsFor::Pressure);
    assert!(words.ends_with("the build of web/production: work waits for the disk in 60 % of the time"), "{words}");
}

#[test]
fn the_first_build_goes_on_any_machine_that_has_a_little_memory() {
    for held in [
        Room { memory: Some(256 * MIB), ..room(4) },
        Room { memory: None, ..room(4) },
        Room { pressed: Some(("processors", 99)), ..room(4) },
        Room { at_once: 0, ..room(4) },
    ] {
        let first = plan(&[asked(1, "shop"), asked(2, "web")], &[], &Served::new(), &held);
        assert_eq!(first.begin.first(), Some(&ReleaseId(1)), "{held:?}");
    }
}

/// What happens to the queue.
#[derive(Debug, Clone)]
enum Step {
    Ask { project: u8 },
    End { which: usize },
    GiveUp { which: usize },
    Memory { mib: u64 },
    Pressed(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8).prop_map(|project| Step::Ask { project }),
        4 => (0..8usize).prop_map(|which| Step::End { which }),
        1 => (0..8usize).prop_map(|which| Step::GiveUp { which }),
        1 => (0..6000u64).prop_map(|mib| Step::Memory { mib }),
        1 => any::<bool>().prop_map(Step::Pressed),
    ]
}

/// A queue as the server keeps it, with what each release has seen go before it.
#[derive(Default)]
struct History {
    room: Room,
    next: i64,
    turns: u64,
    waiting: Vec<Asked>,
    running: Vec<Asked>,
    served: Served,
    // Of a waiting release: how many of other projects began since it was the oldest of its own.
    passed: BTreeMap<ReleaseId, BTreeMap<String, usize>>,
}

impl History {
    fn take(&mut self, step: Step) {
        match step {
            Step::Ask { project } => {
                self.next += 1;
                self.waiting.push(asked(self.next, &format!("p{project}")));
            }
            Step::End { which } if !self.running.is_empty() => {
                self.running.remove(which % self.running.len());
            }
            Step::GiveUp { which } if !self.waiting.is_empty() => {
                self.waiting.remove(which % self.waiting.len());
            }
            Step::End { .. } | Step::GiveUp { .. } => {}
            Step::Memory { mib } => self.room.memory = Some(mib * MIB),
            Step::Pressed(is_pressed) => self.room.pressed = is_pressed.then_some(("processors", 90)),
        }
    }

    fn arrange(&mut self) -> Result<(), TestCaseError> {
        let plan = plan(&self.waiting, &self.running, &self.served, &self.room);
        let before = self.waiting.len();
        for id in &plan.begin {
            self.begin(*id)?;
        }
        prop_assert!(self.running.len() <= self.room.at_once, "more than allowed");
        prop_assert_eq!(before, plan.begin.len() + plan.wait.len(), "each of them once");
        for (place, (id, waiting)) in plan.wait.iter().enumerate() {
            prop_assert!(self.waiting.iter().any(|asked| asked.release == *id));
            prop_assert_eq!(waiting.position as usize, place + 1);
        }
        let has_memory = self.room.memory.is_none_or(|memory| memory >= self.room.floor);
        prop_assert!(plan.wait.is_empty() || !self.running.is_empty() || !has_memory, "nothing is built");
        Ok(())
    }

    fn begin(&mut self, id: ReleaseId) -> Result<(), TestCaseError> {
        let at = self.waiting.iter().position(|asked| asked.release == id);
        let Some(at) = at else { return Err(TestCaseError::fail("one that does not wait begins")) };
        let own = self.waiting.remove(at);
        let is_oldest = self.waiting.iter().all(|other| other.project != own.project || other.release > own.release);
        prop_assert!(is_oldest, "an older one of its project waits still");
        for other in &self.waiting {
            let leads = self.waiting.iter().all(|one| one.project != other.project || one.release >= other.release);
            if leads && other.project != own.project {
                let passed = self.passed.entry(other.release).or_default().entry(own.project.to_string()).or_default();
                *passed += 1;
                prop_assert!(*passed <= 1, "{} was passed by {} again and again", other.project, own.project);
            }
        }
        self.turns += 1;
        self.served.insert(own.project.clone(), self.turns);
        self.running.push(own);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nobody_starves_nothing_overtakes_and_never_too_many(at_once in 1..4usize, steps in prop::collection::vec(step(), 1..80)) {
        let mut history = History { room: room(at_once), ..History::default() };
        for step in steps {
            history.take(step);
            history.arrange()?;
        }
        history.room = room(at_once);
        // All that was asked for comes to its turn.
        for _ in 0..100 {
            history.take(Step::End { which: 0 });
            history.arrange()?;
        }
        prop_assert!(history.waiting.is_empty());
    }
}
