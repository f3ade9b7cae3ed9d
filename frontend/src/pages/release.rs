//! A release: its pipeline, its log, why it failed, and the way back to it.

use boathouse_types::{
    Failure, Release, ReleaseCommand, ReleaseComponent, ReleaseDiff, ReleaseState, Serves, SizeDiff, Stage, Waiting,
};
use leptos::prelude::*;

use super::not_found::{NotFound, param, place};
use super::releases::RollBackButton;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::live::Live;
use crate::log_store::LogStore;
use crate::session::may_change;
use crate::{ansi, format};

#[component]
pub fn ReleasePage() -> impl IntoView {
    let (place, number) = (place(), param::<i64>("number"));
    move || match (place.get(), number.get()) {
        (Some(place), Some(number)) => view! { <OneRelease place number/> }.into_any(),
        _ => view! { <NotFound what="release"/> }.into_any(),
    }
}

#[component]
fn OneRelease(place: Place, number: i64) -> impl IntoView {
    let project = place.project.clone();
    // Releases of the deployment change each other: a new one retires this one.
    let live = Live::<Release>::new(place.below(&format!("releases/{number}")), move |event| {
        event.project.as_ref() == Some(&project)
    });
    let store = LogStore::open(place.below(&format!("releases/{number}/log")));
    let file = format!("{}-{}-{number}.log", place.project, place.deployment);
    let place = StoredValue::new(place);
    let body = move |release| {
        let file = file.clone();
        view! {
            <ReleaseHead place release live/><Pipeline release/><FailureView release/><Components release/><ReleaseCommands release/><Compared place release/>
            <h2>"Log"</h2>
            <LogView store file empty="Nothing has been written yet."/>
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

#[component]
fn ReleaseHead(place: StoredValue<Place>, release: Signal<Release>, live: Live<Release>) -> impl IntoView {
    let state = Memo::new(move |_| release.with(|release| release.state));
    let title = move || release.with(|release| format!("Release #{}", release.number));
    let what =
        Memo::new(move |_| release.with(|release| (format::version(release), facts(release), release.created_at)));
    let whole = Memo::new(move |_| release.get());
    let cancelled =
        move || release.with(|release| release.cancelled.clone()).map(|why| view! { <span class="hint">{why}</span> });
    let waiting = Memo::new(move |_| release.with(|release| release.waiting.as_ref().map(Waiting::sentence)));
    let waiting = move || {
        waiting.get().map(|words| view! { <p class="mark warn"><Icon glyph=Glyph::CLOCK/><span>{words}</span></p> })
    };
    let rolled_back = move || {
        release
            .with(|release| release.rolled_back.clone())
            .map(|why| view! { <p class="mark bad">{format!("Rolled back by itself: {why}")}</p> })
    };
    view! {
        <header class="headline">
            <div>
                <h1>{title}</h1>
                <p class="status"><StateMark state/>{cancelled}<span class="hint">{move || { let release = whole.get(); view! { <ReleaseSpan release/> } }}</span></p>
                {waiting}
                {rolled_back}
                {move || { let (version, facts, at) = what.get(); view! { <p><strong>{version}</strong>" "<span class="hint">{facts}" · "<Moment at/></span></p> } }}
            </div>
            <Show when=may_change><ReleaseActions place release live/></Show>
        </header>
    }
}

/// Commit, author and actor.
fn facts(release: &Release) -> String {
    let commit = release
        .commit
        .as_ref()
        .map(|commit| format!("{} by {} · ", format::short_sha(&commit.sha), commit.author))
        .unwrap_or_default();
    let trigger = match &release.trigger {
        boathouse_types::Trigger::Manual => format!("deployed by {}", release.actor),
        boathouse_types::Trigger::Push { .. } => format!("pushed by {}", release.actor),
        boathouse_types::Trigger::Call => "deployed with the deploy token".to_owned(),
        boathouse_types::Trigger::Preview => "deployed because its branch had moved".to_owned(),
        boathouse_types::Trigger::Folder => "deployed because its folder had changed".to_owned(),
        boathouse_types::Trigger::Environment { of } => format!("new variables for #{of} by {}", release.actor),
        boathouse_types::Trigger::Rollback { to } => format!("rolled back to #{to} by {}", release.actor),
        boathouse_types::Trigger::Promote { deployment, number } => {
            format!("promoted from {deployment} #{number} by {}", release.actor)
        }
        boathouse_types::Trigger::Rotation { addon } => {
            format!("new credentials of {addon}, rotated by {}", release.actor)
        }
        boathouse_types::Trigger::Upgrade { addon, version } => {
            format!("{addon} brought to {version} by {}", release.actor)
        }
        boathouse_types::Trigger::Image { part, image } => {
            format!("{part} brought to {} by {}", format::short_image(image), release.actor)
        }
    };
    format!("{commit}{trigger}")
}

#[component]
fn ReleaseActions(place: StoredValue<Place>, release: Signal<Release>, live: Live<Release>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let number = release.with_untracked(|release| release.number);
    let cancel = Callback::new(move |()| {
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.cancel(&place, number).await?);
            Ok(())
        });
    });
    let offer = Memo::new(move |_| {
        release.with(|release| {
            let goes_on = release.stage == Some(Stage::After) && release.finished_at.is_none();
            (!release.state.is_terminal() || goes_on, release.can_roll_back && release.state == ReleaseState::Retired)
        })
    });
    // What was live is proven, and its images are kept.
    let can_promote =
        Memo::new(move |_| release.with(|release| release.state == ReleaseState::Live || release.can_roll_back));
    let deployment = place.with_value(Place::page);
    let Projects(projects) = expect_context();
    // After a failure the next step is another try; what failed cannot be rolled back to.
    let again = Memo::new(move |_| {
        let ended = release.with(|release| matches!(release.state, ReleaseState::Failed | ReleaseState::Cancelled));
        projects
            .get()?
            .into_iter()
            .find(|project| ended && place.with_value(|place| place.project == project.name))
            .map(|project| project.source)
    });
    view! {
        <div class="head-actions">
            {move || match offer.get() {
                (true, _) => view! { <Button attempt label="Cancel" glyph=Glyph::CLOSE on_press=cancel/> }.into_any(),
                (_, true) => view! { <RollBackButton place=place.get_value() number class="primary"/> }.into_any(),
                _ => ().into_any(),
            }}
            {move || again.get().map(|source| view! { <DeployButton place=place.get_value() source/> })}
            <Show when=move || can_promote.get()><PromoteRelease place=place.get_value() number/></Show>
            <a class="button way-back" href=deployment>"View the deployment"</a>
            <AttemptProblem attempt/>
        </div>
    }
}

