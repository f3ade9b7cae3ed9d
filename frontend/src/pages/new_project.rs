//! A new project: where its code comes from, its name, and then straight to its first release.

use boathouse_types::{NewProject, NewRelease, Project, Source};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::analyze::LookFirst;
use super::proposal::Found;
use crate::api::{Answer, Api, Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;

/// What the source's inputs hold.
#[derive(Clone, Copy)]
pub struct SourceForm {
    pub kind: RwSignal<String>,
    pub url: RwSignal<String>,
    branch: RwSignal<String>,
    folder: RwSignal<String>,
    pub image: RwSignal<String>,
}

impl SourceForm {
    /// Inputs that show a source.
    pub fn of(source: &Source) -> Self {
        let text = |text: Option<String>| RwSignal::new(text.unwrap_or_default());
        let (kind, url, branch, folder, image) = match source.clone() {
            Source::Git { url, branch, folder } => ("git", Some(url.into()), branch.map(String::from), folder, None),
            Source::Upload => ("upload", None, None, None, None),
            Source::Image { image } => ("image", None, None, None, Some(image.into())),
        };
        Self {
            kind: text(Some(kind.to_owned())),
            url: text(url),
            branch: text(branch),
            folder: text(folder),
            image: text(image),
        }
    }

    fn new() -> Self {
        let form = Self::of(&Source::Upload);
        form.kind.set("git".to_owned());
        form
    }

    /// The source, or the rule that an input breaks.
    pub fn source(self) -> Result<Source, String> {
        match self.kind.get_untracked().as_str() {
            "git" => Ok(Source::Git {
                url: self.url.get_untracked().trim().parse().map_err(|problem| format!("{problem}."))?,
                branch: some_text(self.branch)
                    .map(|branch| branch.parse())
                    .transpose()
                    .map_err(|problem| format!("{problem}."))?,
                folder: some_text(self.folder),
            }),
            "image" => Ok(Source::Image {
                image: self.image.get_untracked().trim().parse().map_err(|problem| format!("{problem}."))?,
            }),
            _ => Ok(Source::Upload),
        }
    }

    /// Follows every input.
    pub fn track(self) {
        [self.kind, self.url, self.branch, self.folder, self.image].iter().for_each(|input| input.track());
    }

    /// Git over ssh reads with the project's deploy key.
    fn needs_key(self) -> bool {
        self.kind.get() == "git" && self.url.with(|url| format::is_ssh(url))
    }
}

#[component]
pub fn NewProjectPage() -> impl IntoView {
    let form = SourceForm::new();
    let name = RwSignal::new(String::new());
    let (file, progress): (ChosenFile, _) = (RwSignal::new_local(None), RwSignal::new(None));
    let made = RwSignal::new(None::<Project>);
    suggest_name(form, file, name);
    view! {
        <div class="page narrow">
            <header class="title"><h1>"New project"</h1><a class="button" href="/new/stack"><Icon glyph=Glyph::IMAGE/>"Build a stack"</a></header>
            {move || match made.get().filter(|project| project.deploy_key.is_some()) {
                Some(project) => view! { <GiveKey project/> }.into_any(),
                None => view! { <NewProjectForm form name file progress made/> }.into_any(),
            }}
        </div>
    }
}

/// Fills in the name from the source until the user has written one.
fn suggest_name(form: SourceForm, file: ChosenFile, name: RwSignal<String>) {
    Effect::new(move |last: Option<String>| {
        let suggestion = match form.kind.get().as_str() {
            "git" => format::suggest_name(&form.url.get()),
            "image" => format::suggest_name(&form.image.get()),
            _ => file.with(|file| file.as_ref().map_or_else(String::new, |file| format::suggest_name(&file.name()))),
        };
        let untouched = name.with_untracked(|name| name.is_empty() || last.as_ref() == Some(name));
        if untouched {
            name.set(suggestion.clone());
        }
        suggestion
    });
}

#[component]
fn NewProjectForm(
    form: SourceForm,
    name: RwSignal<String>,
    file: ChosenFile,
    progress: RwSignal<Option<f64>>,
    made: RwSignal<Option<Project>>,
) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let (found, used) = (Found::new(), RwSignal::new(false));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let proposal = found.chosen().filter(|_| used.get_untracked());
        let new = match name
            .get_untracked()
            .trim()
            .parse()
            .map_err(|problem| format!("{problem}."))
            .and_then(|name| Ok(NewProject { name, source: form.source()? }))
        {
            Ok(new) => new,
            Err(problem) => return attempt.refuse(problem),
        };
        let archive = match (new.source == Source::Upload).then(|| archive(file)).transpose() {
            Ok(archive) => archive,
            Err(problem) => return attempt.refuse(problem),
        };
        let (navigate, needs_key) = (navigate.clone(), form.needs_key());
        attempt.run(async move {
            let project = create(api, &new, made).await?;
            projects.refresh();
            if let Some(proposal) = proposal {
                api.use_proposal(&project.name, &proposal).await?;
            }
            if needs_key {
                made.try_set(Some(api.make_deploy_key(&project.name).await?));
                return Ok(());
            }
            let Some(place) = project.deployments.first().map(Place::of) else { return Ok(()) };
            let release = match archive {
                Some(file) => api.upload(&place, file, false, progress).await,
                None => api.deploy(&place, &NewRelease::default()).await,
            };
            progress.try_set(None);
            navigate(&place.release_page(release?.number), Default::default());
            Ok(())
        });
    };
    view! {
        <form class="stack" on:submit=submit>
            <Cards legend="Where does the code come from?" name="kind" value=form.kind cards=&KINDS/>
            <Show when=move || form.kind.get() == "upload"><DropZone file progress/></Show>
            <SourceFields form/>
            <Field label="Project name" value=name required=true hint="Lower-case letters, digits and hyphens; it also begins its addresses."/>
            <LookFirst form file progress found used/>
            <Needs kind=form.kind/>
            <AttemptProblem attempt/>
            <div class="actions">
                {move || if form.needs_key() {
                    view! { <Button attempt label="Create and make a deploy key" glyph=Glyph::KEY class="primary"/> }
                } else {
                    view! { <Button attempt label="Create and deploy" glyph=Glyph::DEPLOY class="primary"/> }
                }}
            </div>
        </form>
    }
}

