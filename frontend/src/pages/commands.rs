//! Commands in the components of a deployment: asked for, watched, and what became of those before.

use boathouse_types::{Addon, Deployment, Millis, NewRun, Run, split_command};
use leptos::prelude::*;

use super::deployment::Here;
use super::schedules::Schedules;
use crate::api::{Place, api};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::log_store::LogStore;
use crate::session::may_change;

const MINUTE: Millis = 60_000;

#[component]
pub fn Commands() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let runs = Live::<Vec<Run>>::new(place.below("runs"), of_project(place.project.to_string()));
    let (place, shown) = (StoredValue::new(place), RwSignal::new(None::<i64>));
    let addons = Live::<Vec<Addon>>::new(
        place.with_value(|place| place.below("addons")),
        of_project(place.with_value(|place| place.project.to_string())),
    );
    let parts = Memo::new(move |_| {
        let components = deployment.with(|deployment| {
            let live = deployment.live.iter().flat_map(|release| release.components.iter());
            live.map(|component| component.identifier.to_string()).collect::<Vec<_>>()
        });
        let more = addons.get().unwrap_or_default().into_iter().map(|addon| addon.identifier.to_string());
        let mut all = components;
        for name in more {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    });
    let may_run = move || may_change() && deployment.with(|deployment| deployment.live.is_some());
    let list = move |all: Signal<Vec<Run>>| {
        let each = move || all.get().into_iter().map(|run| view! { <RunRow place runs run shown/> }).collect_view();
        view! {
            <Show when=move || all.with(Vec::is_empty)>
                <Empty glyph=Glyph::SERVER title="No command has been run yet">
                    <p>"A migration, a look around, a report: a command runs once, in a component or an add-on, and what it writes is kept here."</p>
                    <p class="hint">"At a terminal: "<code>"boathouse run web -- sh"</code></p>
                </Empty>
            </Show>
            <ul class="rows">{each}</ul>
        }
        .into_any()
    };
    view! {
        <section class="option-section">
            <h2>"Commands"</h2>
            <Show when=may_run><RunForm place runs parts shown/></Show>
            {runs.beside(list)}
        </section>
        <Schedules parts/>
    }
}

/// What is asked for.
#[component]
fn RunForm(
    place: StoredValue<Place>,
    runs: Live<Vec<Run>>,
    parts: Memo<Vec<String>>,
    shown: RwSignal<Option<i64>>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let text = |text: &str| RwSignal::new(text.to_owned());
    let (part, command, place_of, minutes) = (text(""), text(""), text(""), text("60"));
    let options = Signal::derive(move || parts.get().into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>());
    let chosen = move || Some(part.get()).filter(|part| !part.is_empty()).or_else(|| parts.get().first().cloned());
    let Here { deployment, .. } = expect_context();
    let places = Signal::derive(move || {
        let part = chosen().unwrap_or_default();
        places(deployment.with(|deployment| several(deployment, &part)))
    });
    let submit = move || {
        let wanted = match wanted(
            untrack(chosen),
            &command.get_untracked(),
            &place_of.get_untracked(),
            &minutes.get_untracked(),
        ) {
            Ok(wanted) => wanted,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            let run = api.run_command(&place.get_value(), &wanted).await?;
            shown.try_set(Some(run.number));
            command.try_set(String::new());
            runs.refresh();
            Ok(())
        });
    };
    view! {
        <Form attempt label="Run the command" glyph=Glyph::DEPLOY on_submit=submit>
            <Show when=move || parts.with(|parts| parts.len() > 1)><Choice label="In" value=part options/></Show>
            <Field label="Command" value=command required=true placeholder="npm run migrate" hint="A program and its arguments, with quotes as in a shell. For pipes and variables run a shell: sh -c 'echo $HOME'."/>
            <Choice label="Where" value=place_of options=places/>
            <Field label="Minutes at most" value=minutes required=true/>
        </Form>
    }
}

