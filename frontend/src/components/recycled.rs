//! What was deleted and can be brought back.

use boathouse_types::{Deployment, Project, ProjectName, Recycled, path};
use leptos::prelude::*;

use super::{Attempt, AttemptProblem, Button, Confirm, Glyph, Icon, Moment};
use crate::api::{Answer, Api, ForGood, Place, api, at};
use crate::live::{Live, of_all, of_project};
use crate::session::may_change;

/// Deleted projects; nothing where there are none.
#[component]
pub fn DeletedProjects() -> impl IntoView {
    let live = Live::<Vec<Project>>::new(at("/projects?deleted=true"), of_all);
    let things = Memo::new(move |_| {
        let thing = |project: Project| Some((project.recycled?, Thing::Project(project.name)));
        live.get().unwrap_or_default().into_iter().filter_map(thing).collect::<Vec<_>>()
    });
    view! { <Bin things/> }
}

/// Deleted deployments of a project; nothing where there are none.
#[component]
pub fn DeletedDeployments(project: ProjectName) -> impl IntoView {
    let path = format!("{}/deployments?deleted=true", path::project(&project));
    let live = Live::<Vec<Deployment>>::new(path, of_project(project.to_string()));
    let things = Memo::new(move |_| {
        let thing = |deployment: Deployment| Some((deployment.recycled?, Thing::Deployment(Place::of(&deployment))));
        live.get().unwrap_or_default().into_iter().filter_map(thing).collect::<Vec<_>>()
    });
    view! { <Bin things/> }
}

#[derive(Clone, PartialEq)]
enum Thing {
    Project(ProjectName),
    Deployment(Place),
}

impl Thing {
    fn name(&self) -> String {
        match self {
            Self::Project(name) => name.to_string(),
            Self::Deployment(place) => place.deployment.to_string(),
        }
    }

    async fn restore(self, api: Api) -> Answer<()> {
        match self {
            Self::Project(name) => api.restore_project(&name).await.map(drop),
            Self::Deployment(place) => api.restore_deployment(&place).await.map(drop),
        }
    }

    async fn end(self, api: Api) -> Answer<()> {
        match self {
            Self::Project(name) => api.delete_project(&name, ForGood(true)).await.map(drop),
            Self::Deployment(place) => api.delete_deployment(&place, ForGood(true)).await.map(drop),
        }
    }
}

#[component]
fn Bin(things: Memo<Vec<(Recycled, Thing)>>) -> impl IntoView {
    let rows =
        move || things.get().into_iter().map(|(recycled, thing)| view! { <Deleted recycled thing/> }).collect_view();
    view! {
        <Show when=move || !things.with(Vec::is_empty)>
            <section class="bin"><h2>"Recently deleted"</h2><ul class="rows compact">{rows}</ul></section>
        </Show>
    }
}

#[component]
fn Deleted(recycled: Recycled, thing: Thing) -> impl IntoView {
    let (api, attempt, ending) = (api(), Attempt::new(), RwSignal::new(false));
    let name = thing.name();
    let thing = StoredValue::new(thing);
    let restore = Callback::new(move |()| attempt.run(thing.get_value().restore(api)));
    let end = Callback::new(move |()| attempt.run(thing.get_value().end(api)));
    let (title, label) = (format!("Delete {name} for good?"), format!("Delete {name} for good"));
    view! {
        <li>
            <span class="main"><Icon glyph=Glyph::TRASH/><strong>{name}</strong></span>
            <span class="hint reason">"deleted "<Moment at=recycled.at/>", gone for good "<Moment at=recycled.until/></span>
            <Show when=may_change>
                <span class="row-actions">
                    <Button attempt label="Restore" glyph=Glyph::ROLL_BACK on_press=restore/>
                    <button type="button" class="quiet icon-only" aria-label=label.clone() on:click=move |_| ending.set(true)><Icon glyph=Glyph::TRASH/></button>
                </span>
            </Show>
            <AttemptProblem attempt/>
            <Confirm open=ending title verb="Delete for good" attempt on_confirm=end says="Its volumes, releases, variables and addresses go now. There is no way back."/>
        </li>
    }
}
