//! Cloning a deployment with its data, and how far the copy is.

use boathouse_types::{
    CloneState, CloneStatus, Deployment, DeploymentResources, DeploymentStage, GitRef, NewClone, SetEnvVar, UnsetVar,
    dotenv,
};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use super::options::stages;
use super::resources::{LimitFields, Row, changes, rows};
use crate::api::{Place, api};
use crate::app::Projects;
use crate::components::*;
use crate::format;
use crate::live::{Live, of_nothing};
use crate::session::may_change;

#[component]
pub fn Cloning() -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <section class="option-section">
            <h2>"Clone"</h2>
            <p class="hint">"A second deployment that begins with this one's configuration, variables, databases and files. This one stays up meanwhile."</p>
            <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::COPY/><span>"Clone the deployment"</span></button>
            <Dialog open title="Clone the deployment"><CloneForm/></Dialog>
        </section>
    }
}

#[component]
fn CloneForm() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let (api, attempt, navigate) = (api(), Attempt::new(), use_navigate());
    let Projects(projects) = expect_context();
    let fields = Fields::of(&place, deployment.with_untracked(|deployment| deployment.stage));
    let resources = Live::<DeploymentResources>::new(place.below("resources"), of_nothing);
    let limits = move |resources: Signal<DeploymentResources>| {
        fields.limits.set(resources.with_untracked(|now| Limits { rows: rows(now), now: now.clone() }));
        let rows = fields.limits.with_untracked(|limits| limits.rows.clone());
        view! { <details class="needs"><summary>"Memory, CPUs and containers that are different there"</summary><div class="stack"><LimitFields rows/></div></details> }.into_any()
    };
    let submit = move || {
        let clone = match fields.clone_of() {
            Ok(clone) => clone,
            Err(problem) => return attempt.refuse(problem),
        };
        let (place, navigate) = (place.clone(), navigate.clone());
        attempt.run(async move {
            let made: Deployment = api.clone_deployment(&place, &clone).await?;
            projects.refresh();
            navigate(&Place::of(&made).page(), Default::default());
            Ok(())
        });
    };
    view! {
        <Form attempt label="Clone" glyph=Glyph::COPY on_submit=submit>
            <Field label="Name" value=fields.name required=true focus=true/>
            <Choice label="Stage" value=fields.stage options=Signal::stored(stages())/>
            <Field label="Branch" value=fields.branch placeholder="the same" hint="Another branch is built anew."/>
            <label class="field"><span>"Variables that are different there"</span>
                <textarea rows="3" class="code" placeholder="KEY=value, one per line" spellcheck="false" autocapitalize="off" autocomplete="off" bind:value=fields.variables></textarea>
            </label>
            <Field label="Variables that it does not get" value=fields.unset placeholder="PAYMENT_KEY, MAIL_PASSWORD"/>
            {resources.beside(limits)}
            <Switch label="With databases and files" on=fields.with_data/>
            <p class="hint">"What writes is paused for the moment that the copy begins; addresses are made anew."</p>
        </Form>
    }
}

/// What the dialog holds.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    stage: RwSignal<String>,
    branch: RwSignal<String>,
    variables: RwSignal<String>,
    unset: RwSignal<String>,
    limits: RwSignal<Limits>,
    with_data: RwSignal<bool>,
}

/// The limits of the source, and the inputs that begin with them.
#[derive(Clone, Default)]
struct Limits {
    rows: Vec<Row>,
    now: DeploymentResources,
}

impl Fields {
    fn of(place: &Place, stage: DeploymentStage) -> Self {
        let empty = || RwSignal::new(String::new());
        Self {
            name: RwSignal::new(format!("{}-copy", place.deployment)),
            stage: RwSignal::new(stage.as_str().to_owned()),
            branch: empty(),
            variables: empty(),
            unset: empty(),
            limits: RwSignal::new(Limits::default()),
            with_data: RwSignal::new(true),
        }
    }

    /// What is asked for, or the rule that an input breaks.
    fn clone_of(self) -> Result<NewClone, String> {
        let branch: Option<GitRef> =
            some_text(self.branch).map(|branch| branch.parse()).transpose().map_err(|problem| format!("{problem}."))?;
        Ok(NewClone {
            name: self.name.get_untracked().trim().parse().map_err(|problem| format!("{problem}."))?,
            stage: DeploymentStage::parse(&self.stage.get_untracked()),
            branch,
            variables: changed(&self.variables.get_untracked())?,
            unset: unset(&self.unset.get_untracked())?,
            resources: self.limits.with_untracked(|limits| changes(&limits.rows, &limits.now))?,
            with_data: self.with_data.get_untracked(),
        })
    }
}

/// Variables as a `.env` file has them; what is typed here may be a secret.
fn changed(text: &str) -> Result<Vec<SetEnvVar>, String> {
    let variable = |(key, value)| SetEnvVar { key, component: None, value, secret: true };
    Ok(dotenv::parse(text)?.into_iter().map(variable).collect())
}

fn unset(text: &str) -> Result<Vec<UnsetVar>, String> {
    let names = text.split([',', ' ', '\n']).filter(|name| !name.is_empty());
    let one = |name: &str| {
        Ok(UnsetVar { key: name.parse().map_err(|problem| format!("{name}: {problem}."))?, component: None })
    };
    names.map(one).collect()
}

/// On the page of a clone that is being filled, or could not be.
#[component]
pub fn CloneBanner(cloning: Memo<Option<CloneStatus>>) -> impl IntoView {
    move || {
        cloning.get().filter(|cloning| cloning.state != CloneState::Done).map(|cloning| view! { <Copying cloning/> })
    }
}

#[component]
fn Copying(cloning: CloneStatus) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let goes_on = cloning.state == CloneState::Copying;
    let cancel = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            live.put(api.cancel_clone(&place).await?);
            Ok(())
        });
    });
    let problem = cloning.problem.clone().map(|problem| view! { <p>{problem}</p> });
    view! {
        <section class="banner" role="status">
            <div><p><strong>{words(&cloning)}</strong></p>{problem}</div>
            {(goes_on && may_change()).then(|| view! { <Button attempt label="Cancel the copy" glyph=Glyph::CLOSE on_press=cancel/> })}
            <AttemptProblem attempt/>
        </section>
    }
}

fn words(cloning: &CloneStatus) -> String {
    let source = format!("{} / {}", cloning.project, cloning.source);
    match cloning.state {
        CloneState::Copying => format!("Copying from {source}: {} so far", format::bytes(cloning.bytes)),
        CloneState::Done => format!("Copied from {source}: {}", format::bytes(cloning.bytes)),
        CloneState::Failed => format!("The copy from {source} could not be made"),
        CloneState::Cancelled => format!("The copy from {source} was cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_change_and_go_on_the_way() {
        let set = changed("# only there\nREGION=us\n").unwrap();
        assert_eq!((set.len(), set[0].key.as_str(), set[0].value.as_str(), set[0].secret), (1, "REGION", "us", true));
        let gone = unset("PAYMENT_KEY, MAIL_PASSWORD").unwrap();
        assert_eq!(gone.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["PAYMENT_KEY", "MAIL_PASSWORD"]);
        assert!(unset("not-a-name").unwrap_err().starts_with("not-a-name: "));
    }
}
