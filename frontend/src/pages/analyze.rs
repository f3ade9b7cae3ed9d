//! Looking at a source: of a project that is being made, and of one that is there.

use boathouse_types::{Analyze, AnalyzeProject, GitRef, Project, ProjectManifest, Source, UsedProposal};
use leptos::prelude::*;

use super::new_project::SourceForm;
use super::proposal::{Found, ProposalView};
use crate::api::{Answer, Api, api};
use crate::components::*;

/// "Look at it first", and what was found; gone as soon as the source is another.
#[component]
pub fn LookFirst(
    form: SourceForm,
    file: ChosenFile,
    progress: RwSignal<Option<f64>>,
    found: Found,
    used: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    Effect::new(move |_| {
        form.track();
        file.track();
        found.proposal.set(None);
        used.set(false);
    });
    let look = Callback::new(move |()| {
        let asked = match asked(form, file) {
            Ok(asked) => asked,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            let proposal = asked.ask(api, progress).await;
            progress.try_set(None);
            found.put(proposal?);
            Ok(())
        });
    });
    view! {
        <Show when=move || form.kind.get() != "image">
            <div class="stack">
                <p class="actions left"><Button attempt label="Look at it first" glyph=Glyph::SEARCH on_press=look/>
                    <span class="hint">"Finds out what it is, and what manifest it could have."</span></p>
                <AttemptProblem attempt/>
                <ProposalView found/>
                <Show when=move || found.can_be_used()><Switch label="Use it: the project keeps this manifest and these files" on=used/></Show>
            </div>
        </Show>
    }
}

/// What is to be looked at.
enum Asked {
    Remote(Analyze),
    Archive(web_sys::File),
}

fn asked(form: SourceForm, file: ChosenFile) -> Result<Asked, String> {
    match form.source()? {
        Source::Git { url, branch, folder } => Ok(Asked::Remote(Analyze { url, reference: branch, folder })),
        _ => archive(file).map(Asked::Archive),
    }
}

impl Asked {
    async fn ask(self, api: Api, progress: RwSignal<Option<f64>>) -> Answer<boathouse_types::Proposal> {
        match self {
            Self::Remote(asked) => api.analyze(&asked).await,
            Self::Archive(file) => api.analyze_archive(file, progress).await,
        }
    }
}

/// The same for the source of a project that is there.
#[component]
pub fn AnalyzeSource(project: Signal<Project>) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::SEARCH/><span>"Analyze"</span></button>
        <Dialog open title="What its source is" class="wide"><Analysis project/><Kept project/></Dialog>
    }
}

#[component]
fn Analysis(project: Signal<Project>) -> impl IntoView {
    let (api, looking, using) = (api(), Attempt::new(), Attempt::new());
    let (found, used) = (Found::new(), RwSignal::new(None::<UsedProposal>));
    let (name, source) = project.with_untracked(|project| (project.name.clone(), project.source.clone()));
    let (name, reference) = (StoredValue::new(name), RwSignal::new(String::new()));
    let look = Callback::new(move |()| {
        let typed = reference.get_untracked();
        let wanted = match some_text(reference).map(|typed| typed.parse::<GitRef>()).transpose() {
            Ok(reference) => AnalyzeProject { reference },
            Err(problem) => return looking.refuse(format!("{problem}.")),
        };
        found.proposal.set(None);
        looking.run(async move {
            let proposal = api.analyze_project(&name.get_value(), &wanted).await?;
            // Another one may be asked for by now, or the page has gone.
            if reference.try_with_untracked(|now| *now == typed) == Some(true) {
                found.put(proposal);
            }
            Ok(())
        });
    });
    look.run(());
    // What was found elsewhere is not what a proposal of the project's own branch would be.
    Effect::new(move |_| {
        reference.track();
        found.proposal.set(None);
    });
    let can_be_used = move || found.can_be_used() && reference.with(|typed| typed.trim().is_empty());
    let take = Callback::new(move |()| {
        let Some(chosen) = found.chosen() else { return };
        using.run(async move {
            used.try_set(Some(api.use_proposal(&name.get_value(), &chosen).await?));
            Ok(())
        });
    });
    let version = match source {
        Source::Git { branch, .. } => {
            let placeholder = branch.map_or_else(|| "main, v1.2.0, 4f2a91c…".to_owned(), |branch| branch.to_string());
            Some(view! {
                <div class="ask">
                    <Field label="Branch, tag or commit" value=reference placeholder/>
                    <Button attempt=looking label="Read it" glyph=Glyph::SEARCH on_press=look/>
                </div>
            })
        }
        _ => None,
    };
    view! {
        {version}
        <Show when=move || looking.busy.get()><p class="mark busy" role="status"><Icon glyph=Glyph::SPINNER class="turning"/>"Reading the source…"</p></Show>
        <AttemptProblem attempt=looking/>
        <ProposalView found/>
        <AttemptProblem attempt=using/>
        {move || match used.get() {
            Some(used) => view! { <p class="mark good" role="status"><Icon glyph=Glyph::HEALTHY/><span>{outcome(&used)}</span></p> }.into_any(),
            None if can_be_used() => view! { <div class="actions"><Button attempt=using label="Use the proposal" glyph=Glyph::CHECK class="primary" on_press=take/></div> }.into_any(),
            None => ().into_any(),
        }}
    }
}

/// Where a proposal went.
fn outcome(used: &UsedProposal) -> String {
    let went = match &used.commit {
        Some(commit) => {
            format!("Committed as {}; its branch is being deployed.", crate::format::short_sha(&commit.sha))
        }
        None => "The project keeps it: the next release uses it.".to_owned(),
    };
    match used.left.as_slice() {
        [] => went,
        left => format!("{went} Left as they are: {}.", left.join(", ")),
    }
}

/// The manifest that the project keeps, for who wants to see it.
#[component]
fn Kept(project: Signal<Project>) -> impl IntoView {
    // Asked for or not; kept or not.
    let (api, attempt, kept) = (api(), Attempt::new(), RwSignal::new(None::<Option<ProjectManifest>>));
    let name = StoredValue::new(project.with_untracked(|project| project.name.clone()));
    let show = Callback::new(move |()| {
        attempt.run(async move {
            kept.try_set(Some(api.kept_manifest(&name.get_value()).await?));
            Ok(())
        });
    });
    let forget = Callback::new(move |()| {
        attempt.run(async move {
            api.forget_manifest(&name.get_value()).await?;
            kept.try_set(None);
            Ok(())
        });
    });
    view! {
        <div class="kept">
            <AttemptProblem attempt/>
            {move || match kept.get() {
                None => view! { <Button attempt label="Show what the project keeps" glyph=Glyph::ARCHIVE class="quiet" on_press=show/> }.into_any(),
                Some(None) => view! { <p class="hint" role="status">"The project keeps no manifest: its source has one, or what was found here is all that it needs."</p> }.into_any(),
                Some(Some(kept)) => view! {
                    <h3>"The project keeps, for a source without a manifest"</h3>
                    <p class="hint">{kept.updated_by}" · "<Moment at=kept.updated_at/></p>
                    <pre class="readme" tabindex="0">{kept.manifest}</pre>
                    <div class="actions"><Button attempt label="Keep it no more" glyph=Glyph::TRASH on_press=forget/></div>
                }
                .into_any(),
            }}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_says_where_a_proposal_went_and_what_won() {
        let used = |left: &[&str]| UsedProposal {
            commit: None,
            kept: None,
            left: left.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(outcome(&used(&[])), "The project keeps it: the next release uses it.");
        assert!(outcome(&used(&["Dockerfile"])).ends_with("Left as they are: Dockerfile."));
    }
}
