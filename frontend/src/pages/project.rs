//! A project: its deployments, its source, its deploy key, its end.

use boathouse_types::{ChangeProject, DeploymentStage, Lifetime, NewDeployment, Project, ProjectName, Source};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::analyze::AnalyzeSource;
use super::canvas::Canvas;
use super::git_access::SignIn;
use super::home::{DeploymentRow, glyph_of};
use super::new_project::{SourceFields, SourceForm};
use super::not_found::of_named_project;
use super::timer::lifetimes;
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::parts::{self, page};
use crate::session::may_change;

#[component]
pub fn ProjectPage() -> impl IntoView {
    of_named_project(|name| view! { <OneProject name/> }.into_any())
}

#[component]
fn OneProject(name: ProjectName) -> impl IntoView {
    let live = Live::<Project>::new(boathouse_types::path::project(&name), of_project(name.to_string()));
    let body = move |project| {
        let (query, concerns) = (format!("project={name}&"), of_project(name.to_string()));
        view! {
            <div class="with-side">
                <div><Sections project live/></div>
                <aside><h2>"Recent events"</h2><EventList query concerns hide_project=true/></aside>
            </div>
        }
        .into_any()
    };
    view! { <div class="page">{live.page(body)}</div> }
}

#[component]
fn Sections(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let source = Memo::new(move |_| project.with(|project| project.source.clone()));
    let name = project.with_untracked(|project| project.name.clone());
    let is_git = Memo::new(move |_| source.with(|source| matches!(source, Source::Git { .. })));
    let (own, variables, hooks) = (name.clone(), format!("/variables/{name}"), format!("/hooks/{name}"));
    // What users see, else the first that anybody sees.
    let pictured = Memo::new(move |_| {
        project.with(|project| {
            let mut live = project.deployments.iter().filter(|deployment| deployment.live.is_some());
            let production = live.clone().find(|deployment| deployment.stage == DeploymentStage::Production);
            production.or_else(|| live.next()).map(|deployment| deployment.name.clone())
        })
    });
    let deployments = move || {
        project
            .with(|project| project.deployments.clone())
            .into_iter()
            .map(|deployment| view! { <DeploymentRow deployment/> })
            .collect_view()
    };
    view! {
        <header class="title">
            <h1>{move || project.with(|project| format::called(project.display_name.as_ref(), &project.name))}</h1>
            <Show when=may_change><ProjectNames project live/></Show>
        </header>
        <section>
            <header class="section-title"><h2>"Deployments"</h2><Show when=may_change><AddDeployment project live/></Show></header>
            <ul class="deployments framed">{deployments}</ul>
            <DeletedDeployments project=name/>
        </section>
        {move || is_git.get().then(|| page(parts::previews))}
        {move || pictured.get().map(|name| {
            let place = Place { project: own.clone(), deployment: name.clone() };
            let first = project.with_untracked(|project| project.deployments.iter().find(|one| one.name == name).cloned());
            let deployment = move || project.with(|project| project.deployments.iter().find(|one| one.name == name).cloned());
            first.map(|first| view! { <Canvas place deployment=Signal::derive(move || deployment().unwrap_or_else(|| first.clone()))/> })
        })}
        <section>
            <header class="section-title"><h2>"Variables"</h2><a class="button" href=variables>"See and change"</a></header>
            <p class="hint">"What its deployments share, by stage where wanted, and which value each of them gets."</p>
        </section>
        <section>
            <header class="section-title"><h2>"Hooks"</h2><a class="button" href=hooks>"See and set up"</a></header>
            <p class="hint">"How git hosts and CIs deploy: the hook, the deploy token, and what was decided about each push."</p>
        </section>
        <section>
            <header class="section-title"><h2>"Source"</h2><Show when=may_change><AnalyzeButton project/><ChangeSource project live/></Show></header>
            <p class="source">{move || { let source = source.get(); view! { <Icon glyph=glyph_of(&source)/><span>{format::source(&source)}</span> } }}</p>
            <SignIn project live/>
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
    let usual = (String::new(), "as is usual for its stage: 12 hours in development, else for ever".to_owned());
    let (lifetime, lifetimes) = (RwSignal::new(String::new()), [usual].into_iter().chain(lifetimes()).collect());
    let add = move || {
        let (project, navigate) = (project.with_untracked(|project| project.name.clone()), navigate.clone());
        let parsed = name.get_untracked().trim().parse().map_err(|problem| format!("{problem}"));
        let branch = some_text(branch).map(|branch| branch.parse()).transpose().map_err(|problem| format!("{problem}"));
        match (parsed, branch) {
            (Ok(name), Ok(branch)) => attempt.run(async move {
                let stage = DeploymentStage::parse(&stage.get_untracked()).unwrap_or_default();
                let lifetime = Lifetime::parse(&lifetime.get_untracked());
                let new = NewDeployment { name, stage, branch, lifetime, wake: None };
                let deployment = api.create_deployment(&project, &new).await?;
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
            <Choice label="Runs" value=lifetime options=Signal::stored(lifetimes)/>
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

/// An image has no files that could be looked at.
#[component]
fn AnalyzeButton(project: Signal<Project>) -> impl IntoView {
    let has_files = Memo::new(move |_| project.with(|project| !matches!(project.source, Source::Image { .. })));
    view! { <Show when=move || has_files.get()><AnalyzeSource project/></Show> }
}

#[component]
fn DeleteProject(project: Signal<Project>) -> impl IntoView {
    let (attempt, api, navigate) = (Attempt::new(), api(), StoredValue::new_local(use_navigate()));
    let Projects(projects) = expect_context();
    let name = project.with_untracked(|project| project.name.clone());
    let (words, path) = (name.to_string(), boathouse_types::path::project(&name));
    let confirm = Callback::new(move |for_good| {
        let name = name.clone();
        attempt.run(async move {
            api.delete_project(&name, for_good).await?;
            projects.refresh();
            navigate.with_value(|navigate| navigate("/", Default::default()));
            Ok(())
        });
    });
    view! { <DeleteZone noun="project" name=words path attempt on_confirm=confirm/> }
}

/// Its name for people, and a copy of it.
#[component]
fn ProjectNames(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let (renaming, copying) = (RwSignal::new(false), RwSignal::new(false));
    view! {
        <div class="head-actions">
            <button type="button" on:click=move |_| renaming.set(true)>"Rename"</button>
            <button type="button" on:click=move |_| copying.set(true)><Icon glyph=Glyph::COPY/><span>"Duplicate"</span></button>
            <Dialog open=renaming title="Rename the project"><RenameForm project live open=renaming/></Dialog>
            <Dialog open=copying title="Duplicate the project"><DuplicateForm project/></Dialog>
        </div>
    }
}

#[component]
fn RenameForm(project: Signal<Project>, live: Live<Project>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (name, shown) = project.with_untracked(|project| {
        (project.name.clone(), project.display_name.as_ref().map(ToString::to_string).unwrap_or_default())
    });
    let text = RwSignal::new(shown);
    let placeholder = name.to_string();
    let save = move || match text.get_untracked().parse() {
        Ok(display_name) => {
            let (name, change) =
                (name.clone(), ChangeProject { display_name: Some(display_name), ..Default::default() });
            attempt.run(async move {
                live.put(api.change_project(&name, &change).await?);
                open.try_set(false);
                Ok(())
            });
        }
        Err(problem) => attempt.refuse(format!("{problem}.")),
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            <Field label="Display name" value=text placeholder focus=true hint="For people; identifiers and addresses stay."/>
        </Form>
    }
}

#[component]
fn DuplicateForm(project: Signal<Project>) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let name = project.with_untracked(|project| project.name.clone());
    let text = RwSignal::new(format!("{name}-copy"));
    let submit = move || match text.get_untracked().trim().parse() {
        Ok(copy) => {
            let (name, navigate) = (name.clone(), navigate.clone());
            attempt.run(async move {
                let made = api.duplicate_project(&name, copy).await?;
                projects.refresh();
                navigate(&format!("/projects/{}", made.name), Default::default());
                Ok(())
            });
        }
        Err(problem) => attempt.refuse(format!("{problem}.")),
    };
    view! {
        <Form attempt label="Duplicate" glyph=Glyph::COPY on_submit=submit>
            <p class="hint">"A new project with this one's source, deployments and variables. It has no data and no addresses, and nothing runs until you deploy."</p>
            <Field label="Name of the copy" value=text required=true focus=true/>
        </Form>
    }
}
