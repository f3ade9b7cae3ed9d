//! A project: its deployments, its source, its deploy key, its end.

use boathouse_types::{ChangeProject, DeploymentStage, Event, NewDeployment, Project, ProjectName, Source};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::home::{DeploymentRow, glyph_of};
use super::new_project::{SourceFields, SourceForm};
use super::not_found::{NotFound, param};
use crate::api::{Place, api, at};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn ProjectPage() -> impl IntoView {
    let name = param::<ProjectName>("project");
    move || match name.get() {
        Some(name) => view! { <OneProject name/> }.into_any(),
        None => view! { <NotFound what="project"/> }.into_any(),
    }
}

#[component]
fn OneProject(name: ProjectName) -> impl IntoView {
    let live = Live::<Project>::new(boathouse_types::path::project(&name), of_project(name.to_string()));
    let events = Live::<Vec<Event>>::new(at(&format!("/events?project={name}&limit=12")), of_project(name.to_string()));
    let body = move |project| {
        view! {
            <div class="with-side">
                <div><Sections project live/></div>
                <aside><h2>"Recent events"</h2><EventList events hide_project=true/></aside>
            </div>
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

#[component]
fn Sections(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let source = Memo::new(move |_| project.with(|project| project.source.clone()));
    let deployments = move || {
        project
            .with(|project| project.deployments.clone())
            .into_iter()
            .map(|deployment| view! { <DeploymentRow deployment/> })
            .collect_view()
    };
    view! {
        <header class="title"><h1>{move || project.with(|project| project.name.to_string())}</h1></header>
        <section>
            <header class="section-title"><h2>"Deployments"</h2><Show when=may_change><AddDeployment project live/></Show></header>
            <ul class="deployments framed">{deployments}</ul>
        </section>
        <section>
            <header class="section-title"><h2>"Source"</h2><Show when=may_change><ChangeSource project live/></Show></header>
            <p class="source">{move || { let source = source.get(); view! { <Icon glyph=glyph_of(&source)/><span>{format::source(&source)}</span> } }}</p>
            <DeployKey project live/>
        </section>
        <Show when=may_change><DeleteProject project/></Show>
    }
}

#[component]
fn AddDeployment(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a deployment"</span></button>
        <Dialog open title="Add a deployment"><AddDeploymentForm project live/></Dialog>
    }
}

#[component]
fn AddDeploymentForm(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let (api, navigate, attempt) = (api(), use_navigate(), Attempt::new());
    let (name, stage, branch) =
        (RwSignal::new("staging".to_owned()), RwSignal::new("staging".to_owned()), RwSignal::new(String::new()));
    let is_git = project.with_untracked(|project| matches!(project.source, Source::Git { .. }));
    let add = move || {
        let (project, navigate) = (project.with_untracked(|project| project.name.clone()), navigate.clone());
        let parsed = name.get_untracked().trim().parse().map_err(|problem| format!("{problem}"));
        let branch = some_text(branch).map(|branch| branch.parse()).transpose().map_err(|problem| format!("{problem}"));
        match (parsed, branch) {
            (Ok(name), Ok(branch)) => attempt.run(async move {
                let stage = DeploymentStage::parse(&stage.get_untracked()).unwrap_or_default();
                let deployment = api
                    .create_deployment(&project, &NewDeployment { name, stage, branch, lifetime: None, wake: None })
                    .await?;
                live.refresh();
                navigate(&Place::of(&deployment).page(), Default::default());
                Ok(())
            }),
            (Err(problem), _) | (_, Err(problem)) => attempt.refuse(problem),
        }
    };
    view! {
        <Form attempt label="Add" glyph=Glyph::PLUS on_submit=add>
            <p class="hint">"One more full instance of this project, with its own network, volumes, environment and domains."</p>
            <Field label="Name" value=name required=true/>
            <Choice label="Stage" value=stage options=Signal::stored(super::options::stages())/>
            {is_git.then(|| view! { <Field label="Branch" value=branch hint="Empty: the project's branch."/> })}
        </Form>
    }
}

#[component]
fn ChangeSource(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <button type="button" on:click=move |_| open.set(true)>"Change"</button>
        <Dialog open title="Change the source"><ChangeSourceForm project live open/></Dialog>
    }
}

#[component]
fn ChangeSourceForm(project: Signal<Project>, live: Live<Project>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let form = project.with_untracked(|project| SourceForm::of(&project.source));
    let save = move || {
        let name = project.with_untracked(|project| project.name.clone());
        match form.source() {
            Ok(source) => attempt.run(async move {
                live.put(
                    api.change_project(&name, &ChangeProject { source: Some(source), ..Default::default() }).await?,
                );
                open.try_set(false);
                Ok(())
            }),
            Err(problem) => attempt.refuse(problem),
        }
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            <SourceFields form/>
            <p class="hint">"The next release uses it; what runs now stays."</p>
        </Form>
    }
}

/// The public half of the key, where a git source may need one.
#[component]
fn DeployKey(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let key = Memo::new(move |_| project.with(|project| project.deploy_key.clone()));
    let is_git = Memo::new(move |_| project.with(|project| matches!(project.source, Source::Git { .. })));
    let make = move |()| {
        let name = project.with_untracked(|project| project.name.clone());
        attempt.run(async move {
            live.put(api.make_deploy_key(&name).await?);
            Ok(())
        });
    };
    move || {
        match key.get() {
        Some(key) => view! { <p class="hint">"Deploy key: give it read access at the git server."</p><CopyText text=key label="deploy key"/> }.into_any(),
        None if is_git.get() && may_change() => view! {
            <p class="hint">"A private repository over ssh needs a deploy key."</p>
            <AttemptProblem attempt/>
            <Button attempt label="Make a deploy key" glyph=Glyph::KEY on_press=Callback::new(make)/>
        }
        .into_any(),
        None => ().into_any(),
    }
    }
}

#[component]
fn DeleteProject(project: Signal<Project>) -> impl IntoView {
    let (open, attempt, api, navigate) =
        (RwSignal::new(false), Attempt::new(), api(), StoredValue::new_local(use_navigate()));
    let Projects(projects) = expect_context();
    let confirm = move |()| {
        let name = project.with_untracked(|project| project.name.clone());
        attempt.run(async move {
            api.delete_project(&name).await?;
            projects.refresh();
            navigate.with_value(|navigate| navigate("/", Default::default()));
            Ok(())
        });
    };
    let losses = move || {
        project.with(|project| {
            let each = project.deployments.iter().map(|deployment| {
                format!(
                    "the deployment {} with its releases, volumes, environment and {}",
                    deployment.name,
                    format::plural(deployment.hosts.len() as i64, "domain")
                )
            });
            each.chain(["the project's source settings and deploy key".to_owned()]).collect::<Vec<_>>()
        })
    };
    view! {
        <section class="danger-zone">
            <h2>"Delete this project"</h2>
            <p class="hint">"All its deployments and their data go with it. The repository itself is not touched."</p>
            <button type="button" class="danger" on:click=move |_| open.set(true)><Icon glyph=Glyph::TRASH/><span>"Delete the project"</span></button>
            {move || open.get().then(|| view! {
                <ConfirmDelete open noun="project" name=project.with_untracked(|project| project.name.to_string()) losses=losses() attempt on_confirm=Callback::new(confirm)/>
            })}
        </section>
    }
}
