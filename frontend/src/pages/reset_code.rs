//! In development code is edited where it runs, so a release leaves it alone; this takes that of the branch again.

use boathouse_types::{Deployment, DeploymentStage, GitRef};
use leptos::prelude::*;

use crate::components::*;

/// Whether the code is to be taken again, and the name that says so twice.
#[derive(Clone, Copy)]
pub struct Reset {
    on: RwSignal<bool>,
    typed: RwSignal<String>,
}

impl Reset {
    pub fn new() -> Self {
        Self { on: RwSignal::new(false), typed: RwSignal::new(String::new()) }
    }

    /// Whether the server is asked for it, or what is missing for that.
    pub fn asked(self, of: &Deployment, branch: Option<&GitRef>) -> Result<bool, String> {
        decide(of, branch, self.on.get_untracked(), self.typed.get_untracked().trim())
    }

    /// It is asked for once.
    pub fn done(self) {
        self.on.try_set(false);
        self.typed.try_set(String::new());
    }
}

fn decide(of: &Deployment, branch: Option<&GitRef>, on: bool, typed: &str) -> Result<bool, String> {
    if of.stage != DeploymentStage::Development {
        return Ok(false);
    }
    match (on, branch.is_some_and(|branch| of.branch.as_ref() != Some(branch))) {
        (true, _) if typed != of.name.as_str() => {
            Err(format!("Type {} to confirm that its edited code is lost.", of.name))
        }
        (false, true) => Err(format!(
            "{} is developed, and keeps its code as it was edited: another branch changes nothing unless its code is taken anew. Switch that on, below the branch.",
            of.name
        )),
        (on, _) => Ok(on),
    }
}

/// Nothing at other stages: there each release has the code of its source anyway.
#[component]
pub fn ResetCode(reset: Reset, deployment: Signal<Deployment>) -> impl IntoView {
    let is_developed =
        Memo::new(move |_| deployment.with(|deployment| deployment.stage == DeploymentStage::Development));
    let name = StoredValue::new(deployment.with_untracked(|deployment| deployment.name.to_string()));
    view! {
        <Show when=move || is_developed.get()>
            <Switch label="Take the code of the source anew with the next release" on=reset.on/>
            <Show when=move || reset.on.get()>
                <div class="loss">
                    <p>"The next release replaces the code of every component by that of the source. This cannot be undone. It removes:"</p>
                    <ul class="losses"><li>"all that was edited, added or installed in the code here and is not in the source"</li></ul>
                    <p class="hint">"Databases and other volumes stay as they are."</p>
                    <TypeToConfirm name=name.get_value() typed=reset.typed/>
                </div>
            </Show>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(stage: DeploymentStage) -> Deployment {
        serde_json::from_value(serde_json::json!({
            "project": "shop", "name": "dev", "stage": stage, "intent": "running", "lifetime": "forever", "branch": "main", "health": "off",
            "reason": "", "live": null, "pending": null, "hosts": [], "containers": [], "created_at": 0,
        }))
        .unwrap()
    }

    #[test]
    fn edited_code_is_lost_only_where_its_name_was_typed() {
        let (main, next): (GitRef, GitRef) = ("main".parse().unwrap(), "next".parse().unwrap());
        let of = deployment(DeploymentStage::Development);
        assert_eq!(decide(&of, Some(&main), false, ""), Ok(false));
        assert_eq!(decide(&of, Some(&next), true, "dev"), Ok(true));
        assert!(decide(&of, Some(&next), true, "production").unwrap_err().contains("Type dev"));
        assert!(decide(&of, Some(&next), false, "dev").unwrap_err().contains("keeps its code"));
        assert_eq!(decide(&deployment(DeploymentStage::Staging), Some(&next), true, ""), Ok(false));
    }
}
