//! The deploy token of a project: for a CI that deploys and does nothing else.

use boathouse_types::{DeployToken, Hook};
use leptos::prelude::*;

use super::hooks::Hooked;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

#[component]
pub fn DeployTokenSection(hooked: Hooked, hook: Signal<Hook>) -> impl IntoView {
    let (api, attempt, made) = (api(), Attempt::new(), RwSignal::new(None::<DeployToken>));
    let (renewing, revoking) = (RwSignal::new(false), RwSignal::new(false));
    let at = Memo::new(move |_| hook.with(|hook| (hook.token_at, hook.token_used_at)));
    let address = StoredValue::new(hook.with_untracked(|hook| hook.deploy_url.clone()));
    let make = Callback::new(move |()| {
        hooked.change(attempt, renewing, async move {
            made.try_set(Some(api.make_deploy_token(&hooked.project.get_value()).await?));
            Ok(())
        });
    });
    let revoke = Callback::new(move |()| {
        hooked.change(attempt, revoking, async move {
            api.revoke_deploy_token(&hooked.project.get_value()).await?;
            made.try_set(None);
            Ok(())
        });
    });
    let standing = move || {
        match at.get() {
        (None, _) => view! { <div class="actions left"><Button attempt label="Make a deploy token" glyph=Glyph::KEY on_press=make/></div> }.into_any(),
        (Some(at), used) => view! {
            <p class="hint">"Made "<Moment at/>{used.map_or_else(|| view! { ", never used" }.into_any(), |at| view! { ", last used "<Moment at/> }.into_any())}</p>
            <div class="actions left">
                <button type="button" on:click=move |_| renewing.set(true)>"New deploy token"</button>
                <button type="button" class="quiet" on:click=move |_| revoking.set(true)>"Revoke the deploy token"</button>
            </div>
        }
        .into_any(),
    }
    };
    let shown = move |made: DeployToken| {
        let call = format!("curl --fail -X POST {} -H 'Authorization: Bearer {}'", address.get_value(), made.token);
        view! {
            <p>"Copy it now: it is shown only this once."</p>
            <CopyText text=made.token label="deploy token"/>
            <p class="hint">"As a command"</p>
            <CopyText text=call label="command"/>
            <p class="hint">"Where a CI can send no header: an address with the token in it, to be kept as secret as the token"</p>
            <CopyText text=made.url label="address with the token"/>
        }
    };
    view! {
        <section>
            <header class="section-title"><h2>"Deploy token"</h2></header>
            <div class="stack">
                <p class="hint">"For a CI: it can ask for releases of this project and do nothing else, not even read. Watch paths and [skip ci] do not count for it."</p>
                {move || made.get().map(shown)}
                <Show when=may_change>{standing}</Show>
                <AttemptProblem attempt/>
            </div>
            <Confirm open=renewing title="A new deploy token?" verb="Make a new one" otherwise="Not now" glyph=Glyph::KEY attempt on_confirm=make says="The old one ends at once."/>
            <Confirm open=revoking title="Revoke the deploy token?" verb="Revoke" attempt on_confirm=revoke says="What uses it cannot deploy any more, at once."/>
        </section>
    }
}
