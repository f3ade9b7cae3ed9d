//! Volumes that nothing mounts any more, kept until somebody deletes them: what an upgrade left, what a manifest dropped.

use boathouse_types::Volume;
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::session::may_change;

/// Nothing where there are none.
#[component]
pub fn KeptVolumes() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let live = Live::<Vec<Volume>>::new(place.below("volumes"), of_project(place.project.to_string()));
    live.beside(move |volumes| {
        let kept = Memo::new(move |_| {
            // Before a first release, and after a failed one, nothing is mounted yet.
            let is_live = deployment.with(|deployment| deployment.live.is_some());
            volumes.get().into_iter().filter(|one| is_live && one.mounts.is_empty()).collect::<Vec<_>>()
        });
        let rows = move || kept.get().into_iter().map(|volume| view! { <Row volume live/> }).collect_view();
        view! {
            <Show when=move || !kept.with(Vec::is_empty)>
                <section class="addon"><h2>"Kept volumes"</h2><ul class="rows">{rows}</ul></section>
            </Show>
        }
        .into_any()
    })
}

#[component]
fn Row(volume: Volume, live: Live<Vec<Volume>>) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt, deleting) = (api(), Attempt::new(), RwSignal::new(false));
    let size = volume.size_bytes.map_or_else(|| "not counted yet".to_owned(), format::bytes);
    let name = volume.identifier.to_string();
    let identifier = volume.identifier;
    let delete = Callback::new(move |()| {
        let (place, identifier) = (place.clone(), identifier.clone());
        attempt.run(async move {
            api.delete_volume(&place, &identifier).await?;
            deleting.try_set(false);
            live.refresh();
            Ok(())
        });
    });
    let losses = vec![format!("all data in it: {size}")];
    let action = match volume.leaving {
        true => view! { <span class="hint">"is being removed"</span> }.into_any(),
        false if may_change() => view! { <button type="button" class="quiet" aria-label=format!("Delete the volume {name}") on:click=move |_| deleting.set(true)>"Delete"</button> }.into_any(),
        false => ().into_any(),
    };
    view! {
        <li>
            <span class="main"><Icon glyph=Glyph::DISK/><strong>{name.clone()}</strong>" "<span class="hint">{size}</span></span>
            <span class="reason">{volume.kept.unwrap_or_else(|| "Nothing of the live release uses it.".to_owned())}</span>
            {action}
            {move || deleting.get().then(|| view! { <ConfirmDelete open=deleting noun="volume" name=name.clone() losses=losses.clone() attempt on_confirm=delete/> })}
        </li>
    }
}
