//! What makes releases of a project by itself: its hook, its deploy token, and what both have told.

use boathouse_types::{Hook, Project, ProjectName, Source};
use leptos::prelude::*;

use super::commit_status::CommitStatusSection;
use super::deliveries::Deliveries;
use super::deploy_token::DeployTokenSection;
use super::hook_setup::SetUp;
use super::not_found::of_named_project;
use super::reveal::hide_later;
use crate::api::{Answer, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

/// A project's hook, kept up to date.
#[derive(Clone, Copy)]
pub struct Hooked {
    pub project: StoredValue<ProjectName>,
    pub live: Live<Hook>,
}

impl Hooked {
    /// Changes it, which answers the question that is `open`, and reads it anew.
    pub fn change(self, attempt: Attempt, open: RwSignal<bool>, change: impl Future<Output = Answer<()>> + 'static) {
        attempt.run(async move {
            change.await?;
            open.try_set(false);
            self.live.refresh();
            Ok(())
        });
    }
}

#[component]
pub fn HooksPage() -> impl IntoView {
    of_named_project(|name| view! { <OfProject name/> }.into_any())
}

#[component]
fn OfProject(name: ProjectName) -> impl IntoView {
    let path = boathouse_types::path::project(&name);
    let live = Live::<Hook>::new(format!("{path}/hook"), of_project(name.to_string()));
    let project = Live::<Project>::new(path, of_project(name.to_string()));
    let hooked = Hooked { project: StoredValue::new(name), live };
    let body = move |hook: Signal<Hook>| {
        view! {
            <header class="title"><h1>"Hooks"</h1></header>
            <p class="hint">"A push to the branch that a deployment follows makes a release of it, once the git host tells of it. What counts is set in the deployment's options and by "<code>"watch"</code>" in the manifest."</p>
            {project.beside(move |project| view! { <HookSection hooked hook project/> }.into_any())}
            <DeployTokenSection hooked hook/>
            <CommitStatusSection hooked/>
            <Deliveries hooked/>
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

#[component]
fn HookSection(hooked: Hooked, hook: Signal<Hook>, project: Signal<Project>) -> impl IntoView {
    let source = Memo::new(move |_| project.with(|project| project.source.clone()));
    let has_secret = Memo::new(move |_| hook.with(|hook| hook.secret_at.is_some()));
    let address = hook.with_untracked(|hook| hook.url.clone());
    let body = move || {
        let Source::Git { url, .. } = source.get() else {
            return view! { <p class="hint">"The code of this project does not come from git, so no git host can tell of a push. A CI can deploy with the token below."</p> }.into_any();
        };
        if url.as_str().starts_with('/') {
            return view! { <p class="hint">"The code lives on this server: every push here is told without a hook."</p> }.into_any();
        }
        let address = address.clone();
        view! {
            <p class="hint">"The address that the git host calls"</p>
            <CopyText text=address label="address"/>
            <Secret hooked hook/>
            <Show when=move || has_secret.get()><SetUp source=url.to_string()/></Show>
        }
        .into_any()
    };
    view! { <section><header class="section-title"><h2>"Hook"</h2></header><div class="stack">{body}</div></section> }
}

/// The secret: made, shown for a moment, replaced, removed.
#[component]
fn Secret(hooked: Hooked, hook: Signal<Hook>) -> impl IntoView {
    let (api, attempt, shown) = (api(), Attempt::new(), RwSignal::new(None::<String>));
    let (renewing, removing) = (RwSignal::new(false), RwSignal::new(false));
    let made_at = Memo::new(move |_| hook.with(|hook| hook.secret_at));
    let make = Callback::new(move |()| {
        hooked.change(attempt, renewing, async move {
            shown.try_set(Some(api.make_hook(&hooked.project.get_value()).await?.secret));
            hide_later(shown);
            Ok(())
        });
    });
    let reveal = move |_| {
        attempt.run(async move {
            let name = hooked.project.get_value();
            shown.try_set(Some(api.reveal_hook(&name).await?.secret));
            hide_later(shown);
            Ok(())
        });
    };
    let remove = Callback::new(move |()| {
        hooked.change(attempt, removing, async move {
            api.remove_hook(&hooked.project.get_value()).await?;
            shown.try_set(None);
            Ok(())
        });
    });
    let actions = move || {
        match made_at.get() {
        None => view! {
            <p class="hint">"It has no secret yet, so nothing that calls it is believed."</p>
            <div class="actions left"><Button attempt label="Make the hook" glyph=Glyph::KEY class="primary" on_press=make/></div>
        }
        .into_any(),
        Some(at) => view! {
            <p class="hint">"Its secret was made "<Moment at/></p>
            <div class="actions left">
                <button type="button" disabled=attempt.busy on:click=reveal>"Reveal the secret"</button>
                <button type="button" on:click=move |_| renewing.set(true)>"New secret"</button>
                <button type="button" class="quiet" on:click=move |_| removing.set(true)>"Remove the hook"</button>
            </div>
        }
        .into_any(),
    }
    };
    view! {
        {move || shown.get().map(|text| view! { <CopyText text label="secret"/> })}
        <Show when=may_change fallback=|| view! { <p class="hint">"Members can make the hook and see its secret."</p> }>{actions}</Show>
        <AttemptProblem attempt/>
        <Confirm open=renewing title="A new secret for the hook?" verb="Make a new one" otherwise="Not now" glyph=Glyph::KEY attempt on_confirm=make
            says="The old one ends at once: what the git host sends is refused until it has the new one."/>
        <Confirm open=removing title="Remove the hook?" verb="Remove" attempt on_confirm=remove
            says="Nothing that calls it is believed any more. It can be made again, with another secret."/>
    }
}
