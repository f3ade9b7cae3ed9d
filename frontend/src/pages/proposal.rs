//! What Analyze has found: each conclusion with the file behind it, and the manifest and Dockerfiles that follow from it.

use boathouse_types::{Application, Finding, Proposal, StackFile, UseProposal};
use leptos::prelude::*;

use crate::components::*;

/// What was found, and the manifest as the user has edited it. Nothing of it is used until somebody says so.
#[derive(Clone, Copy)]
pub struct Found {
    pub proposal: RwSignal<Option<Proposal>>,
    manifest: RwSignal<String>,
}

impl Found {
    pub fn new() -> Self {
        Self { proposal: RwSignal::new(None), manifest: RwSignal::new(String::new()) }
    }

    pub fn put(self, proposal: Proposal) {
        self.manifest.try_set(proposal.manifest.clone());
        self.proposal.try_set(Some(proposal));
    }

    /// True where there is something to use: a manifest of the source's own wins.
    pub fn can_be_used(self) -> bool {
        self.proposal.with(|proposal| proposal.as_ref().is_some_and(|proposal| !proposal.existing))
    }

    /// What is used when somebody says so.
    pub fn chosen(self) -> Option<UseProposal> {
        let files =
            self.proposal.with_untracked(|proposal| proposal.as_ref().map(|proposal| proposal.files.clone()))?;
        Some(UseProposal { manifest: self.manifest.get_untracked(), files })
    }
}

#[component]
pub fn ProposalView(found: Found) -> impl IntoView {
    move || found.proposal.get().map(|proposal| view! { <Shown proposal manifest=found.manifest/> })
}

#[component]
fn Shown(proposal: Proposal, manifest: RwSignal<String>) -> impl IntoView {
    let Proposal { existing, manifest_name, files, applications, warnings, .. } = proposal;
    let text = match existing {
        true => view! { <File file=StackFile { path: manifest_name, text: manifest.get_untracked() } open=true/> }.into_any(),
        false => view! {
            <label class="field"><span>"The manifest it could have: "{manifest_name}</span>
                <textarea rows="10" class="code" spellcheck="false" autocapitalize="off" autocomplete="off" bind:value=manifest></textarea>
            </label>
        }
        .into_any(),
    };
    let words = match existing {
        true => "It has a manifest of its own, which wins: nothing is proposed.",
        false => "Found in its files. Nothing of it was run, nothing is kept until you say so.",
    };
    view! {
        <section class="proposal" role="status">
            <p class="hint">{words}</p>
            {applications.into_iter().map(|application| view! { <ApplicationView application/> }).collect_view()}
            {warnings.into_iter().map(|warning| view! { <p class="mark warn"><Icon glyph=Glyph::DEGRADED/><span>{warning}</span></p> }).collect_view()}
            {text}
            {files.into_iter().map(|file| view! { <File file open=false/> }).collect_view()}
        </section>
    }
}

#[component]
fn ApplicationView(application: Application) -> impl IntoView {
    let folder = match application.folder.as_str() {
        "." => "the root".to_owned(),
        folder => folder.to_owned(),
    };
    view! {
        <h3>{application.identifier.to_string()}" "<span class="hint">{folder}</span></h3>
        <dl class="facts">{application.findings.into_iter().map(|finding| view! { <FindingView finding/> }).collect_view()}</dl>
    }
}

#[component]
fn FindingView(finding: Finding) -> impl IntoView {
    let evidence = match finding.evidence {
        Some(evidence) => format!("{}: {}", evidence.file, evidence.fact),
        None => "what is usual".to_owned(),
    };
    view! { <div><dt>{finding.topic.as_str()}</dt><dd><strong>{finding.value}</strong>" "<span class="hint">{evidence}</span></dd></div> }
}

#[component]
fn File(file: StackFile, open: bool) -> impl IntoView {
    view! { <details class="file" open=open><summary>{file.path}</summary><pre tabindex="0">{file.text}</pre></details> }
}