#[component]
fn FailureView(release: Signal<Release>) -> impl IntoView {
    let failure = Memo::new(move |_| release.with(|release| release.failure.clone()));
    move || {
        failure.get().map(|failure| {
        let meanwhile = failure.meanwhile();
        let Failure { stage, message, log_tail, .. } = failure;
        let tail = log_tail.iter().map(|line| ansi::plain(line)).collect::<Vec<_>>().join("\n");
        view! {
            <section class="problem failure" role="alert">
                <Icon glyph=Glyph::DOWN/>
                <div>
                    <h2>"Failed at the stage "{stage.as_str()}</h2>
                    <p>{message}</p>
                    <p class="hint">{meanwhile}</p>
                    {(!tail.is_empty()).then(|| view! { <div class="tail" tabindex="0" role="group" aria-label="The end of the log"><pre>{tail}</pre></div> })}
                </div>
            </section>
        }
    })
    }
}

/// What each component became.
#[component]
fn Components(release: Signal<Release>) -> impl IntoView {
    let components = Memo::new(move |_| release.with(|release| release.components.clone()));
    let row = |component: ReleaseComponent| {
        let (glyph, serves) = match component.serves {
            Serves::Container => (
                Glyph::IMAGE,
                component.port.map_or_else(|| "container".to_owned(), |port| format!("container, port {port}")),
            ),
            Serves::Files => (Glyph::ARCHIVE, "files, served by the edge".to_owned()),
        };
        let digest = component.digest.clone().unwrap_or_default();
        let short = format::short_sha(&digest);
        let size = component.size_bytes.map(format::bytes);
        view! { <li><span class="main"><Icon glyph/><strong>{component.identifier.to_string()}</strong></span><span class="hint">{serves}</span><span class="hint">{size}</span><code class="hint" title=digest>{short}</code></li> }
    };
    view! { <Show when=move || !components.with(Vec::is_empty)><ul class="rows compact" aria-label="Components">{move || components.get().into_iter().map(row).collect_view()}</ul></Show> }
}

