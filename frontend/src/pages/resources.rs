//! What the containers of a deployment may use and how many there are: its own numbers, in the place of the manifest's.

use boathouse_types::resources::{cpus, cpus_words, memory, memory_words};
use boathouse_types::{ChangePartResources, DeploymentResources, Identifier, PartResources, Resources};
use leptos::prelude::*;

use super::apply::Waiting;
use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};

#[component]
pub fn ResourcesSection() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<DeploymentResources>::new(place.below("resources"), of_project(place.project.to_string()));
    let place = StoredValue::new(place);
    view! {
        <section class="option-section">
            <h2>"Resources"</h2>
            <p class="hint">"Limits of each container here and how many there are, in the place of the manifest's "<code>"resources"</code>" and "<code>"replicas"</code>". They count from the next release on."</p>
            {live.show(move |resources| view! {
                <WaitingLimits place=place.get_value() resources/>
                <ResourcesForm place live resources/>
            }.into_any())}
        </section>
    }
}

/// Limits that were set and do not run yet.
#[component]
fn WaitingLimits(place: Place, resources: Signal<DeploymentResources>) -> impl IntoView {
    let says = Memo::new(move |_| resources.with(|resources| waiting(&resources.parts)));
    move || {
        says.get()
            .map(|says| view! { <Waiting place=place.clone() title="Changed, not applied yet" label="Apply" says/> })
    }
}

/// "Restarts web (memory: 256 MiB → 512 MiB). Nothing is built."
fn waiting(parts: &[PartResources]) -> Option<String> {
    let memory = |limits: Resources| limits.memory_bytes.map_or_else(|| "none".to_owned(), memory_words);
    let cpus = |limits: Resources| limits.cpu_millis.map_or_else(|| "none".to_owned(), cpus_words);
    let part = |part: &PartResources| {
        let (live, next) = (part.live.filter(|_| part.waits())?, part.next());
        let mut what = Vec::new();
        if live.memory_bytes != next.memory_bytes {
            what.push(format!("memory: {} → {}", memory(live), memory(next)));
        }
        if live.cpu_millis != next.cpu_millis {
            what.push(format!("CPUs: {} → {}", cpus(live), cpus(next)));
        }
        if live.count() != next.count() {
            what.push(format!("containers: {} → {}", live.count(), next.count()));
        }
        Some(format!("{} ({})", part.identifier, what.join(", ")))
    };
    let all: Vec<String> = parts.iter().filter_map(part).collect();
    (!all.is_empty()).then(|| format!("Restarts {}. Nothing is built.", all.join(" and ")))
}

#[component]
fn ResourcesForm(
    place: StoredValue<Place>,
    live: Live<DeploymentResources>,
    resources: Signal<DeploymentResources>,
) -> impl IntoView {
    // What is typed stays while events come; another stack has other inputs.
    let names = Memo::new(move |_| {
        resources.with(|all| all.parts.iter().map(|part| part.identifier.clone()).collect::<Vec<_>>())
    });
    move || match names.get() {
        names if names.is_empty() => {
            view! { <p class="hint">"The first release reads the manifest; then its parts are here."</p> }.into_any()
        }
        _ => view! { <Inputs place live resources rows=resources.with_untracked(rows)/> }.into_any(),
    }
}

#[component]
fn Inputs(
    place: StoredValue<Place>,
    live: Live<DeploymentResources>,
    resources: Signal<DeploymentResources>,
    rows: Vec<Row>,
) -> impl IntoView {
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let inputs = rows.clone();
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        saved.set(false);
        let parts = match resources.with_untracked(|now| changes(&inputs, now)) {
            Ok(parts) => parts,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            live.put(api.change_resources(&place.get_value(), parts).await?);
            saved.try_set(true);
            Ok(())
        });
    };
    view! {
        <form class="stack narrow" on:submit=submit>
            <LimitFields rows/>
            <AttemptProblem attempt/>
            <div class="actions left">
                <Button attempt label="Save the limits" glyph=Glyph::CHECK/>
                <span role="status" class="hint">{move || saved.get().then_some("Saved.")}</span>
            </div>
        </form>
    }
}

/// The inputs of a component or add-on.
#[derive(Clone)]
pub struct Row {
    part: PartResources,
    memory: RwSignal<String>,
    cpus: RwSignal<String>,
    replicas: RwSignal<String>,
}

/// Inputs that hold the deployment's own limits.
pub fn rows(resources: &DeploymentResources) -> Vec<Row> {
    let row = |part: &PartResources| Row {
        part: part.clone(),
        memory: RwSignal::new(part.own.memory_bytes.map(memory_words).unwrap_or_default()),
        cpus: RwSignal::new(part.own.cpu_millis.map(cpus_words).unwrap_or_default()),
        replicas: RwSignal::new(part.own.replicas.map(|count| count.to_string()).unwrap_or_default()),
    };
    resources.parts.iter().map(row).collect()
}

