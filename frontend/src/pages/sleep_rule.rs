//! Whether a deployment falls asleep when nobody comes.

use boathouse_types::{ChangeDeployment, Deployment, DeploymentStage, SleepRule, duration_words};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    rule: RwSignal<String>,
    after: RwSignal<String>,
    wait: RwSignal<String>,
}

impl Fields {
    fn of(deployment: &Deployment) -> Self {
        let status = &deployment.sleep;
        let rule = match status.rule {
            SleepRule::Manifest => "manifest",
            SleepRule::Never => "never",
            SleepRule::Own { .. } => "own",
        };
        let seconds =
            |seconds: Option<u32>, usual: &str| RwSignal::new(seconds.map_or_else(|| usual.to_owned(), duration_words));
        Self {
            rule: RwSignal::new(rule.to_owned()),
            after: seconds(status.sleep.map(|sleep| sleep.after_s), "15m"),
            wait: seconds(status.sleep.map(|sleep| sleep.wait_s), "30s"),
        }
    }

    /// As on the command line.
    fn change(self) -> Result<ChangeDeployment, String> {
        let text = match self.rule.get_untracked().as_str() {
            "own" => format!("after={},wait={}", self.after.get_untracked().trim(), self.wait.get_untracked().trim()),
            rule => rule.to_owned(),
        };
        let rule = text.parse().map_err(|problem| format!("{problem}."))?;
        Ok(ChangeDeployment { sleep: Some(rule), ..ChangeDeployment::default() })
    }
}

fn rules() -> Vec<(String, String)> {
    let all = [("manifest", "As its manifest says"), ("never", "Never"), ("own", "After a time without a request")];
    all.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec()
}

#[component]
pub fn SleepSection() -> impl IntoView {
    let Here { place, deployment, live } = expect_context();
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let form = deployment.with_untracked(Fields::of);
    let place = StoredValue::new(place);
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        saved.set(false);
        let change = match form.change() {
            Ok(change) => change,
            Err(problem) => return attempt.refuse(problem),
        };
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.change_deployment(&place, &change).await?);
            saved.try_set(true);
            Ok(())
        });
    };
    let sleeps = Memo::new(move |_| deployment.with(|one| one.stage != DeploymentStage::Development));
    view! {
        <Show when=move || sleeps.get()>
            <section>
                <h2>"Sleep"</h2>
                <form class="stack narrow" on:submit=save>
                    <Choice label="Falls asleep" value=form.rule options=Signal::stored(rules())/>
                    <Show when=move || form.rule.with(|rule| rule == "own")>
                        <Field label="After" value=form.after required=true hint="Without a request or an open connection: 90s, 15m, 2h, 1d."/>
                        <Field label="A request waits" value=form.wait required=true hint="For the containers that it wakes; a browser gets a page after 2 s."/>
                    </Show>
                    <p class="hint">"A deployment that sleeps costs no memory; its data stays, and the next request wakes it."</p>
                    <AttemptProblem attempt/>
                    <div class="actions left">
                        <Button attempt label="Save the sleep" glyph=Glyph::CHECK/>
                        <span role="status" class="hint">{move || saved.get().then_some("Saved.")}</span>
                    </div>
                </form>
            </section>
        </Show>
    }
}
