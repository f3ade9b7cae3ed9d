//! The status tree: what a deployment consists of, each with its reason, and restart, description and logs on each node.

use boathouse_types::{Health, StatusKind, StatusNode, StatusTree};
use leptos::prelude::*;

use super::container::{ContainerDialog, Which};
use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::format;
use crate::live::Live;
use crate::session::may_change;

/// The groups in the order in which people look, and whether one is open while all is well.
const GROUPS: [(StatusKind, bool); 5] = [
    (StatusKind::Endpoints, true),
    (StatusKind::Containers, true),
    (StatusKind::Services, false),
    (StatusKind::Images, false),
    (StatusKind::Storage, false),
];

#[component]
pub fn Status() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<StatusTree>::streamed(place.below("status"));
    live.show(|tree| {
        let group = move |(kind, open)| view! { <Group tree kind open/> };
        view! { <header class="section-title"><h2>"Status"</h2><RestartAll tree/></header><div class="status-tree">{GROUPS.into_iter().map(group).collect_view()}</div> }.into_any()
    })
}

/// One group; it opens by itself when something in it needs a look, and otherwise stays as the user left it.
#[component]
fn Group(tree: Signal<StatusTree>, kind: StatusKind, open: bool) -> impl IntoView {
    let group = Memo::new(move |_| {
        tree.with(|tree| tree.groups.iter().find(|group| group.kind == kind && !group.nodes.is_empty()).cloned())
    });
    let is_here = Memo::new(move |_| group.with(Option::is_some));
    let health = Memo::new(move |_| group.with(|group| group.as_ref().map_or(Health::Off, |group| group.health)));
    let needs_a_look = Memo::new(move |_| health.get() > Health::Healthy);
    let reason = move || group.with(|group| group.as_ref().map(|group| group.reason.clone()).unwrap_or_default());
    let rows = move || {
        let nodes = group.with(|group| group.as_ref().map(|group| group.nodes.clone()).unwrap_or_default());
        nodes.into_iter().map(|node| view! { <Node kind node/> }).collect_view()
    };
    view! {
        <Show when=move || is_here.get()>
            <details class="status-group" prop:open=move || open || needs_a_look.get()>
                <summary>
                    <Icon glyph=Glyph::CHEVRON/>
                    <strong>{title(kind)}</strong>
                    <HealthMark health/>
                    <span class="reason">{reason}</span>
                </summary>
                <ul class="rows compact status-nodes">{rows}</ul>
            </details>
        </Show>
    }
}

fn title(kind: StatusKind) -> &'static str {
    match kind {
        StatusKind::Storage => "Storage",
        StatusKind::Images => "Images",
        StatusKind::Containers => "Containers",
        StatusKind::Services => "Services",
        StatusKind::Endpoints => "Endpoints",
    }
}

#[component]
fn Node(kind: StatusKind, node: StatusNode) -> impl IntoView {
    let health = node.health;
    let url = node.subject.clone().filter(|_| kind == StatusKind::Endpoints);
    let release = node.release.map(|number| view! { " "<span class="hint">"#"{number}</span> });
    let name = match url {
        Some(url) => view! { <a class="open main" href=url target="_blank" rel="noopener noreferrer"><Icon glyph=Glyph::OPEN/>{node.name}</a> }.into_any(),
        None => view! { <span class="main"><strong>{node.name}</strong>{release}</span> }.into_any(),
    };
    let size = node.size_bytes.map(|bytes| format!("{} · ", format::bytes(bytes)));
    view! {
        <li>
            {name}
            <HealthMark health/>
            <span class="reason">{size}{node.reason}</span>
            {node.component.map(|component| view! { <NodeActions kind which=Which { component, replica: node.replica } serves=node.counts/> })}
        </li>
    }
}

/// What can be done about the container behind a node.
#[component]
fn NodeActions(kind: StatusKind, which: Which, serves: bool) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (describing, restarting) = (RwSignal::new(false), RwSignal::new(false));
    let logs = format!("{}/logs?component={}", place.page(), which.mark());
    let is_container = matches!(kind, StatusKind::Containers | StatusKind::Services);
    let (name, owner) = (which.mark(), StoredValue::new(which));
    let restart_label = format!("Restart {name}");
    view! {
        <span class="row-actions">
            <a class="button quiet" href=logs aria-label=format!("Logs of {name}")>"Logs"</a>
            {is_container.then(|| view! {
                <button type="button" class="quiet" aria-label=format!("Describe {name}") on:click=move |_| describing.set(true)>"Describe"</button>
                <ContainerDialog open=describing which=owner/>
            })}
            {(serves && kind == StatusKind::Containers && may_change()).then(|| view! {
                <button type="button" class="quiet" aria-label=restart_label on:click=move |_| restarting.set(true)>"Restart"</button>
                <RestartDialog open=restarting which=owner/>
            })}
        </span>
    }
}

/// For what is read at the start alone, or holds on to what it should not. One container has its own button.
#[component]
fn RestartAll(tree: Signal<StatusTree>) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt, open) = (api(), Attempt::new(), RwSignal::new(false));
    let several = Memo::new(move |_| tree.with(|tree| restartable(tree) > 1));
    let restart = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            live.put(api.restart_all(&place).await?);
            open.try_set(false);
            Ok(())
        });
    });
    view! {
        <Show when=move || several.get() && may_change()>
            <button type="button" class="quiet" on:click=move |_| open.set(true)><Icon glyph=Glyph::ROLL_BACK/><span>"Restart all"</span></button>
        </Show>
        <Confirm open title="Restart all containers?" verb="Restart all" otherwise="Not now" glyph=Glyph::ROLL_BACK attempt on_confirm=restart
            says="One after the other, add-ons first: each finishes the requests it has, is stopped, and the next one waits until it answers again. Until then new requests to it are held for a moment or refused."/>
    }
}

fn restartable(tree: &StatusTree) -> usize {
    let containers = tree.groups.iter().filter(|group| group.kind == StatusKind::Containers);
    containers.flat_map(|group| &group.nodes).filter(|node| node.counts && node.component.is_some()).count()
}

#[component]
fn RestartDialog(open: RwSignal<bool>, which: StoredValue<Which>) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let restart = move |()| {
        let (place, path) = (place.clone(), which.with_value(|which| which.path("/restart")));
        attempt.run(async move {
            live.put(api.restart(&place, &path).await?);
            open.try_set(false);
            Ok(())
        });
    };
    let title = format!("Restart {}?", which.with_value(Which::mark));
    let says = match which.with_value(|which| which.replica) {
        None => {
            "Its container finishes the requests it has, is stopped, and is started again with the same configuration. Until it answers, new requests to it are refused."
        }
        Some(_) => {
            "It finishes the requests it has, is stopped, and is started again with the same configuration. Until it answers, the others get its requests."
        }
    };
    view! {
        <Confirm open title verb="Restart" otherwise="Not now" glyph=Glyph::ROLL_BACK attempt on_confirm=Callback::new(restart)
            says/>
    }
}