/// Where a command can run: a value and its words.
fn places(several: Vec<u32>) -> Vec<(String, String)> {
    let usual = [
        ("", "As usual: its own container for a component, the running one for an add-on"),
        ("fresh", "In a container of its own"),
        ("inside", if several.is_empty() { "In the container that runs" } else { "In a container that answers" }),
    ];
    let usual = usual.map(|(value, words)| (value.to_owned(), words.to_owned()));
    let each = several.into_iter().map(|number| (number.to_string(), format!("In container {number}")));
    usual.into_iter().chain(each).collect()
}

/// The numbers of a component's live containers, where they are several.
fn several(deployment: &Deployment, part: &str) -> Vec<u32> {
    let live = deployment.live.as_ref().map(|live| live.number);
    let own = deployment.containers.iter().filter(|one| Some(one.release) == live && one.identifier.as_str() == part);
    own.filter_map(|one| one.replica).collect()
}

fn wanted(part: Option<String>, command: &str, place: &str, minutes: &str) -> Result<NewRun, String> {
    let component = part.ok_or("Nothing runs that could run a command.")?;
    let argv = split_command(command).map_err(|problem| format!("The command cannot be read: {problem}."))?;
    let limit = minutes.trim().parse::<u32>().map_err(|_| format!("“{}” is no number of minutes.", minutes.trim()))?;
    let replica = place.parse::<u32>().ok();
    Ok(NewRun {
        component: component.parse().map_err(|problem| format!("{problem}."))?,
        argv,
        fresh: (!place.is_empty()).then_some(place == "fresh"),
        replica,
        limit_ms: Some(Millis::from(limit) * MINUTE),
        attach: None,
    })
}

#[component]
fn RunRow(place: StoredValue<Place>, runs: Live<Vec<Run>>, run: Run, shown: RwSignal<Option<i64>>) -> impl IntoView {
    let (api, attempt, number) = (api(), Attempt::new(), run.number);
    let cancel = Callback::new(move |()| {
        attempt.run(async move {
            api.cancel_run(&place.get_value(), number).await?;
            runs.refresh();
            Ok(())
        });
    });
    let standing = match &run.end {
        None => "mark",
        Some(end) if end.is_success() => "mark good",
        Some(_) => "mark bad",
    };
    let took = run.started_at.zip(run.ended_at).map(|(from, to)| format!(", {}", format::duration(to - from)));
    let asked_by = match &run.schedule {
        Some(schedule) if run.due_at.is_some() => format!("the schedule {schedule}"),
        Some(schedule) => format!("{} (schedule {schedule})", run.actor),
        None => run.actor.clone(),
    };
    let goes_on = run.end.is_none();
    let is_shown = move || shown.get() == Some(number);
    let toggle = move |_| shown.set((!is_shown()).then_some(number));
    let log = (!run.attached).then(|| view! {
        <button type="button" class="quiet" aria-expanded=move || is_shown().to_string() aria-label=format!("Output of run {number}") on:click=toggle>{move || if is_shown() { "Hide the output" } else { "Output" }}</button>
    });
    let note =
        run.attached.then(|| view! { <p class="hint">"Somebody took part in it; nothing of its output is kept."</p> });
    view! {
        <li class="stack">
            <div><strong>{format!("#{number} ")}</strong><code>{run.command()}</code></div>
            <p class=standing>{run.words()}{took}</p>
            <p class="hint">{run.place()}", asked for by "{asked_by}" "<Moment at=run.wanted_at/></p>
            {note}
            <div class="actions left">
                {log}
                {(goes_on && may_change()).then(|| view! { <Button attempt label="Cancel" glyph=Glyph::CLOSE on_press=cancel/> })}
            </div>
            <AttemptProblem attempt/>
            <Show when=is_shown><RunLog place number/></Show>
        </li>
    }
}

#[component]
fn RunLog(place: StoredValue<Place>, number: i64) -> impl IntoView {
    let (path, file) = place.with_value(|place| {
        (place.below(&format!("runs/{number}/log")), format!("{}-{}-run-{number}.log", place.project, place.deployment))
    });
    let store = LogStore::open(path);
    view! { <LogView store file empty="The command has written nothing yet."/> }
}
