//! What a release with another manifest would change: one that is being written, before it is committed.

use boathouse_types::{NewPlan, Plan};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;

/// Its name in messages, with the line that they are about.
const FILE: &str = "boathouse.yaml";

#[component]
pub fn PlanManifest() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let (text, plan) = (RwSignal::new(String::new()), RwSignal::new(None::<Plan>));
    Effect::new(move |_| {
        text.track();
        plan.set(None);
        attempt.problem.set(None);
    });
    let look = move || {
        let manifest = text.get_untracked();
        if manifest.trim().is_empty() {
            return attempt.refuse("Paste a manifest, or choose its file.");
        }
        let (place, asked) = (place.clone(), NewPlan { file: FILE.to_owned(), manifest });
        attempt.run(async move {
            let found = api.plan_manifest(&place, &asked).await?;
            // Another one may be there by now, or the page has gone.
            if text.try_with_untracked(|text| *text == asked.manifest) == Some(true) {
                plan.try_set(Some(found));
            }
            Ok(())
        });
    };
    let found = move |plan: Plan| {
        let words = match plan.steps.is_empty() {
            true => "A release with this manifest would change nothing.",
            false => "A release with this manifest would do, in this order:",
        };
        view! { <p>{words}</p><PlanSteps steps=plan.steps notes=plan.notes/> }
    };
    view! {
        <Form attempt label="See what it would change" glyph=Glyph::SEARCH on_submit=look>
            <label class="field"><span>"Manifest"</span>
                <textarea rows="10" class="code" spellcheck="false" autocapitalize="off" autocomplete="off" bind:value=text></textarea>
            </label>
            <TextFile attempt text/>
        </Form>
        <div role="status">{move || plan.get().map(found)}</div>
    }
}
