//! Whether the git host is told how releases go, at their commits.

use boathouse_types::{CommitStatus, Provider, SetCommitStatus};
use leptos::prelude::*;

use super::hooks::Hooked;
use crate::api::api;
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

const HOSTS: [Provider; 5] =
    [Provider::Github, Provider::Gitlab, Provider::Bitbucket, Provider::Gitea, Provider::Forgejo];

#[component]
pub fn CommitStatusSection(hooked: Hooked) -> impl IntoView {
    let name = hooked.project.get_value();
    let path = format!("{}/commit-status", boathouse_types::path::project(&name));
    let live = Live::<Option<CommitStatus>>::new(path, of_project(name.to_string()));
    let open = RwSignal::new(false);
    let standing = move |status: Signal<Option<CommitStatus>>| {
        let shown = move || match status.get() {
            Some(status) => view! { <Standing hooked status live/> }.into_any(),
            None => view! { <p class="hint">"The git host is not told."</p> }.into_any(),
        };
        view! { {shown} }.into_any()
    };
    view! {
        <section>
            <header class="section-title"><h2>"Commit statuses"</h2><Show when=may_change><button type="button" on:click=move |_| open.set(true)>"Set a token"</button></Show></header>
            <div class="stack">
                <p class="hint">"The git host shows at each commit how its release goes, with a link to it."</p>
                {live.show(standing)}
            </div>
            <Dialog open title="Tell the git host how releases go"><SetForm hooked live open/></Dialog>
        </section>
    }
}

#[component]
fn Standing(hooked: Hooked, status: CommitStatus, live: Live<Option<CommitStatus>>) -> impl IntoView {
    let (api, attempt, removing) = (api(), Attempt::new(), RwSignal::new(false));
    let remove = Callback::new(move |()| {
        attempt.run(async move {
            let name = hooked.project.get_value();
            api.remove_commit_status(&name).await?;
            removing.try_set(false);
            live.put(None);
            Ok(())
        });
    });
    let told = match status.posted_at {
        Some(at) => view! { "last told "<Moment at/> }.into_any(),
        None => view! { "nothing told yet" }.into_any(),
    };
    let problem = status.problem.map(|problem| {
        let again = status.retry_at.map(|at| view! { " Tried again "<Moment at/>"." });
        view! { <p class="mark bad"><Icon glyph=Glyph::DOWN/><span>{problem}"."{again}</span></p> }
    });
    view! {
        <p>{status.provider.name()}" at "<code>{status.api}</code>", "{told}</p>
        {problem}
        <Show when=may_change><div class="actions left"><button type="button" class="quiet" on:click=move |_| removing.set(true)>"Tell it no more"</button></div></Show>
        <Confirm open=removing title="Tell the git host no more?" verb="Forget the token" attempt on_confirm=remove says="What it was told stays there."/>
    }
}

#[component]
fn SetForm(hooked: Hooked, live: Live<Option<CommitStatus>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (host, token, address) =
        (RwSignal::new("github".to_owned()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let options = HOSTS.map(|host| (host.as_str().to_owned(), host.name().to_owned())).to_vec();
    let save = move || {
        let Some(provider) = Provider::parse(&host.get_untracked()) else { return };
        let body =
            SetCommitStatus { provider, token: token.get_untracked().trim().to_owned(), api: some_text(address) };
        attempt.run(async move {
            let name = hooked.project.get_value();
            live.put(Some(api.set_commit_status(&name, &body).await?));
            token.try_set(String::new());
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            <Choice label="Git host" value=host options=Signal::stored(options)/>
            <Field label="Token" value=token kind="password" autocomplete="new-password" required=true hint="One that may write commit statuses, and nothing else. It is sealed and never shown again."/>
            <Field label="Address of its API" value=address placeholder="that of the host of the source"/>
        </Form>
    }
}
