//! How an add-on is reached: connection strings and variables, masked until somebody asks.

use boathouse_types::{AddonConnection, AddonParameter, AddonSecrets};
use leptos::prelude::*;

use super::addons::One;
use super::deployment::Here;
use super::reveal::hide_later;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

#[component]
pub fn Access(one: One) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt, shown) = (api(), Attempt::new(), RwSignal::new(None::<AddonSecrets>));
    let reveal = Callback::new(move |()| {
        let (place, addon) = (place.clone(), one.identifier.get_value());
        attempt.run(async move {
            shown.try_set(Some(api.reveal_addon(&place, &addon).await?));
            hide_later(shown);
            Ok(())
        });
    });
    let ways = Memo::new(move |_| match shown.get() {
        Some(AddonSecrets { connection_strings, parameters }) => (connection_strings, parameters),
        None => one.addon.with(|addon| (addon.connection_strings.clone(), addon.parameters.clone())),
    });
    let has_secrets = move || ways.with(|(_, parameters)| parameters.iter().any(|parameter| parameter.secret));
    let label = one.identifier.with_value(|name| format!("Show the secrets of {name}"));
    view! {
        <div class="ways">
            {move || ways.get().0.into_iter().map(|way| view! { <Way way/> }).collect_view()}
            <details class="needs">
                <summary>"Its variables, as components import them"</summary>
                <ul class="rows compact">{move || ways.get().1.into_iter().map(|parameter| view! { <Parameter parameter/> }).collect_view()}</ul>
            </details>
            <AttemptProblem attempt/>
            <Show when=move || may_change() && has_secrets()>
                {let label = label.clone(); move || match shown.with(Option::is_some) {
                    true => view! { <button type="button" on:click=move |_| shown.set(None)>"Hide the secrets"</button> }.into_any(),
                    false => view! { <p class="actions left"><Button attempt label=label.clone() glyph=Glyph::KEY on_press=reveal/><span class="hint">"The event log says who saw them."</span></p> }.into_any(),
                }}
            </Show>
        </div>
    }
}

#[component]
fn Way(way: AddonConnection) -> impl IntoView {
    view! { <div class="way"><p><strong>{way.name.clone()}</strong>" "<span class="hint">{way.description.map(|text| view! { <Prose text/> })}</span></p><CopyText text=way.value label=way.name/></div> }
}

#[component]
fn Parameter(parameter: AddonParameter) -> impl IntoView {
    let value = match parameter.value {
        Some(value) => view! { <code class="value">{value}</code> }.into_any(),
        None => view! { <span class="hint value"><Icon glyph=Glyph::LOCK/>"secret"</span> }.into_any(),
    };
    view! { <li><code class="main">{parameter.key.to_string()}</code>{value}<span class="hint">{parameter.name}</span></li> }
}
