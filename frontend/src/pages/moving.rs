//! Giving a deployment to another project or another name; what runs goes on running.

use boathouse_types::{Deployment, MoveDeployment};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;

#[component]
pub fn Moving() -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <section class="option-section">
            <h2>"Move"</h2>
            <p class="hint">"To another project, or under another name. Containers, volumes and what runs stay as they are; the next release comes from the new project's source."</p>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::OPEN/><span>"Move the deployment"</span></button>
            <Dialog open title="Move the deployment"><MoveForm/></Dialog>
        </section>
    }
}

#[component]
fn MoveForm() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let project = RwSignal::new(place.project.to_string());
    let name = RwSignal::new(place.deployment.to_string());
    let options = Signal::derive(move || {
        let all = projects.get().unwrap_or_default();
        all.into_iter().map(|project| (project.name.to_string(), project.name.to_string())).collect::<Vec<_>>()
    });
    let submit = move || {
        let to = match (project.get_untracked().parse(), name.get_untracked().trim().parse()) {
            (Ok(project), Ok(name)) => MoveDeployment { project, name: Some(name) },
            (Err(problem), _) | (_, Err(problem)) => return attempt.refuse(format!("{problem}.")),
        };
        let (place, navigate) = (place.clone(), navigate.clone());
        attempt.run(async move {
            let moved: Deployment = api.move_deployment(&place, &to).await?;
            projects.refresh();
            navigate(&Place::of(&moved).page(), Default::default());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Move" glyph=Glyph::CHECK on_submit=submit>
            <Choice label="Project" value=project options/>
            <Field label="Name there" value=name required=true/>
        </Form>
    }
}
