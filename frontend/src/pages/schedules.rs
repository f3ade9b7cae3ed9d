//! The schedules of a deployment: when each is due, how its last run ended, and what can be done about it.

use boathouse_types::{
    Millis, NewSchedule, Overlap, Schedule, ScheduleName, SetSchedule, command_words, split_command,
};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

const MINUTE: Millis = 60_000;

#[component]
pub fn Schedules(
    /// The components and add-ons that run.
    parts: Memo<Vec<String>>,
) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Vec<Schedule>>::new(place.below("schedules"), of_project(place.project.to_string()));
    let (place, open) = (StoredValue::new(place), RwSignal::new(false));
    let list = move |all: Signal<Vec<Schedule>>| {
        let each =
            move || all.get().into_iter().map(|one| view! { <ScheduleRow place live parts one/> }).collect_view();
        view! {
            <Show when=move || all.with(Vec::is_empty)><p class="hint">"Nothing is scheduled here: a command can run every night, every hour, by a cron expression in a time zone."</p></Show>
            <ul class="rows">{each}</ul>
        }
        .into_any()
    };
    view! {
        <section class="option-section">
            <h2>"Schedules"</h2>
            {live.beside(list)}
            <Show when=may_change>
                <div class="actions left"><button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a schedule"</span></button></div>
                <Dialog open title="Add a schedule"><ScheduleForm place live parts open fields=Fields::of(None)/></Dialog>
            </Show>
        </section>
    }
}

#[component]
fn ScheduleRow(
    place: StoredValue<Place>,
    live: Live<Vec<Schedule>>,
    parts: Memo<Vec<String>>,
    one: Schedule,
) -> impl IntoView {
    let (api, attempt, open) = (api(), Attempt::new(), RwSignal::new(false));
    let name = StoredValue::new(one.name.clone());
    let act = move |what: &'static str| {
        attempt.run(async move {
            api.schedule_action(&place.get_value(), &name.get_value(), what).await?;
            live.refresh();
            Ok(())
        });
    };
    let delete = move |_| {
        attempt.run(async move {
            api.delete_schedule(&place.get_value(), &name.get_value()).await?;
            live.refresh();
            Ok(())
        });
    };
    let next = match one.next_at {
        Some(at) => {
            view! { <p class="hint">{format!("{} ({}), next ", one.cron, one.zone)}<Moment at/></p> }.into_any()
        }
        None => view! { <p class="mark warn">{format!("Paused. {} ({})", one.cron, one.zone)}</p> }.into_any(),
    };
    let last = one.last.as_ref().map(|run| {
        let class = match &run.end {
            None => "mark",
            Some(end) if end.is_success() => "mark good",
            Some(_) => "mark bad",
        };
        view! { <p class=class>{format!("Run #{} {}", run.number, run.words())}</p> }
    });
    let is_own = !one.of_manifest;
    let (paused, title) = (one.paused, format!("Change the schedule {}", one.name));
    let fields = StoredValue::new(Fields::of(Some(&one)));
    view! {
        <li class="stack">
            <div><strong>{one.name.to_string()}</strong>" "<code>{command_words(&one.argv)}</code>" in "{one.component.to_string()}</div>
            {next}
            {last}
            {(!is_own).then(|| view! { <p class="hint">"From the manifest: it is changed there."</p> })}
            <Show when=may_change>
                <div class="actions left">
                    <Button attempt label="Run now" glyph=Glyph::START on_press=Callback::new(move |()| act("run"))/>
                    {is_own.then(|| view! { <button type="button" class="quiet" on:click=move |_| open.set(true)>"Change"</button> })}
                    <button type="button" class="quiet" disabled=attempt.busy on:click=move |_| act(if paused { "resume" } else { "pause" })>{if paused { "Resume" } else { "Pause" }}</button>
                    {is_own.then(|| view! { <button type="button" class="quiet" disabled=attempt.busy on:click=delete>"Delete"</button> })}
                </div>
            </Show>
            <AttemptProblem attempt/>
            <Dialog open title><ScheduleForm place live parts open fields=fields.get_value()/></Dialog>
        </li>
    }
}

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    part: RwSignal<String>,
    command: RwSignal<String>,
    cron: RwSignal<String>,
    zone: RwSignal<String>,
    overlap: RwSignal<String>,
    minutes: RwSignal<String>,
    catch_up: RwSignal<bool>,
    fresh: StoredValue<Option<bool>>,
    is_new: bool,
}