/// Creates the project once: when only its release was refused, the next attempt goes on from there.
async fn create(api: Api, new: &NewProject, made: RwSignal<Option<Project>>) -> Answer<Project> {
    if let Some(project) =
        made.get_untracked().filter(|project| project.name == new.name && project.source == new.source)
    {
        return Ok(project);
    }
    let project = api.create_project(new).await?;
    made.try_set(Some(project.clone()));
    Ok(project)
}

const KINDS: [Card; 3] = [
    ("git", Glyph::GIT, "Git repository", "Cloned and built here"),
    ("upload", Glyph::ARCHIVE, "Archive", "A folder of code, or an image, packed"),
    ("image", Glyph::IMAGE, "Image", "Ready in a registry"),
];

/// The inputs of the chosen kind of source.
#[component]
pub fn SourceFields(form: SourceForm) -> impl IntoView {
    move || {
        match form.kind.get().as_str() {
        "git" => view! {
            <Field label="Repository" value=form.url required=true placeholder="https://git.example.com/team/shop.git" hint="https, ssh (with a deploy key) or an absolute path on the server."/>
            <div class="pair">
                <Field label="Branch" value=form.branch placeholder="the repository's own"/>
                <Field label="Folder" value=form.folder placeholder="the root"/>
            </div>
        }
        .into_any(),
        "image" => view! { <Field label="Image" value=form.image required=true placeholder="nginx:1.27" hint="Pinned to its digest when a release takes it."/> }.into_any(),
        _ => ().into_any(),
    }
    }
}

/// What Boathouse looks for in a folder.
#[component]
fn Needs(kind: RwSignal<String>) -> impl IntoView {
    view! {
        <Show when=move || kind.get() != "image">
            <details class="needs">
                <summary>"What must be in the folder?"</summary>
                <ul>
                    <li>"A "<code>"Dockerfile"</code>": one container, reached over HTTPS; or"</li>
                    <li>"an "<code>"index.html"</code>" (also in "<code>"public"</code>" or "<code>"dist"</code>"): files, served as they are; or"</li>
                    <li>"a "<code>"boathouse.yaml"</code>" that names several components and add-ons."</li>
                </ul>
            </details>
        </Show>
    }
}

/// After a project over ssh was created: its key must be known to the git server before the first release.
#[component]
fn GiveKey(project: Project) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let place = project.deployments.first().map(Place::of);
    let page = format!("/projects/{}", project.name);
    let deploy = move |()| {
        let (Some(place), navigate) = (place.clone(), navigate.clone()) else { return };
        attempt.run(async move {
            let release = api.deploy(&place, &NewRelease::default()).await?;
            navigate(&place.release_page(release.number), Default::default());
            Ok(())
        });
    };
    view! {
        <div class="stack">
            <p>"The project "<strong>{project.name.to_string()}</strong>" is there. Give this key read access to the repository, then deploy."</p>
            <CopyText text=project.deploy_key.unwrap_or_default() label="deploy key"/>
            <AttemptProblem attempt/>
            <div class="actions">
                <a class="button" href=page>"Later"</a>
                <Button attempt label="Deploy" glyph=Glyph::DEPLOY class="primary" on_press=Callback::new(deploy)/>
            </div>
        </div>
    }
}
