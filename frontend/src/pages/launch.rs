//! From a choice of packages to an address: its code goes to where it shall live, and the project is deployed.

use boathouse_types::{NewProject, NewRelease, Project, PushStack, StackChoice, StackRemote};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::remote::{RemoteFields, RemoteForm, source_of};
use super::stack::Builder;
use crate::api::{Answer, Api, Place, api};
use crate::app::Projects;
use crate::components::*;

/// The one button: code, repository, project and first release.
#[component]
pub fn Launch(builder: Builder) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let remote = RemoteForm::new();
    // Its code is where it shall be; only a release is missing.
    let made = RwSignal::new(None::<Project>);
    let waiting = waiting(builder, remote);
    let launch = move || {
        let asked = match asked(builder, remote, waiting) {
            Ok(asked) => asked,
            Err(problem) => return attempt.refuse(problem),
        };
        let navigate = navigate.clone();
        attempt.run(async move {
            let ready = made.get_untracked().filter(|project| project.name == asked.choice.name);
            let put = match ready {
                Some(project) => Some(project),
                None => asked.put_code(api).await.inspect_err(|_| projects.refresh())?,
            };
            projects.refresh();
            let Some(project) = put else { return Ok(()) };
            made.try_set(Some(project.clone()));
            let Some(place) = project.deployments.first().map(Place::of) else { return Ok(()) };
            let release = api.deploy(&place, &NewRelease::default()).await?;
            navigate(&place.release_page(release.number), Default::default());
            Ok(())
        });
    };
    let key = Memo::new(move |_| waiting.get().and_then(|project| project.deploy_key));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        launch();
    };
    view! {
        <form class="stack" on:submit=submit>
            <Field label="Project name" value=builder.name required=true placeholder="shop" hint="Also begins its addresses."/>
            <RemoteFields form=remote/>
            {move || key.get().map(|key| view! { <GiveKey key/> })}
            <AttemptProblem attempt/>
            <div class="actions">{move || {
                let (label, glyph) = match (remote.is_elsewhere(), remote.needs_key() && key.get().is_none()) {
                    (false, _) => ("Create and deploy", Glyph::DEPLOY),
                    (true, true) => ("Create and make a deploy key", Glyph::KEY),
                    (true, false) => ("Push and deploy", Glyph::DEPLOY),
                };
                view! { <Button attempt label glyph class="primary"/> }
            }}</div>
        </form>
    }
}

/// What the button asks for.
struct Asked {
    choice: StackChoice,
    remote: Option<StackRemote>,
    /// Over ssh: the key must be there, and known to the remote.
    needs_key: bool,
    waiting: Option<Project>,
}

fn asked(builder: Builder, remote: RemoteForm, waiting: Memo<Option<Project>>) -> Result<Asked, String> {
    untrack(|| {
        let choice = builder.chosen.with(|chosen| chosen.choice(&builder.name.get()))?;
        Ok(Asked { choice, remote: remote.remote()?, needs_key: remote.needs_key(), waiting: waiting.get() })
    })
}

impl Asked {
    /// The project with its code in place; none where its new key must first be known to the remote.
    async fn put_code(self, api: Api) -> Answer<Option<Project>> {
        let Some(remote) = self.remote else { return api.create_stack(&self.choice).await.map(Some) };
        let has_key = self.waiting.as_ref().is_some_and(|project| project.deploy_key.is_some());
        if !self.needs_key || has_key {
            return api.push_stack(&PushStack { choice: self.choice, remote }).await.map(Some);
        }
        let name = self.choice.name;
        if self.waiting.is_none() {
            api.create_project(&NewProject { name: name.clone(), source: source_of(&remote) }).await?;
        }
        api.make_deploy_key(&name).await.map(|_| None)
    }
}

/// The project of this name and remote that was made before, also in an earlier visit, and waits for its code.
fn waiting(builder: Builder, remote: RemoteForm) -> Memo<Option<Project>> {
    let Projects(projects) = expect_context();
    Memo::new(move |_| {
        let (name, source) = (builder.name.get(), source_of(&remote.remote().ok()??));
        let mut all = projects.get().into_iter().flatten();
        all.find(|project| project.name.as_str() == name.trim() && project.source == source)
    })
}

#[component]
fn GiveKey(key: String) -> impl IntoView {
    view! {
        <div class="stack" role="status">
            <p>"The project is there and waits for its code. Give this key the right to write to the repository, then push."</p>
            <CopyText text=key label="deploy key"/>
        </div>
    }
}