impl Fields {
    fn of(one: Option<&Schedule>) -> Self {
        let text = |text: Option<String>| RwSignal::new(text.unwrap_or_default());
        Self {
            name: text(one.map(|one| one.name.to_string())),
            part: text(one.map(|one| one.component.to_string())),
            command: text(one.map(|one| command_words(&one.argv))),
            cron: text(one.map(|one| one.cron.clone())),
            zone: text(one.map(|one| one.zone.clone()).or_else(own_zone)),
            overlap: text(Some(one.map_or(Overlap::Skip, |one| one.overlap).as_str().to_owned())),
            minutes: text(Some(one.map_or(60, |one| one.limit_ms / MINUTE).to_string())),
            catch_up: RwSignal::new(one.is_some_and(|one| one.catch_up)),
            fresh: StoredValue::new(one.and_then(|one| one.fresh)),
            is_new: one.is_none(),
        }
    }

    fn wanted(self, parts: &[String]) -> Result<(ScheduleName, SetSchedule), String> {
        let read = |value: RwSignal<String>| value.get_untracked().trim().to_owned();
        let part = Some(read(self.part)).filter(|part| !part.is_empty()).or_else(|| parts.first().cloned());
        let part = part.ok_or("Nothing runs that could run a command.")?;
        let argv =
            split_command(&read(self.command)).map_err(|problem| format!("The command cannot be read: {problem}."))?;
        let minutes = read(self.minutes);
        let limit = minutes.parse::<u32>().map_err(|_| format!("“{minutes}” is no number of minutes."))?;
        let set = SetSchedule {
            component: part.parse().map_err(|problem| format!("{problem}."))?,
            argv,
            cron: read(self.cron),
            zone: Some(read(self.zone)).filter(|zone| !zone.is_empty()),
            fresh: self.fresh.get_value(),
            overlap: Overlap::parse(&read(self.overlap)).unwrap_or_default(),
            limit_ms: Some(Millis::from(limit) * MINUTE),
            catch_up: self.catch_up.get_untracked(),
        };
        Ok((read(self.name).parse().map_err(|problem| format!("{problem}."))?, set))
    }
}

/// The browser's own time zone, where it tells.
fn own_zone() -> Option<String> {
    let options = js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &js_sys::Object::new()).resolved_options();
    js_sys::Reflect::get(&options, &"timeZone".into()).ok()?.as_string()
}

#[component]
fn ScheduleForm(
    place: StoredValue<Place>,
    live: Live<Vec<Schedule>>,
    parts: Memo<Vec<String>>,
    open: RwSignal<bool>,
    fields: Fields,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let save = move || {
        let (name, set) = match fields.wanted(&parts.get_untracked()) {
            Ok(wanted) => wanted,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            let place = place.get_value();
            if fields.is_new {
                api.create_schedule(&place, &NewSchedule { name, set }).await?;
            } else {
                api.change_schedule(&place, &name, &set).await?;
            }
            open.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    let options = Signal::derive(move || parts.get().into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>());
    let overlaps =
        [("skip", "Nothing runs this time"), ("queue", "One run waits for its end"), ("beside", "It runs beside it")];
    let overlaps = Signal::stored(overlaps.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec());
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            {fields.is_new.then(|| view! { <Field label="Name" value=fields.name required=true placeholder="nightly"/> })}
            <Show when=move || parts.with(|parts| parts.len() > 1)><Choice label="In" value=fields.part options/></Show>
            <Field label="Program and arguments" value=fields.command required=true placeholder="./bin/report" hint="With quotes as in a shell, and without secrets."/>
            <Field label="When" value=fields.cron required=true placeholder="30 2 * * mon-fri" hint="Minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly."/>
            <Field label="Time zone" value=fields.zone placeholder="UTC"/>
            <Choice label="When the last run goes on" value=fields.overlap options=overlaps/>
            <Field label="Minutes at most" value=fields.minutes required=true/>
            <Switch label="Run once what was due while the server did not run" on=fields.catch_up/>
        </Form>
    }
}