/// What it runs once, before it starts and after it serves alone.
#[component]
fn ReleaseCommands(release: Signal<Release>) -> impl IntoView {
    let commands = Memo::new(move |_| release.with(|release| release.commands.clone()));
    let row = |command: ReleaseCommand| {
        let (glyph, class) = match (&command.end, command.run) {
            (Some(_), _) if command.has_failed() => (Glyph::DOWN, "mark bad"),
            (Some(_), _) => (Glyph::HEALTHY, "mark good"),
            (None, Some(_)) => (Glyph::SPINNER, "mark busy"),
            (None, None) => (Glyph::OFF, "mark"),
        };
        let turning = if glyph == Glyph::SPINNER { "turning" } else { "" };
        let whose =
            format!("{} the release, in {}, {} at most", command.moment.as_str(), command.component, command.limit());
        view! { <li><span class="main"><code>{command.command()}</code></span><span class="hint">{whose}</span><span class=class><Icon glyph class=turning/>{command.words()}</span></li> }
    };
    view! { <Show when=move || !commands.with(Vec::is_empty)><ul class="rows compact" aria-label="Commands">{move || commands.get().into_iter().map(row).collect_view()}</ul></Show> }
}

/// What it has else than the release before it; fetched once it is opened.
#[component]
fn Compared(place: StoredValue<Place>, release: Signal<Release>) -> impl IntoView {
    let (api, attempt, diff) = (api(), Attempt::new(), RwSignal::new(None::<ReleaseDiff>));
    let number = release.with_untracked(|release| release.number);
    // Its variables are fixed by then; what failed earlier has nothing to compare.
    let is_known =
        Memo::new(move |_| release.with(|release| matches!(release.state, ReleaseState::Live | ReleaseState::Retired)));
    let open = move |_| {
        if diff.with_untracked(Option::is_none) {
            let path = place.with_value(|place| place.below(&format!("releases/{number}/diff")));
            attempt.run(async move {
                let found = api.get(&path).await?;
                diff.try_set(Some(found));
                Ok(())
            });
        }
    };
    view! {
        <Show when=move || is_known.get()>
            <section class="plan">
                <details class="compared" on:toggle=open>
                    <summary><Icon glyph=Glyph::CHEVRON/><strong>"What it changed"</strong><span class="hint">"Compared with the release before"</span></summary>
                    <AttemptProblem attempt/>
                    {move || diff.get().map(|diff| view! { <Changed diff/> })}
                </details>
            </section>
        </Show>
    }
}

#[component]
fn Changed(diff: ReleaseDiff) -> impl IntoView {
    let words = match diff.steps.is_empty() {
        true => format!("It is the same as release #{}.", diff.from),
        false => format!("Compared with release #{}:", diff.from),
    };
    let sizes = diff.sizes.iter().filter_map(grown).map(|words| view! { <p class="hint">{words}</p> }).collect_view();
    view! { <p>{words}</p><PlanSteps steps=diff.steps notes=Vec::new()/>{sizes} }
}

/// "api grew by 2.1 MiB to 44 MiB"; nothing where it is as large as before, or that is not known.
fn grown(part: &SizeDiff) -> Option<String> {
    let growth = part.growth().filter(|growth| *growth != 0)?;
    let (verb, by) = (if growth > 0 { "grew" } else { "shrank" }, format::bytes(growth.unsigned_abs()));
    Some(format!("{} {verb} by {by} to {}.", part.identifier, format::bytes(part.to_bytes?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_says_by_how_much() {
        let part = |from_bytes, to_bytes| SizeDiff { identifier: "api".parse().unwrap(), from_bytes, to_bytes };
        assert_eq!(grown(&part(Some(1 << 20), Some(3 << 20))).unwrap(), "api grew by 2.0 MiB to 3.0 MiB.");
        assert_eq!(grown(&part(Some(3 << 20), Some(1 << 20))).unwrap(), "api shrank by 2.0 MiB to 1.0 MiB.");
        assert_eq!((grown(&part(Some(1), Some(1))), grown(&part(None, Some(1)))), (None, None));
    }
}
