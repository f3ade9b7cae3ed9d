//! The console's pages by parts: each part is a file of its own, fetched when the first of its pages is opened. What the first
//! visit needs (sign-in, home, the frame) is in the main file.

use boathouse_types::{ErrorBody, ErrorKind};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::{SplitLoaderError, wasm_split};

use crate::api::{Api, api, at, pause};
use crate::components::{Problem, Skeleton};
use crate::pages;
use crate::reach::pause_after;

/// In vain, with the server answering in between: a network that changes cuts several requests short.
const TRIES: u32 = 5;

/// Makes a page. A pointer, because what it makes belongs to the place where it is called, not to the task that fetched it.
type Page = fn() -> AnyView;
type Loaded = Result<Page, SplitLoaderError>;

#[wasm_split(build, wasm_split_path = leptos::wasm_split, fallible)]
pub fn new_project() -> Loaded {
    Ok(|| view! { <pages::NewProjectPage/> }.into_any())
}

#[wasm_split(build, wasm_split_path = leptos::wasm_split, fallible)]
pub fn stack() -> Loaded {
    Ok(|| view! { <pages::StackPage/> }.into_any())
}

#[wasm_split(settings, wasm_split_path = leptos::wasm_split, fallible)]
pub fn catalog() -> Loaded {
    Ok(|| view! { <pages::CatalogPage/> }.into_any())
}

#[wasm_split(settings, wasm_split_path = leptos::wasm_split, fallible)]
pub fn settings() -> Loaded {
    Ok(|| view! { <pages::SettingsPage/> }.into_any())
}

#[wasm_split(project, wasm_split_path = leptos::wasm_split, fallible)]
pub fn project() -> Loaded {
    Ok(|| view! { <pages::ProjectPage/> }.into_any())
}

#[wasm_split(environment, wasm_split_path = leptos::wasm_split, fallible)]
pub fn variables() -> Loaded {
    Ok(|| view! { <pages::VariablesPage/> }.into_any())
}

#[wasm_split(hooks, wasm_split_path = leptos::wasm_split, fallible)]
pub fn hooks() -> Loaded {
    Ok(|| view! { <pages::HooksPage/> }.into_any())
}

#[wasm_split(deployment, wasm_split_path = leptos::wasm_split, fallible)]
pub fn deployment() -> Loaded {
    Ok(|| view! { <pages::DeploymentPage/> }.into_any())
}

#[wasm_split(release, wasm_split_path = leptos::wasm_split, fallible)]
pub fn release() -> Loaded {
    Ok(|| view! { <pages::ReleasePage/> }.into_any())
}

#[wasm_split(release, wasm_split_path = leptos::wasm_split, fallible)]
pub fn releases() -> Loaded {
    Ok(|| view! { <pages::Releases/> }.into_any())
}

#[wasm_split(release, wasm_split_path = leptos::wasm_split, fallible)]
pub fn logs() -> Loaded {
    Ok(|| view! { <pages::Logs/> }.into_any())
}

#[wasm_split(release, wasm_split_path = leptos::wasm_split, fallible)]
pub fn container() -> Loaded {
    Ok(|| view! { <pages::Container/> }.into_any())
}

#[wasm_split(environment, wasm_split_path = leptos::wasm_split, fallible)]
pub fn environment() -> Loaded {
    Ok(|| view! { <pages::Environment/> }.into_any())
}

#[wasm_split(addons, wasm_split_path = leptos::wasm_split, fallible)]
pub fn addons() -> Loaded {
    Ok(|| view! { <pages::Addons/> }.into_any())
}

#[wasm_split(configure, wasm_split_path = leptos::wasm_split, fallible)]
pub fn domains() -> Loaded {
    Ok(|| view! { <pages::Domains/> }.into_any())
}

#[wasm_split(configure, wasm_split_path = leptos::wasm_split, fallible)]
pub fn options() -> Loaded {
    Ok(|| view! { <pages::Options/> }.into_any())
}

#[wasm_split(configure, wasm_split_path = leptos::wasm_split, fallible)]
pub fn plan_manifest() -> Loaded {
    Ok(|| view! { <pages::PlanManifest/> }.into_any())
}

#[wasm_split(hooks, wasm_split_path = leptos::wasm_split, fallible)]
pub fn images() -> Loaded {
    Ok(|| view! { <pages::ImagesSection/> }.into_any())
}

#[wasm_split(hooks, wasm_split_path = leptos::wasm_split, fallible)]
pub fn folder() -> Loaded {
    Ok(|| view! { <pages::FolderSection/> }.into_any())
}

#[wasm_split(addons, wasm_split_path = leptos::wasm_split, fallible)]
pub fn commands() -> Loaded {
    Ok(|| view! { <pages::Commands/> }.into_any())
}

#[wasm_split(hooks, wasm_split_path = leptos::wasm_split, fallible)]
pub fn backups() -> Loaded {
    Ok(|| view! { <pages::Backups/> }.into_any())
}

#[wasm_split(environment, wasm_split_path = leptos::wasm_split, fallible)]
pub fn disk() -> Loaded {
    Ok(|| view! { <pages::DiskPage/> }.into_any())
}

#[wasm_split(hooks, wasm_split_path = leptos::wasm_split, fallible)]
pub fn previews() -> Loaded {
    Ok(|| view! { <pages::PreviewsSection/> }.into_any())
}

/// The view of a route, of a tab, or of what is opened on one: shows the page of a part once the part is here.
pub fn page<F: Future<Output = Loaded> + 'static>(fetch: fn() -> F) -> AnyView {
    let (api, loaded) = (api(), RwSignal::new(None::<Option<Page>>));
    let start = move || {
        loaded.set(None);
        spawn_local(async move {
            let page = fetched(api, fetch, move || loaded.try_get_untracked().is_some()).await;
            // The page may have been left meanwhile.
            loaded.try_set(Some(page));
        });
    };
    start();
    let body = move || match loaded.get() {
        None => view! { <Skeleton/> }.into_any(),
        Some(Some(page)) => page(),
        Some(None) => view! { <NotFetched again=Callback::new(move |()| start())/> }.into_any(),
    };
    view! { {body} }.into_any()
}

/// A server that is away is waited for. One that answers and has not this file is another version by now.
async fn fetched<F: Future<Output = Loaded>>(
    api: Api,
    fetch: fn() -> F,
    is_wanted: impl Fn() -> bool + Clone + 'static,
) -> Option<Page> {
    for tries in 0..TRIES {
        if let Ok(page) = fetch().await {
            return Some(page);
        }
        pause(pause_after(tries, js_sys::Math::random())).await;
        api.follow_text(&at("/setup"), Box::new(is_wanted.clone())).await.ok()?;
    }
    None
}

/// The button for each of both: a network that cut the file short, and a server that has other files.
#[component]
fn NotFetched(again: Callback<()>) -> impl IntoView {
    let problem = ErrorBody {
        kind: ErrorKind::Unavailable,
        message: "This part of the console could not be fetched.".to_owned(),
        hint: Some("Where the server has been updated meanwhile, the whole page must be loaded again.".to_owned()),
    };
    let reload = move |_| drop(window().location().reload());
    view! {
        <div class="page">
            <Problem problem/>
            <div class="actions">
                <button type="button" on:click=reload>"Load the page again"</button>
                <button type="button" class="primary" on:click=move |_| again.run(())>"Try again"</button>
            </div>
        </div>
    }
}
