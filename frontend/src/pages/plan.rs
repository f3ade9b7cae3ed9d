//! What a deploy would change now, before it happens, and where the engine shows something else than it should.

use boathouse_types::{Drift, Plan, PlanAction, PlanKind, PlanStep};
use leptos::prelude::*;

use super::deployment::Here;
use crate::components::*;
use crate::live::{Live, of_project};

/// A card on the overview; nothing where nothing waits and nothing has drifted.
#[component]
pub fn PendingChanges() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Plan>::new(place.below("plan"), of_project(place.project.to_string()));
    live.beside(|plan| {
        let is_needed = move |plan: &Plan| !plan.steps.is_empty() || !plan.drift.is_empty();
        view! { {move || Some(plan.get()).filter(is_needed).map(|plan| view! { <Card plan/> })} }.into_any()
    })
}

#[component]
fn Card(plan: Plan) -> impl IntoView {
    let count = plan.steps.len();
    let title = crate::format::plural(count as i64, "pending change");
    let drift = (!plan.drift.is_empty()).then(|| {
        let row = |drift: Drift| view! { <li><Icon glyph=Glyph::DEGRADED/><span><strong>{drift.identifier.to_string()}</strong>": "{drift.message}</span></li> };
        view! { <h3>"Not as the live release says"</h3><ul class="changes drift">{plan.drift.into_iter().map(row).collect_view()}</ul> }
    });
    let steps = (count > 0).then(|| view! {
        <details class="pending-changes">
            <summary><Icon glyph=Glyph::CHEVRON/><strong>{title}</strong><span class="hint">"What “Deploy” would do, in this order"</span></summary>
            <ol class="changes">{plan.steps.into_iter().map(|step| view! { <Step step/> }).collect_view()}</ol>
        </details>
    });
    let notes = plan.notes.into_iter().map(|note| view! { <p class="hint">{note}</p> }).collect_view();
    view! { <section class="plan" aria-label="Pending changes">{steps}{drift}{notes}</section> }
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
