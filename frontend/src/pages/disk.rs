//! The disk: how full it is, what uses it, what of that is safe to free, and how much may be used.

use boathouse_types::resources::{memory, memory_words};
use boathouse_types::{
    ChangeDiskSettings, CleanDisk, CleanKind, CleanedDisk, DiskHolds, DiskKind, DiskSettings, DiskState, DiskUsage,
    DiskUse, FileSystem, plural,
};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{api, at, pause};
use crate::components::*;
use crate::format;
use crate::live::Live;

/// What is still being measured is asked for again.
const AGAIN_MS: u32 = 3_000;

#[component]
pub fn DiskPage() -> impl IntoView {
    let live = Live::<DiskUsage>::new(at("/system/disk?wait=8"), |event| event.kind.starts_with("disk."));
    spawn_local(async move {
        while live.is_missing() {
            pause(AGAIN_MS).await;
            if live.is_missing() {
                live.refresh();
            }
        }
    });
    let freeing = RwSignal::new(false);
    live.show(move |usage| {
        let measured = move || view! { "Measured "<Moment at=usage.with(|usage| usage.measured_at)/>"." };
        let safe = move || format::bytes(freeable(&usage.get()));
        let nothing = move || freeable(&usage.get()) == 0;
        view! {
            <StateBanner usage/>
            <header class="section-title">
                <p class="hint">{measured}" "{safe}" can be freed."</p>
                <div class="actions">
                    <button type="button" on:click=move |_| live.refresh()><Icon glyph=Glyph::ROLL_BACK/><span>"Measure again"</span></button>
                    <button type="button" class="primary" disabled=nothing on:click=move |_| freeing.set(true)><Icon glyph=Glyph::TRASH/><span>"Free what is safe"</span></button>
                </div>
            </header>
            <ul class="machine">{move || usage.with(|usage| usage.file_systems.iter().map(system).collect_view())}</ul>
            <section>
                <h2>"What uses it"</h2>
                <ul class="rows">{move || usage.with(kinds)}</ul>
                {move || usage.with(problems)}
            </section>
            <Limits live/>
            <Dialog open=freeing title="Free what is safe"><FreeForm usage live open=freeing/></Dialog>
        }
        .into_any()
    })
}

fn freeable(usage: &DiskUsage) -> u64 {
    CleanKind::ALL.into_iter().map(|what| usage.of(what.kind()).1).sum()
}

#[component]
fn StateBanner(usage: Signal<DiskUsage>) -> impl IntoView {
    let state = Memo::new(move |_| usage.with(|usage| usage.state));
    move || {
        words(state.get()).map(|words| {
            view! { <div class="banner" role="status"><Icon glyph=Glyph::DEGRADED/><div>{words}</div></div> }
        })
    }
}

/// What the guard does, where it does anything.
fn words(state: DiskState) -> Option<&'static str> {
    match state {
        DiskState::Ok => None,
        DiskState::Warning => Some("The disk is getting full."),
        DiskState::Cleaning => Some("The disk is getting full: what is safe is freed by itself."),
        DiskState::Refusing => Some(
            "The disk is almost full: nothing new is built, uploaded or pulled. What runs goes on, and a rollback is possible.",
        ),
    }
}

fn system(system: &FileSystem) -> AnyView {
    let holds = system.holds.iter().map(|holds| match holds {
        DiskHolds::Data => "Boathouse's data",
        DiskHolds::Engine => "the container engine",
    });
    let holds = holds.collect::<Vec<_>>().join(" and ");
    let (used, is_full) = (f64::from(system.used_percent), system.state > DiskState::Ok);
    let label = format!("Used of the disk of {holds}");
    let room = format!("{} free of {}", format::bytes(system.free_bytes), format::bytes(system.total_bytes));
    view! {
        <li class:warn=is_full>
            <Icon glyph=Glyph::DISK/><span>{system.used_percent}" % used: "{holds}</span>
            <meter min="0" max="100" high="85" low="70" optimum="10" prop:value=used aria-label=label></meter>
            <span class="hint">{room}</span>
        </li>
    }
    .into_any()
}

fn kinds(usage: &DiskUsage) -> AnyView {
    let row = |kind: DiskKind| {
        let (bytes, freeable) = usage.of(kind);
        let uses: Vec<_> = usage.uses.iter().filter(|one| one.kind == kind).cloned().collect();
        let can =
            (freeable > 0).then(|| view! { <span class="mark good">{format::bytes(freeable)}" can be freed"</span> });
        view! {
            <li>
                <span class="main"><strong>{sentence(kind.words())}</strong></span>
                {can}
                <span>{format::bytes(bytes)}</span>
                <details class="disk-uses">
                    <summary>{plural(uses.len() as u64, "use")}</summary>
                    <ul>{uses.into_iter().map(use_line).collect_view()}</ul>
                </details>
            </li>
        }
    };
    usage.kinds().into_iter().map(row).collect_view().into_any()
}

