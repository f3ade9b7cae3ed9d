//! What makes releases of a deployment by itself: pushes, tags or nothing, and the paths that must have changed.

use boathouse_types::{ChangeDeployment, DeployOn, Deployment, Glob, InvalidName};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    on: RwSignal<String>,
    pattern: RwSignal<String>,
    watch: RwSignal<String>,
}

impl Fields {
    fn of(deployment: &Deployment) -> Self {
        let (on, pattern) = match &deployment.deploy_on {
            DeployOn::Push => ("push", "v*".to_owned()),
            DeployOn::Tag { pattern } => ("tag", pattern.to_string()),
            DeployOn::Off => ("off", "v*".to_owned()),
        };
        let globs = deployment.watch.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            on: RwSignal::new(on.to_owned()),
            pattern: RwSignal::new(pattern),
            watch: RwSignal::new(globs.join(", ")),
        }
    }

    fn change(self) -> Result<ChangeDeployment, InvalidName> {
        let deploy_on = match self.on.get_untracked().as_str() {
            "tag" => DeployOn::Tag { pattern: self.pattern.get_untracked().trim().parse()? },
            "off" => DeployOn::Off,
            _ => DeployOn::Push,
        };
        let watch = self.watch.with_untracked(|text| globs(text))?;
        Ok(ChangeDeployment { deploy_on: Some(deploy_on), watch: Some(watch), ..ChangeDeployment::default() })
    }
}

/// Patterns between commas; those of a pair of braces stay together.
fn globs(text: &str) -> Result<Vec<Glob>, InvalidName> {
    let mut depth = 0_u32;
    let parts = text.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (c == ',' && depth == 0) || c == '\n'
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect()
}

#[component]
pub fn Triggers() -> impl IntoView {
    let Here { place, deployment, live } = expect_context();
    let (api, attempt, saved) = (api(), Attempt::new(), RwSignal::new(false));
    let form = deployment.with_untracked(Fields::of);
    let hooks = format!("/hooks/{}", place.project);
    let place = StoredValue::new(place);
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        saved.set(false);
        let change = match form.change() {
            Ok(change) => change,
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        let place = place.get_value();
        attempt.run(async move {
            live.put(api.change_deployment(&place, &change).await?);
            saved.try_set(true);
            Ok(())
        });
    };
    let choices =
        [("push", "A push to its branch"), ("tag", "A tag"), ("off", "Nothing: somebody asks for each release")];
    let choices = Signal::stored(choices.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec());
    view! {
        <section>
            <h2>"Triggers"</h2>
            <form class="stack narrow" on:submit=save>
                <Choice label="Deploy on" value=form.on options=choices/>
                <Show when=move || form.on.with(|on| on == "tag")><Field label="Tags" value=form.pattern hint="A pattern, as in v* or release-{a,b}." required=true/></Show>
                <Show when=move || form.on.with(|on| on == "push")><Field label="Watch paths" value=form.watch placeholder="those of the manifest" hint="A push makes a release only where one of these has changed, as in web/**, shared, !**/*.md. Empty: what the manifest says, else each component's folder."/></Show>
                <p class="hint">"Git hosts tell of pushes by the project's "<a href=hooks>"hook"</a>"."</p>
                <AttemptProblem attempt/>
                <div class="actions left">
                    <Button attempt label="Save the triggers" glyph=Glyph::CHECK/>
                    <span role="status" class="hint">{move || saved.get().then_some("Saved.")}</span>
                </div>
            </form>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::globs;

    #[test]
    fn patterns_between_commas() {
        let read = |text: &str| globs(text).map(|globs| globs.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("web/**, {a,b}/c\n!*.md,,").unwrap(), ["web/**", "{a,b}/c", "!*.md"]);
        assert_eq!(read(" ").unwrap(), Vec::<String>::new());
        assert!(read("../x").is_err());
    }
}
