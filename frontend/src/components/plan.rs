//! What a release would change: its steps in their order, and what a branch, tag or commit would bring.

use boathouse_types::{GitRef, Plan, PlanAction, PlanKind, PlanStep, Source};
use leptos::prelude::*;

use super::{Attempt, AttemptProblem, Button, Glyph, Icon, some_text};
use crate::api::{Place, api};
use crate::app::Projects;

/// The branch that a deploy takes where nobody names another; none where the remote's own is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usual(pub Option<GitRef>);

/// That of a deployment; nothing where its code is in no git repository.
pub fn usual_branch(place: Place) -> Memo<Option<Usual>> {
    let Projects(projects) = expect_context();
    Memo::new(move |_| {
        let project = projects.get()?.into_iter().find(|project| project.name == place.project)?;
        let own = project.deployments.into_iter().find(|deployment| deployment.name == place.deployment)?.branch;
        match project.source {
            Source::Git { branch, .. } => Some(Usual(own.or(branch))),
            _ => None,
        }
    })
}

/// "See what it would change", and then that; gone as soon as the reference is another.
#[component]
pub fn PlanAhead(place: Place, reference: RwSignal<String>) -> impl IntoView {
    let usual = usual_branch(place.clone());
    let (api, attempt, plan) = (api(), Attempt::new(), RwSignal::new(None::<(GitRef, Plan)>));
    Effect::new(move |_| {
        reference.track();
        plan.set(None);
        attempt.problem.set(None);
    });
    let look = Callback::new(move |()| {
        let wanted = match some_text(reference).map(|typed| typed.parse::<GitRef>()).transpose() {
            Ok(wanted) => wanted.or_else(|| usual.get_untracked()?.0),
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        let Some(wanted) = wanted else { return attempt.refuse("Name a branch, a tag or a commit.") };
        let place = place.clone();
        attempt.run(async move {
            let found = api.plan(&place, &wanted).await?;
            // Another one may be asked for by now, or the page has gone.
            let is_meant = |typed: &String| typed.trim().is_empty() || typed.trim() == wanted.as_str();
            if reference.try_with_untracked(is_meant) == Some(true) {
                plan.try_set(Some((wanted, found)));
            }
            Ok(())
        });
    });
    view! {
        <Button attempt label="See what it would change" glyph=Glyph::SEARCH on_press=look/>
        <AttemptProblem attempt/>
        <div role="status">{move || plan.get().map(|(wanted, plan)| view! { <Ahead wanted plan/> })}</div>
    }
}

#[component]
fn Ahead(wanted: GitRef, plan: Plan) -> impl IntoView {
    let words = match plan.steps.is_empty() {
        true => format!("A deploy of {wanted} would change nothing."),
        false => format!("A deploy of {wanted} would do, in this order:"),
    };
    view! { <p>{words}</p><PlanSteps steps=plan.steps notes=plan.notes/> }
}

#[component]
pub fn PlanSteps(steps: Vec<PlanStep>, notes: Vec<String>) -> impl IntoView {
    let is_empty = steps.is_empty();
    view! {
        {(!is_empty).then(|| view! { <ol class="changes">{steps.into_iter().map(|step| view! { <Step step/> }).collect_view()}</ol> })}
        {notes.into_iter().map(|note| view! { <p class="hint">{note}</p> }).collect_view()}
    }
}

#[component]
fn Step(step: PlanStep) -> impl IntoView {
    let (glyph, class) = match step.action {
        PlanAction::Add => (Glyph::PLUS, "good"),
        PlanAction::Change => (Glyph::SETTINGS, "warn"),
        PlanAction::Restart => (Glyph::ROLL_BACK, "warn"),
        PlanAction::Remove => (Glyph::TRASH, "bad"),
    };
    let what = what(&step);
    view! {
        <li>
            <span class=format!("mark {class}")><Icon glyph/>{step.action.as_str()}</span>
            <span><strong>{what}</strong>" "<span class="hint">{step.reason}</span></span>
        </li>
    }
}

/// "api", "the variable KEY of api".
fn what(step: &PlanStep) -> String {
    match (&step.name, step.kind) {
        (Some(name), kind) => format!("the {} {name} of {}", kind.as_str(), step.identifier),
        (None, PlanKind::Addon) => format!("the add-on {}", step.identifier),
        (None, kind) => format!("the {} {}", kind.as_str(), step.identifier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_name_what_they_are_about() {
        let step = |kind, name: Option<&str>| PlanStep {
            action: PlanAction::Add,
            kind,
            identifier: "api".parse().unwrap(),
            name: name.map(str::to_owned),
            reason: String::new(),
        };
        assert_eq!(what(&step(PlanKind::Variable, Some("KEY"))), "the variable KEY of api");
        assert_eq!(
            (what(&step(PlanKind::Addon, None)), what(&step(PlanKind::Component, None))),
            ("the add-on api".into(), "the component api".into())
        );
    }
}