fn use_line(one: DiskUse) -> AnyView {
    let place = match (&one.project, &one.deployment) {
        (Some(project), Some(deployment)) => {
            let page = format!("/projects/{project}/{deployment}");
            view! { <a href=page>{format!("{project} / {deployment}")}</a> }.into_any()
        }
        (Some(project), None) => view! { <a href=format!("/projects/{project}")>{project.to_string()}</a> }.into_any(),
        _ => view! { <span>"Of the whole instance"</span> }.into_any(),
    };
    view! { <li><span>{place}</span><span>{format::bytes(one.bytes)}</span><span class="hint">{one.why}</span></li> }
        .into_any()
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn problems(usage: &DiskUsage) -> AnyView {
    let line = |problem: &String| view! { <li class="hint">"Not measured: "{problem.clone()}</li> };
    view! { <ul>{usage.problems.iter().map(line).collect_view()}</ul> }.into_any()
}

/// What goes is chosen with its bytes beside it.
#[component]
fn FreeForm(usage: Signal<DiskUsage>, live: Live<DiskUsage>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, done) = (api(), Attempt::new(), RwSignal::new(None::<CleanedDisk>));
    let found = usage.get_untracked();
    let choices: Vec<(CleanKind, u64, RwSignal<bool>)> = CleanKind::ALL
        .into_iter()
        .map(|what| (what, found.of(what.kind()).1))
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(what, bytes)| (what, bytes, RwSignal::new(true)))
        .collect();
    let chosen = StoredValue::new(choices);
    let submit = move || {
        let what: Vec<_> = chosen
            .with_value(|all| all.iter().filter(|(_, _, on)| on.get_untracked()).map(|(what, _, _)| *what).collect());
        if what.is_empty() {
            return attempt.refuse("Choose at least one.");
        }
        attempt.run(async move {
            let cleaned = api.clean_disk(&CleanDisk { what, dry_run: false }).await?;
            live.refresh();
            done.try_set(Some(cleaned));
            Ok(())
        });
    };
    let choice = |(what, bytes, on): (CleanKind, u64, RwSignal<bool>)| {
        view! { <label class="switch"><input type="checkbox" prop:checked=on on:change=move |event| on.set(event_target_checked(&event))/>{format!("{} ({})", sentence(what.words()), format::bytes(bytes))}</label> }
    };
    let form = move || {
        let choices = chosen.get_value();
        view! {
            <Form attempt label="Free it" glyph=Glyph::TRASH on_submit=submit>
                <p>"No release that is kept needs any of it; volumes and what others have at this engine stay. Without the build cache the next builds take longer."</p>
                {choices.into_iter().map(choice).collect_view()}
            </Form>
        }
    };
    let result = move |cleaned: CleanedDisk| {
        view! {
            <div class="stack">
                <p>{told(&cleaned)}</p>
                <div class="actions"><button type="button" class="primary" on:click=move |_| open.set(false)>"Done"</button></div>
            </div>
        }
    };
    move || match done.get() {
        Some(cleaned) => result(cleaned).into_any(),
        None => form().into_any(),
    }
}

fn told(cleaned: &CleanedDisk) -> String {
    if !cleaned.done {
        return "It goes on; an event tells of its end.".to_owned();
    }
    let problems = cleaned.freed.iter().filter_map(|one| {
        one.problem.as_ref().map(|problem| format!(" {} could not be freed: {problem}.", sentence(one.what.words())))
    });
    format!("{} are free now.{}", format::bytes(cleaned.bytes()), problems.collect::<String>())
}

/// Budgets and thresholds.
#[component]
fn Limits(live: Live<DiskUsage>) -> impl IntoView {
    let Some(known) = live.get_untracked().map(|usage| usage.settings) else { return ().into_any() };
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let text = |text: String| RwSignal::new(text);
    let size = |bytes: u64| if bytes == 0 { "0".to_owned() } else { memory_words(bytes) };
    let keep = text(known.keep_releases.to_string());
    let (images, cache, logs) =
        (text(size(known.images_bytes)), text(size(known.build_cache_bytes)), text(size(known.logs_bytes)));
    let percent = |percent: u8| text(percent.to_string());
    let (warn, clean, refuse) =
        (percent(known.warn_percent), percent(known.clean_percent), percent(known.refuse_percent));
    let known = StoredValue::new(known);
    let submit = move || {
        let typed = Typed {
            keep: keep.get_untracked(),
            sizes: [images, cache, logs].map(|one| one.get_untracked()),
            percents: [warn, clean, refuse].map(|one| one.get_untracked()),
        };
        let wanted = match typed.read(&known.get_value()) {
            Ok(wanted) => wanted,
            Err(problem) => return attempt.refuse(problem),
        };
        saved.set(false);
        attempt.run(async move {
            let settings = api.change_disk(&wanted).await?;
            known.try_update_value(|known| *known = settings);
            saved.try_set(true);
            live.refresh();
            Ok(())
        });
    };
    view! {
        <section>
            <h2>"How much may be used"</h2>
            <Form attempt label="Save" glyph=Glyph::CHECK on_submit=submit>
                <Field label="Releases kept per deployment" value=keep required=true hint="So many can be rolled back to, the live one among them. Fewer than before gives up the oldest."/>
                <Field label="Images of kept releases" value=images hint="As in 20 GiB; 0 for no budget. The oldest releases are given up first, never the live one and the one before it."/>
                <Field label="Build cache" value=cache hint="What was not used for longest goes first. 0: never touched unasked."/>
                <Field label="Logs of releases" value=logs hint="Logs of releases that were given up go, the oldest first. 0 for no budget."/>
                <Field label="Tell from this percentage on" value=warn required=true/>
                <Field label="Free what is safe from" value=clean required=true/>
                <Field label="Take nothing new from" value=refuse required=true hint="Builds, uploads and pulls are refused; what runs goes on, and rollbacks work."/>
            </Form>
            <p class="hint" role="status">{move || saved.get().then_some("Saved.")}</p>
        </section>
    }
    .into_any()
}

