//! The pipeline of a release: its stages with their state and time.

use boathouse_types::{Millis, Release, ReleaseState, Stage, StageTimes, Waiting};
use leptos::prelude::*;

use super::{Clock, Glyph, Icon};
use crate::format;

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
    /// A roll-back needs no source and no build.
    Skipped,
    /// The release ended before it.
    NotReached,
}

/// What the release says about one of its stages.
pub fn progress(release: &Release, stage: Stage) -> Progress {
    let times = times_of(release, stage);
    let failed = release.failure.as_ref().is_some_and(|failure| failure.stage == stage);
    let is_last = release.stage == Some(stage);
    match times {
        _ if failed => Progress::Failed,
        // The release is live all the same.
        _ if stage == Stage::After && release.failed_after().next().is_some() => Progress::Failed,
        Some(times) if times.finished_at.is_some() => Progress::Done,
        Some(_) if release.state == ReleaseState::Cancelled => Progress::Cancelled,
        Some(_) => Progress::Running,
        None if is_last && release.finished_at.is_none() => Progress::Running,
        None if release.stages.iter().any(|later| later.stage as u8 > stage as u8) => Progress::Skipped,
        None if release.finished_at.is_some() => Progress::NotReached,
        None => Progress::Waiting,
    }
}

fn times_of(release: &Release, stage: Stage) -> Option<&StageTimes> {
    release.stages.iter().find(|times| times.stage == stage)
}

fn span(times: Option<&StageTimes>, now: Millis) -> String {
    times.map_or_else(String::new, |times| format::duration(times.finished_at.unwrap_or(now) - times.started_at))
}

/// (icon, class, word for readers that see no colour).
fn look(progress: Progress) -> (Glyph, &'static str, &'static str) {
    match progress {
        Progress::Waiting => (Glyph::OFF, "waiting", "waiting"),
        Progress::Running => (Glyph::SPINNER, "busy", "running"),
        Progress::Done => (Glyph::HEALTHY, "good", "done"),
        Progress::Failed => (Glyph::DOWN, "bad", "failed"),
        Progress::Cancelled => (Glyph::DOWN, "off", "cancelled"),
        Progress::Skipped => (Glyph::OFF, "off", "not needed"),
        Progress::NotReached => (Glyph::OFF, "waiting", "not reached"),
    }
}

#[component]
pub fn Pipeline(#[prop(into)] release: Signal<Release>) -> impl IntoView {
    let said = Memo::new(move |_| release.with(announcement));
    // Whether it has commands is known once its manifest has been read.
    let stages = Memo::new(move |_| release.with(|release| release.pipeline().collect::<Vec<_>>()));
    view! {
        <ol class="pipeline" aria-label="Pipeline">
            {move || stages.get().into_iter().map(|stage| view! { <PipelineStage release stage/> }).collect_view()}
        </ol>
        <p class="visually-hidden" role="status" aria-live="polite">{said}</p>
    }
}

#[component]
fn PipelineStage(release: Signal<Release>, stage: Stage) -> impl IntoView {
    let clock = expect_context::<Clock>().0;
    let at = Memo::new(move |_| release.with(|release| progress(release, stage)));
    let took = move || {
        let times = release.with(|release| times_of(release, stage).cloned());
        let now = if at.get() == Progress::Running { clock.get() } else { 0 };
        span(times.as_ref(), now.max(times.as_ref().map_or(0, |times| times.started_at)))
    };
    let body = move || {
        let (glyph, class, word) = look(at.get());
        let turning = if class == "busy" { "turning" } else { "" };
        view! { <span class=format!("mark {class}")><Icon glyph class=turning/>{title(stage)}<span class="visually-hidden">", "{word}</span></span> }
    };
    let words = move || match (at.get(), took()) {
        (Progress::Done, took) => took,
        (progress, took) if took.is_empty() => look(progress).2.to_owned(),
        (progress, took) => format!("{}, {took}", look(progress).2),
    };
    view! { <li class=move || look(at.get()).1>{body}<small>{words}</small></li> }
}

fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Source => "Source",
        Stage::Build => "Build",
        Stage::Before => "Before",
        Stage::Start => "Start",
        Stage::Health => "Health",
        Stage::Switch => "Switch",
        Stage::Drain => "Drain",
        Stage::After => "After",
    }
}

/// What a screen reader says when the release moves on.
fn announcement(release: &Release) -> String {
    match (release.state, release.stage) {
        _ if release.waiting.is_some() => {
            let waiting = release.waiting.as_ref().map(Waiting::sentence).unwrap_or_default();
            format!("Release {}: {waiting}.", release.number)
        }
        (ReleaseState::Building | ReleaseState::Starting, Some(stage)) => {
            format!("Release {} is at the stage {}.", release.number, title(stage))
        }
        (state, _) => format!("Release {} is {}.", release.number, state.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(json: serde_json::Value) -> Release {
        let mut whole = serde_json::json!({
            "id": 1, "project": "shop", "deployment": "production", "number": 1, "state": "building", "stage": "build", "trigger": {"kind": "manual"},
            "actor": "ada", "commit": null, "reference": null, "components": [], "stages": [], "failure": null, "cancelled": null,
            "created_at": 0, "finished_at": null, "can_roll_back": false
        });
        for (key, value) in json.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn all(release: &Release) -> Vec<Progress> {
        release.pipeline().map(|stage| progress(release, stage)).collect()
    }

    #[test]
    fn stages_follow_the_release() {
        use Progress::*;
        let building = release(
            serde_json::json!({"stages": [{"stage": "source", "started_at": 0, "finished_at": 1}, {"stage": "build", "started_at": 1, "finished_at": null}]}),
        );
        assert_eq!(all(&building), [Done, Running, Waiting, Waiting, Waiting, Waiting]);
        let failed = release(
            serde_json::json!({"state": "failed", "finished_at": 3, "failure": {"stage": "build", "message": "x", "log_tail": []},
            "stages": [{"stage": "source", "started_at": 0, "finished_at": 1}, {"stage": "build", "started_at": 1, "finished_at": 2}]}),
        );
        assert_eq!(all(&failed), [Done, Failed, NotReached, NotReached, NotReached, NotReached]);
        let rolled_back = release(
            serde_json::json!({"state": "starting", "stage": "health", "stages": [{"stage": "start", "started_at": 0, "finished_at": 1}]}),
        );
        assert_eq!(all(&rolled_back), [Skipped, Skipped, Done, Running, Waiting, Waiting]);
    }

    #[test]
    fn commands_have_stages_of_their_own() {
        use Progress::*;
        let command = |moment: &str, end: serde_json::Value| serde_json::json!({"moment": moment, "component": "web", "argv": ["rake"], "limit_ms": 600_000, "run": 1, "end": end});
        let times =
            |stage: &str, end: Option<i64>| serde_json::json!({"stage": stage, "started_at": 0, "finished_at": end});
        let waits = release(serde_json::json!({
            "state": "starting", "stage": "before", "commands": [command("before", serde_json::Value::Null)],
            "stages": [times("source", Some(1)), times("build", Some(1)), times("before", None)],
        }));
        assert_eq!(all(&waits), [Done, Done, Running, Waiting, Waiting, Waiting, Waiting]);
        let mut stages =
            ["source", "build", "start", "health", "switch", "drain"].map(|stage| times(stage, Some(1))).to_vec();
        stages.push(times("after", Some(1)));
        let complained = release(serde_json::json!({
            "state": "live", "stage": "after", "finished_at": 9, "stages": stages,
            "commands": [command("after", serde_json::json!({"kind": "exited", "code": 1}))],
        }));
        assert_eq!(all(&complained), [Done, Done, Done, Done, Done, Done, Failed]);
    }

    #[test]
    fn readers_hear_the_stage() {
        assert_eq!(announcement(&release(serde_json::json!({}))), "Release 1 is at the stage Build.");
        assert_eq!(announcement(&release(serde_json::json!({"state": "live"}))), "Release 1 is live.");
        let waits =
            serde_json::json!({"waiting": {"position": 2, "kind": "memory", "reason": "waits for memory", "since": 0}});
        assert_eq!(announcement(&release(waits)), "Release 1: 2nd in the queue: waits for memory.");
    }
}
