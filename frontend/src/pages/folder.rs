//! The folder of the server that a deployment follows: which, how that goes, and another one.

use boathouse_types::{DeploymentStage, WatchedFolder};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::is_admin;

#[component]
pub fn FolderSection() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let live = Live::<Option<WatchedFolder>>::new(place.below("folder"), of_project(place.project.to_string()));
    let (place, open) = (StoredValue::new(place), RwSignal::new(false));
    let does = move || match deployment.with(|deployment| deployment.stage) {
        DeploymentStage::Development => "What changes in a folder of the server can go into the code at once.",
        _ => "What changes in a folder of the server can make a release by itself.",
    };
    let section = move |folder: Signal<Option<WatchedFolder>>| {
        let standing = move || {
            match folder.get() {
            Some(folder) => view! { <Standing place live folder open/> }.into_any(),
            None => view! {
                <p class="hint">"No folder is followed."</p>
                <Show when=is_admin><div class="actions left"><button type="button" on:click=move |_| open.set(true)>"Follow a folder"</button></div></Show>
            }
            .into_any(),
        }
        };
        view! {
            <section class="option-section">
                <h2>"Folder"</h2>
                <p class="hint">{does}</p>
                {standing}
                <Dialog open title="Follow a folder of the server"><WatchForm place live folder open/></Dialog>
            </section>
        }
        .into_any()
    };
    live.beside(section)
}

#[component]
fn Standing(
    place: StoredValue<Place>,
    live: Live<Option<WatchedFolder>>,
    folder: WatchedFolder,
    open: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt, ending) = (api(), Attempt::new(), RwSignal::new(false));
    let end = Callback::new(move |()| {
        attempt.run(async move {
            api.unwatch_folder(&place.get_value()).await?;
            ending.try_set(false);
            live.put(None);
            Ok(())
        });
    });
    let files = boathouse_types::plural(u64::from(folder.files), "file");
    let looked = match folder.looked_at {
        Some(at) => view! { {files}", looked at "<Moment at/> }.into_any(),
        None => view! { "Not looked at yet" }.into_any(),
    };
    let brought = folder.sent_at.map(|at| view! { ", last change "<Moment at/> });
    let release = folder.release.map(|number| {
        let page = place.get_value().release_page(number);
        view! { ", "<a href=page>{format!("release #{number}")}</a> }
    });
    let unseen = (folder.unseen > 0).then(|| {
        let files = boathouse_types::plural(u64::from(folder.unseen), "file");
        view! { <p class="hint">{files}" changed that "<code>".dockerignore"</code>" leaves out of every image: no release is made for that."</p> }
    });
    let problem = folder.problem.map(|problem| {
        view! { <p class="mark bad"><Icon glyph=Glyph::DOWN/><span>{problem}"."</span></p> }
    });
    view! {
        <p>"Follows "<code>{folder.path}</code></p>
        <p class="hint">{looked}{brought}{release}"."</p>
        {unseen}
        {problem}
        <Show when=is_admin>
            <div class="actions left">
                <button type="button" on:click=move |_| open.set(true)>"Follow another one"</button>
                <button type="button" class="quiet" on:click=move |_| ending.set(true)>"Follow it no more"</button>
            </div>
        </Show>
        <Confirm open=ending title="Follow the folder no more?" verb="Follow it no more" attempt on_confirm=end says="What was deployed stays as it is."/>
    }
}

#[component]
fn WatchForm(
    place: StoredValue<Place>,
    live: Live<Option<WatchedFolder>>,
    folder: Signal<Option<WatchedFolder>>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let known = folder.with_untracked(|folder| folder.as_ref().map(|folder| folder.path.clone()));
    let path = RwSignal::new(known.unwrap_or_default());
    let save = move || {
        attempt.run(async move {
            let path = path.get_untracked().trim().to_owned();
            live.put(Some(api.watch_folder(&place.get_value(), path).await?));
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Follow it" glyph=Glyph::CHECK on_submit=save>
            <Field label="Path on the server" value=path required=true focus=true placeholder="/srv/shop" hint="Below a folder that the server was started with (--folders). What .gitignore and .boathouseignore leave out is not looked at."/>
        </Form>
    }
}

/// On the overview: why the deployment is not like its folder.
#[component]
pub fn FolderProblem() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Option<WatchedFolder>>::new(place.below("folder"), of_project(place.project.to_string()));
    live.beside(|folder| {
        let problem = Memo::new(move |_| folder.with(|folder| folder.as_ref()?.problem.clone()));
        let banner = |problem| {
            view! { <section class="banner" role="status"><div><p><strong>"The folder that it follows"</strong></p><p>{problem}"."</p></div></section> }
        };
        view! { {move || problem.get().map(banner)} }.into_any()
    })
}