/// The inputs of each part; where they are empty, the manifest's value stands in them. What cannot have several containers is not asked.
#[component]
pub fn LimitFields(rows: Vec<Row>) -> impl IntoView {
    let row = |Row { part, memory, cpus, replicas }: Row| {
        let manifest = part.manifest;
        let hint = if part.used { "" } else { "Not in the stack now: kept, without effect." };
        view! {
            <div class="limits">
                <Field label=format!("Memory of {}", part.identifier) value=memory placeholder=manifest.memory_bytes.map_or_else(no_limit, memory_words) hint/>
                <Field label=format!("CPUs of {}", part.identifier) value=cpus placeholder=manifest.cpu_millis.map_or_else(no_limit, cpus_words)/>
                {(part.single.is_none() || part.own.replicas.is_some()).then(|| view! {
                    <Field label=format!("Containers of {}", part.identifier) value=replicas placeholder=manifest.count().to_string()/>
                })}
            </div>
        }
    };
    rows.into_iter().map(row).collect_view()
}

fn no_limit() -> String {
    "no limit".to_owned()
}

/// What is other in the inputs than now; or which of them is no limit.
pub fn changes(rows: &[Row], now: &DeploymentResources) -> Result<Vec<ChangePartResources>, String> {
    let mut changes = Vec::new();
    for row in rows {
        let name = &row.part.identifier;
        let own = now.parts.iter().find(|part| part.identifier == *name).map_or(row.part.own, |part| part.own);
        let typed = [row.memory, row.cpus, row.replicas].map(|input| input.get_untracked());
        let change = change(name, own, typed)?;
        changes.extend(Some(change).filter(|change| *change != ChangePartResources::of(name.clone())));
    }
    Ok(changes)
}

/// `typed` are memory, cores and number as they were typed.
fn change(name: &Identifier, own: Resources, typed: [String; 3]) -> Result<ChangePartResources, String> {
    let [bytes, cores, count] = typed.map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
    let bytes = bytes.map(|text| memory(&text).ok_or(text)).transpose();
    let cores = cores.map(|text| cpus(&text).ok_or(text)).transpose();
    let count = count.map(|text| text.parse::<u32>().map_err(|_| text)).transpose();
    let bytes =
        bytes.map_err(|text| format!("Memory of {name}: “{text}” is not a size; write it as 512 MiB or 2 GiB."))?;
    let cores =
        cores.map_err(|text| format!("CPUs of {name}: “{text}” is not a number of cores; write it as 0.5 or 2."))?;
    let count = count.map_err(|text| format!("Containers of {name}: “{text}” is not a number."))?;
    Ok(ChangePartResources {
        memory_bytes: Some(bytes).filter(|bytes| *bytes != own.memory_bytes),
        cpu_millis: Some(cores).filter(|cores| *cores != own.cpu_millis),
        replicas: Some(count).filter(|count| *count != own.replicas),
        ..ChangePartResources::of(name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(memory: Option<u64>, cpus: Option<u32>) -> Resources {
        Resources { memory_bytes: memory, cpu_millis: cpus, replicas: None }
    }

    #[test]
    fn only_what_is_other_is_sent_and_what_is_emptied_is_given_up() {
        let own = limits(Some(512 << 20), None);
        let change = |typed: [&str; 3]| change(&"web".parse().unwrap(), own, typed.map(str::to_owned));
        let nothing = change(["512 MiB", " ", ""]).unwrap();
        assert_eq!((nothing.memory_bytes, nothing.cpu_millis, nothing.replicas), (None, None, None));
        let all = change(["", "0.5", " 3"]).unwrap();
        assert_eq!((all.memory_bytes, all.cpu_millis, all.replicas), (Some(None), Some(Some(500)), Some(Some(3))));
        assert!(change(["lots", "", ""]).unwrap_err().starts_with("Memory of web: “lots”"));
        assert!(change(["", "many", ""]).unwrap_err().starts_with("CPUs of web"));
        assert!(change(["", "", "two"]).unwrap_err().starts_with("Containers of web: “two”"));
    }

    #[test]
    fn what_waits_is_told_with_both_values() {
        let part = |name: &str, own, live| PartResources {
            identifier: name.parse().unwrap(),
            addon: false,
            used: true,
            manifest: limits(Some(256 << 20), None),
            own,
            live,
            single: None,
        };
        let live = Some(limits(Some(256 << 20), None));
        let waits = part("web", limits(Some(512 << 20), Some(500)), live);
        let several = part("api", Resources { replicas: Some(3), ..Resources::default() }, live);
        assert_eq!(waiting(&[several]).unwrap(), "Restarts api (containers: 1 → 3). Nothing is built.");
        let parts = [waits, part("api", Resources::default(), live), part("new", limits(None, Some(1)), None)];
        let says = "Restarts web (memory: 256 MiB → 512 MiB, CPUs: none → 0.5). Nothing is built.";
        assert_eq!(waiting(&parts).unwrap(), says);
        assert_eq!(waiting(&parts[1..]), None);
    }
}
