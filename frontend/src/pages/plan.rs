//! What a deploy would change now, before it happens, and where the engine shows something else than it should.
//! What another version or another manifest would change.

use boathouse_types::{Drift, Plan, plural};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::Place;
use crate::components::*;
use crate::live::{Live, of_project};
use crate::parts::{self, page};

/// A card on the overview: what waits and what has drifted; what another manifest would bring, and with code from git another version.
#[component]
pub fn PendingChanges() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let live = Live::<Plan>::new(place.below("plan"), of_project(place.project.to_string()));
    let ahead = StoredValue::new(place.clone());
    let usual = usual_branch(place);
    let is_live = Memo::new(move |_| deployment.with(|deployment| deployment.live.is_some()));
    live.beside(move |plan| {
        let is_needed = move || plan.with(|plan| !plan.steps.is_empty() || !plan.drift.is_empty());
        let has_versions = move || usual.get().is_some();
        view! {
            <Show when=move || is_needed() || is_live.get()>
                <section class="plan" aria-label="Pending changes">
                    {move || Some(plan.get()).filter(|_| is_needed()).map(|plan| view! { <Waiting plan/> })}
                    <Show when=move || is_live.get()>
                        <Show when=has_versions><AnotherVersion place=ahead.get_value() usual/></Show>
                        <AnotherManifest/>
                    </Show>
                </section>
            </Show>
        }
        .into_any()
    })
}

#[component]
fn AnotherVersion(place: Place, usual: Memo<Option<Usual>>) -> impl IntoView {
    let reference = RwSignal::new(String::new());
    let branch = usual.get_untracked().and_then(|Usual(branch)| branch);
    let placeholder = branch.map_or_else(|| "main, v1.2.0, 4f2a91c…".to_owned(), |branch| branch.to_string());
    view! {
        <details class="another-version">
            <summary><Icon glyph=Glyph::CHEVRON/><strong>"Plan another version"</strong><span class="hint">"What a deploy of it would change, before it does"</span></summary>
            <div class="ask">
                <Field label="Branch, tag or commit" value=reference placeholder/>
                <PlanAhead place reference/>
            </div>
        </details>
    }
}

/// Fetched once it is opened: most who look at a deployment do not write its manifest.
#[component]
fn AnotherManifest() -> impl IntoView {
    let opened = RwSignal::new(false);
    view! {
        <details class="another-manifest" on:toggle=move |_| opened.set(true)>
            <summary><Icon glyph=Glyph::CHEVRON/><strong>"Plan a manifest"</strong><span class="hint">"What one that is not committed yet would change"</span></summary>
            <Show when=move || opened.get()>{page(parts::plan_manifest)}</Show>
        </details>
    }
}

#[component]
fn Waiting(plan: Plan) -> impl IntoView {
    let count = plan.steps.len();
    let title = plural(count as u64, "pending change");
    let drift = (!plan.drift.is_empty()).then(|| {
        let row = |drift: Drift| view! { <li><Icon glyph=Glyph::DEGRADED/><span><strong>{drift.identifier.to_string()}</strong>": "{drift.message}</span></li> };
        view! { <h3>"Not as the live release says"</h3><ul class="changes drift">{plan.drift.into_iter().map(row).collect_view()}</ul> }
    });
    let steps = (count > 0).then(|| view! {
        <details class="pending-changes">
            <summary><Icon glyph=Glyph::CHEVRON/><strong>{title}</strong><span class="hint">"What “Deploy” would do, in this order"</span></summary>
            <PlanSteps steps=plan.steps notes=Vec::new()/>
        </details>
    });
    let notes = plan.notes.into_iter().map(|note| view! { <p class="hint">{note}</p> }).collect_view();
    view! { {steps}{drift}{notes} }
}
