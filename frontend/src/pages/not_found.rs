//! An address that leads nowhere, and the parameters of those that lead somewhere.

use boathouse_types::ProjectName;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::api::Place;
use crate::components::{Empty, Glyph};

#[component]
pub fn NotFound(what: &'static str) -> impl IntoView {
    view! {
        <div class="page">
            <h1>{format!("There is no such {what}")}</h1>
            <Empty glyph=Glyph::SEARCH title="It may have been deleted or renamed">
                <a class="button" href="/">"All projects"</a>
            </Empty>
        </div>
    }
}

/// A parameter of the address as the type that it must be.
pub fn param<T: std::str::FromStr + PartialEq + Send + Sync + 'static>(name: &'static str) -> Memo<Option<T>> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get(name)?.parse().ok()))
}

/// A page of the project that the address names.
pub fn of_named_project(page: impl Fn(ProjectName) -> AnyView + Send + 'static) -> impl IntoView {
    let name = param::<ProjectName>("project");
    move || name.get().map_or_else(|| view! { <NotFound what="project"/> }.into_any(), &page)
}

/// The deployment that the address names.
pub fn place() -> Memo<Option<Place>> {
    let (project, deployment) = (param("project"), param("deployment"));
    Memo::new(move |_| Some(Place { project: project.get()?, deployment: deployment.get()? }))
}
