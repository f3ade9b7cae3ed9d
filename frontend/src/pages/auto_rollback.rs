//! When a release of a deployment is rolled back by itself.

use boathouse_types::{AutoRollback, ChangeDeployment, Deployment};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    enabled: RwSignal<bool>,
    percent: RwSignal<String>,
    seconds: RwSignal<String>,
    times: RwSignal<String>,
}

impl Fields {
    fn of(deployment: &Deployment) -> Self {
        let AutoRollback { enabled, window_s, failed_percent, slower_times } = deployment.auto_rollback;
        Self {
            enabled: RwSignal::new(enabled),
            percent: RwSignal::new(failed_percent.to_string()),
            seconds: RwSignal::new(window_s.to_string()),
            times: RwSignal::new(slower_times.map(|times| times.to_string()).unwrap_or_default()),
        }
    }

    fn change(self) -> Result<ChangeDeployment, String> {
        let read = |field: RwSignal<String>| {
            let text = field.get_untracked();
            text.trim().parse::<u32>().map_err(|_| format!("“{text}” is no number."))
        };
        let slower = !self.times.with_untracked(|text| text.trim().is_empty());
        let wanted = AutoRollback {
            enabled: self.enabled.get_untracked(),
            window_s: read(self.seconds)?,
            failed_percent: read(self.percent)?,
            slower_times: if slower { Some(read(self.times)?) } else { None },
        };
        Ok(ChangeDeployment { auto_rollback: Some(wanted), ..ChangeDeployment::default() })
    }
}

#[component]
pub fn AutoRollbackSection() -> impl IntoView {
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
    view! {
        <section>
            <h2>"Automatic rollback"</h2>
            <form class="stack narrow" on:submit=save>
                <Switch label="Roll a release back that answers worse than the one before it" on=form.enabled/>
                <Show when=move || form.enabled.get()>
                    <Field label="Percent of errors of the server" value=form.percent required=true hint="Of at least 20 requests, and more than twice as many as before."/>
                    <Field label="Times as slow" value=form.times placeholder="slowness alone takes nothing back" hint="Of 100 requests the 95 fastest, and longer than 512 ms."/>
                    <Field label="Seconds after it went live" value=form.seconds required=true/>
                </Show>
                <AttemptProblem attempt/>
                <div class="actions left">
                    <Button attempt label="Save the automatic rollback" glyph=Glyph::CHECK/>
                    <span role="status" class="hint">{move || saved.get().then_some("Saved.")}</span>
                </div>
            </form>
        </section>
    }
}