/// What stands in the form.
struct Typed {
    keep: String,
    sizes: [String; 3],
    percents: [String; 3],
}

impl Typed {
    /// What differs from what counts: an untouched budget that follows the disk's size goes on doing so.
    fn read(&self, known: &DiskSettings) -> Result<ChangeDiskSettings, String> {
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| format!("“{}” is no number.", text.trim()));
        let percent =
            |text: &str| text.trim().parse::<u8>().map_err(|_| format!("“{}” is no percentage.", text.trim()));
        let size = |text: &str| {
            memory(text.trim())
                .ok_or_else(|| format!("“{}” is no size: write 20 GiB or 512 MiB, or 0 for no budget.", text.trim()))
        };
        let [images, cache, logs] = &self.sizes;
        let [warn, clean, refuse] = &self.percents;
        let if_other = |size: u64, known: u64| (memory_words(size) != memory_words(known)).then_some(size);
        Ok(ChangeDiskSettings {
            keep_releases: Some(number(&self.keep)?).filter(|keep| *keep != known.keep_releases),
            images_bytes: if_other(size(images)?, known.images_bytes),
            build_cache_bytes: if_other(size(cache)?, known.build_cache_bytes),
            logs_bytes: if_other(size(logs)?, known.logs_bytes),
            warn_percent: Some(percent(warn)?).filter(|percent| *percent != known.warn_percent),
            clean_percent: Some(percent(clean)?).filter(|percent| *percent != known.clean_percent),
            refuse_percent: Some(percent(refuse)?).filter(|percent| *percent != known.refuse_percent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> DiskSettings {
        DiskSettings {
            keep_releases: 10,
            images_bytes: 0,
            build_cache_bytes: 25 << 30,
            logs_bytes: 1 << 30,
            warn_percent: 85,
            clean_percent: 90,
            refuse_percent: 95,
        }
    }

    fn typed(keep: &str, sizes: [&str; 3], percents: [&str; 3]) -> Result<ChangeDiskSettings, String> {
        Typed { keep: keep.into(), sizes: sizes.map(str::to_owned), percents: percents.map(str::to_owned) }
            .read(&known())
    }

    #[test]
    fn only_what_differs_is_sent_and_a_slip_is_told() {
        let same = typed("10", ["0", "25 GiB", "1 GiB"], ["85", "90", "95"]);
        assert_eq!(same, Ok(ChangeDiskSettings::default()));
        let some = typed("3", ["20GiB", "25 GiB", "0"], ["80", "90", "95"]).unwrap();
        let expected = ChangeDiskSettings {
            keep_releases: Some(3),
            images_bytes: Some(20 << 30),
            logs_bytes: Some(0),
            warn_percent: Some(80),
            ..Default::default()
        };
        assert_eq!(some, expected);
        assert!(typed("many", ["0", "0", "0"], ["85", "90", "95"]).unwrap_err().contains("many"));
        assert!(typed("3", ["lots", "0", "0"], ["85", "90", "95"]).unwrap_err().contains("no size"));
        assert!(typed("3", ["0", "0", "0"], ["85", "900", "95"]).unwrap_err().contains("900"));
    }

    #[test]
    fn what_was_freed_is_told_with_what_was_not() {
        let freed = |problem: Option<&str>| boathouse_types::Freed {
            what: CleanKind::Images,
            bytes: 2 << 30,
            problem: problem.map(str::to_owned),
        };
        let cleaned = CleanedDisk { dry_run: false, done: true, freed: vec![freed(None), freed(Some("it is gone"))] };
        assert!(
            told(&cleaned).starts_with("4.0 GiB are free now. Images without a release could not be freed: it is gone")
        );
        assert!(told(&CleanedDisk { done: false, ..cleaned }).contains("goes on"));
    }
}
