//! Which events tell something: who wanted a release and how it ended, not each step between. Pure.

use std::collections::BTreeSet;

use boathouse_types::Event;

/// What a release goes through between being asked for and its verdict, and after it. Its page shows all of them as stages.
const STEPS: [&str; 4] = ["release.source", "release.building", "release.starting", "release.finished"];
const VERDICTS: [&str; 3] = ["release.live", "release.failed", "release.cancelled"];

/// Of those, newest first: a release that is on its way is told by its newest step alone, one that ended by none.
pub fn telling(events: Vec<Event>) -> Vec<Event> {
    let of = |event: &Event| (event.project.clone(), event.deployment.clone(), event.release);
    let is_verdict = |event: &&Event| VERDICTS.contains(&event.kind.as_str());
    let mut told: BTreeSet<_> = events.iter().filter(is_verdict).map(of).collect();
    events.into_iter().filter(|event| !STEPS.contains(&event.kind.as_str()) || told.insert(of(event))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(of: &[(&str, i64)]) -> Vec<String> {
        let event = |(index, (kind, release)): (usize, &(&str, i64))| {
            serde_json::from_value(serde_json::json!({
                "id": 100 - index, "at": 0, "actor": "ada", "kind": kind, "project": "shop", "deployment": "production", "release": release,
                "message": "",
            }))
            .unwrap()
        };
        let told = telling(of.iter().enumerate().map(event).collect());
        told.iter().map(|event| format!("{} {}", event.kind, event.release.unwrap())).collect()
    }

    #[test]
    fn a_release_is_told_by_who_wanted_it_and_how_it_ended() {
        let ended = [
            ("release.finished", 3),
            ("release.live", 3),
            ("release.starting", 3),
            ("release.building", 3),
            ("release.queued", 3),
        ];
        assert_eq!(kinds(&ended), ["release.live 3", "release.queued 3"]);
        let goes_on = [("release.source", 4), ("release.building", 4), ("release.queued", 4), ("release.failed", 3)];
        assert_eq!(kinds(&goes_on), ["release.source 4", "release.queued 4", "release.failed 3"]);
    }
}
