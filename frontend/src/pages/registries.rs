//! Logins at image registries: for private images and private base images.

use boathouse_types::{NewRegistry, Registry};
use leptos::prelude::*;

use crate::api::{api, at};
use crate::components::*;
use crate::live::{Live, of_all};

#[component]
pub fn Registries() -> impl IntoView {
    let (live, adding) = (Live::<Vec<Registry>>::new(at("/registries"), of_all), RwSignal::new(false));
    view! {
        <header class="section-title">
            <p class="hint">"For private images and for private base images of builds, of all projects. A password cannot be read back, only replaced."</p>
            <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a login"</span></button>
        </header>
        <Dialog open=adding title="Add a login"><AddRegistry live open=adding/></Dialog>
        {live.show(move |logins| view! {
            <ul class="rows people">{move || logins.get().into_iter().map(|login| view! { <RegistryRow login live/> }).collect_view()}</ul>
            <Show when=move || logins.with(Vec::is_empty)><Empty glyph=Glyph::LOCK title="No logins yet"><p>"Public images need none."</p></Empty></Show>
        }.into_any())}
    }
}

#[component]
fn RegistryRow(login: Registry, live: Live<Vec<Registry>>) -> impl IntoView {
    let (api, attempt, removing) = (api(), Attempt::new(), RwSignal::new(false));
    let (host, name) = (StoredValue::new(login.host.clone()), login.host.to_string());
    let remove = move |()| {
        let host = host.get_value();
        attempt.run(async move {
            api.remove_registry(&host).await?;
            removing.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    view! {
        <li>
            <span class="main"><Icon glyph=Glyph::LOCK/><strong>{name.clone()}</strong></span>
            <span>{login.username.to_string()}</span>
            <span class="hint">"set "<Moment at=login.updated_at/></span>
            <span class="row-actions"><button type="button" class="quiet" aria-label=format!("Remove the login for {name}") on:click=move |_| removing.set(true)>"Remove"</button></span>
            <Dialog open=removing title=format!("Remove the login for {name}?")>
                <div class="stack">
                    <p>"Releases that pull private images from there will fail. What runs goes on, and rollbacks need no registry."</p>
                    <AttemptProblem attempt/>
                    <div class="actions">
                        <button type="button" on:click=move |_| removing.set(false)>"Keep it"</button>
                        <Button attempt label="Remove" glyph=Glyph::TRASH class="danger" on_press=Callback::new(remove)/>
                    </div>
                </div>
            </Dialog>
        </li>
    }
}

#[component]
fn AddRegistry(live: Live<Vec<Registry>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let text = || RwSignal::new(String::new());
    let (host, username, password) = (text(), text(), text());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let login = match (host.get_untracked().trim().parse(), username.get_untracked().trim().parse()) {
            (Ok(host), Ok(username)) => NewRegistry { host, username, password: password.get_untracked() },
            (Err(problem), _) | (_, Err(problem)) => return attempt.refuse(format!("{problem}.")),
        };
        attempt.run(async move {
            api.add_registry(&login).await?;
            live.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <form class="stack" on:submit=submit>
            <Field label="Registry" value=host placeholder="ghcr.io" hint="As image names begin; Docker Hub is docker.io." required=true focus=true/>
            <Field label="User name" value=username autocomplete="off" required=true/>
            <Field label="Password or access token" value=password kind="password" autocomplete="off" hint="One that may only read is enough." required=true/>
            <AttemptProblem attempt/>
            <div class="actions"><Button attempt label="Save" glyph=Glyph::CHECK class="primary"/></div>
        </form>
    }
}
