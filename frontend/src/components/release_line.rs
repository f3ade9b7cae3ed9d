//! One release in one line.

use boathouse_types::{Release, Trigger, Waiting};
use leptos::prelude::*;

use super::{Clock, Moment, StateMark};
use crate::format;

#[component]
pub fn ReleaseLine(release: Release) -> impl IntoView {
    let page = format!("/projects/{}/{}/releases/{}", release.project, release.deployment, release.number);
    let state = release.state;
    let waiting = release.waiting.as_ref().map(Waiting::sentence);
    let waiting = waiting.map(|words| view! { <span class="hint waits">{words}</span> });
    view! {
        <a class="release-line" href=page>
            <span class="number">"#"{release.number}</span>
            <StateMark state/>
            <span class="what">{format::version(&release)}</span>
            <span class="hint">{details(&release)}" · "<Moment at=release.created_at/>" · "<ReleaseSpan release/></span>
            {waiting}
        </a>
    }
}

/// How long it took, counting while it runs.
#[component]
pub fn ReleaseSpan(release: Release) -> impl IntoView {
    let clock = expect_context::<Clock>().0;
    move || match release.finished_at {
        Some(_) => format::release_duration(&release, 0),
        None => format::release_duration(&release, clock.get()),
    }
}

fn details(release: &Release) -> String {
    let commit = release.commit.as_ref().map(|commit| format::short_sha(&commit.sha));
    let trigger = match &release.trigger {
        Trigger::Manual => None,
        Trigger::Push { .. } => Some("pushed".to_owned()),
        Trigger::Call => Some("called".to_owned()),
        Trigger::Preview => Some("branch moved".to_owned()),
        Trigger::Folder => Some("folder changed".to_owned()),
        Trigger::Environment { of } => Some(format!("#{of} with new variables")),
        Trigger::Rollback { to } => Some(format!("roll back to #{to}")),
        Trigger::Promote { deployment, number } => Some(format!("promoted from {deployment} #{number}")),
        Trigger::Rotation { addon } => Some(format!("new credentials of {addon}")),
        Trigger::Upgrade { addon, version } => Some(format!("{addon} goes to {version}")),
        Trigger::Image { part, .. } => Some(format!("newer image of {part}")),
    };
    commit.into_iter().chain(trigger).chain([format!("by {}", release.actor)]).collect::<Vec<_>>().join(" · ")
}
