//! Previews of a project: those that are there, and what it has them of.

use boathouse_types::{DeploymentName, Glob, Lifetime, Millis, Preview, PreviewSettings, ProjectName};
use leptos::prelude::*;

use super::not_found::of_named_project;
use super::timer::lifetimes;
use crate::api::{ForGood, Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

const DAY: Millis = 24 * 3_600_000;

/// A project's previews, kept up to date.
#[derive(Clone, Copy)]
struct Here {
    project: StoredValue<ProjectName>,
    settings: Live<Option<PreviewSettings>>,
    previews: Live<Vec<Preview>>,
}

#[component]
pub fn PreviewsSection() -> impl IntoView {
    of_named_project(|name| view! { <OfProject name/> }.into_any())
}

#[component]
fn OfProject(name: ProjectName) -> impl IntoView {
    let path = boathouse_types::path::project(&name);
    let settings =
        Live::<Option<PreviewSettings>>::new(format!("{path}/preview-settings"), of_project(name.to_string()));
    let previews = Live::<Vec<Preview>>::new(format!("{path}/previews"), of_project(name.to_string()));
    let here = Here { project: StoredValue::new(name), settings, previews };
    let (open, ending) = (RwSignal::new(false), RwSignal::new(false));
    let standing = move |settings: Signal<Option<PreviewSettings>>| {
        let is_on = Memo::new(move |_| settings.with(Option::is_some));
        let words = move || settings.with(|settings| settings.as_ref().map_or_else(off, words));
        view! {
            <p class="hint">{words}</p>
            <Show when=move || is_on.get() && may_change()><div class="actions left"><button type="button" class="quiet" on:click=move |_| ending.set(true)>"Make no more previews"</button></div></Show>
            <Dialog open title="Previews">{move || view! { <SettingsForm here settings=settings.get() open/> }}</Dialog>
        }
        .into_any()
    };
    let list = move |previews: Signal<Vec<Preview>>| {
        let row = move |preview: Preview| view! { <PreviewRow here preview/> };
        let rows = move || previews.get().into_iter().map(row).collect_view();
        let shown = move || previews.with(|all| !all.is_empty()).then(|| view! { <ul class="rows framed">{rows}</ul> });
        view! { {shown} }.into_any()
    };
    view! {
        <section>
            <header class="section-title"><h2>"Previews"</h2><Show when=may_change><button type="button" aria-label="Set up previews" on:click=move |_| open.set(true)>"Set up"</button></Show></header>
            <div class="stack">
                {settings.beside(standing)}
                {previews.beside(list)}
            </div>
            <EndPreviews here open=ending/>
        </section>
    }
}

fn off() -> String {
    "A pull request or a branch can have a deployment of its own, which goes with it. None is made now.".to_owned()
}

fn words(settings: &PreviewSettings) -> String {
    format!(
        "Made for {}, at most {} at once, after {}. One goes with its branch, or {} days after the last push.",
        settings.words(),
        settings.most,
        settings.from,
        settings.ttl_ms / DAY
    )
}

#[component]
fn EndPreviews(here: Here, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let end = Callback::new(move |()| {
        attempt.run(async move {
            api.end_previews(&here.project.get_value()).await?;
            open.try_set(false);
            here.settings.put(None);
            Ok(())
        });
    });
    view! { <Confirm open title="Make no more previews?" verb="Make no more" attempt on_confirm=end says="Those that are there go with their branch, or with their time."/> }
}

#[component]
fn PreviewRow(here: Here, preview: Preview) -> impl IntoView {
    let (api, attempt, deleting) = (api(), Attempt::new(), RwSignal::new(false));
    let place = Place { project: here.project.get_value(), deployment: preview.deployment.clone() };
    let (name, page) = (preview.deployment.to_string(), place.page());
    let place = StoredValue::new(place);
    let extend = Callback::new(move |()| {
        attempt.run(async move {
            api.extend_preview(&place.get_value()).await?;
            here.previews.refresh();
            Ok(())
        });
    });
    let delete = Callback::new(move |()| {
        attempt.run(async move {
            api.delete_deployment(&place.get_value(), ForGood(false)).await?;
            deleting.try_set(false);
            here.previews.refresh();
            Ok(())
        });
    });
    let of = preview.pull_request.map_or_else(String::new, |number| format!("pull request #{number}, "));
    let (reason, health) = (preview.reason.clone(), preview.health);
    let (extended, opened) = (format!("Extend {name}"), format!("Open {name}"));
    let removed = format!("Delete {name}");
    let open = preview.url.clone().map(|url| {
        view! { <a class="button" href=url target="_blank" rel="noopener noreferrer" aria-label=opened><Icon glyph=Glyph::OPEN/><span>"Open"</span></a> }
    });
    let actions = may_change().then(|| {
        view! {
            <button type="button" class="quiet" aria-label=extended on:click=move |_| extend.run(())>"Extend"</button>
            <button type="button" class="quiet" aria-label=removed on:click=move |_| deleting.set(true)>"Delete"</button>
        }
    });
    view! {
        <li title=reason>
            <span class="main"><a href=page><strong>{name}</strong></a>" "<HealthMark health/></span>
            <span class="hint">{of}<code>{preview.branch.to_string()}</code>", pushed "<Moment at=preview.pushed_at/>", goes "<Moment at=preview.ends_at/></span>
            <span class="row-actions">{open}{actions}</span>
            <AttemptProblem attempt/>
            <Confirm open=deleting title="Delete the preview?" verb="Delete the preview" attempt on_confirm=delete says="It can be restored until its recycle period ends. The next push to its branch brings it back."/>
        </li>
    }
}

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    pull_requests: RwSignal<bool>,
    branches: RwSignal<String>,
    from: RwSignal<String>,
    most: RwSignal<String>,
    days: RwSignal<String>,
    lifetime: RwSignal<String>,
}

impl Fields {
    fn of(settings: Option<&PreviewSettings>) -> Self {
        let text = |text: Option<String>, usual: &str| RwSignal::new(text.unwrap_or_else(|| usual.to_owned()));
        let branches = settings.and_then(|settings| settings.branches.as_ref()).map(Glob::to_string);
        Self {
            pull_requests: RwSignal::new(settings.is_none_or(|settings| settings.pull_requests)),
            branches: text(branches, ""),
            from: text(settings.map(|settings| settings.from.to_string()), "production"),
            most: text(settings.map(|settings| settings.most.to_string()), "5"),
            days: text(settings.map(|settings| (settings.ttl_ms / DAY).max(1).to_string()), "7"),
            lifetime: text(settings.map(|settings| settings.lifetime.as_str().to_owned()), "12h"),
        }
    }

    fn wanted(self) -> Result<PreviewSettings, String> {
        let says = |problem: boathouse_types::InvalidName| format!("{problem}.");
        let number = |value: RwSignal<String>| {
            let text = value.get_untracked();
            text.trim().parse::<u32>().map_err(|_| format!("“{}” is no number.", text.trim()))
        };
        let from = self.from.get_untracked().trim().parse::<DeploymentName>().map_err(says)?;
        Ok(PreviewSettings {
            pull_requests: self.pull_requests.get_untracked(),
            branches: some_text(self.branches).map(|text| text.parse()).transpose().map_err(says)?,
            from,
            most: number(self.most)?,
            ttl_ms: Millis::from(number(self.days)?) * DAY,
            lifetime: Lifetime::parse(&self.lifetime.get_untracked()).unwrap_or(Lifetime::Long),
        })
    }
}

#[component]
fn SettingsForm(here: Here, settings: Option<PreviewSettings>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let fields = Fields::of(settings.as_ref());
    let save = move || {
        let wanted = match fields.wanted() {
            Ok(wanted) => wanted,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            here.settings.put(Some(api.set_previews(&here.project.get_value(), &wanted).await?));
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            <p class="hint">"The hook must tell of pull requests, too. A preview gets the variables that are shared at stage preview, and none of another deployment's; its data is its own."</p>
            <Switch label="Of each open pull request (not of forks)" on=fields.pull_requests/>
            <Field label="Of branches" value=fields.branches placeholder="none" hint="A pattern, as in feature/*."/>
            <Field label="Limits and watch paths of" value=fields.from required=true hint="A deployment of this project."/>
            <Field label="At most" value=fields.most required=true/>
            <Field label="Days without a push" value=fields.days required=true hint="After these a preview goes."/>
            <Choice label="Runs" value=fields.lifetime options=Signal::stored(lifetimes())/>
            <p class="hint">"Visitors start it again once it is stopped; a push does, too."</p>
        </Form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_in_a_sentence() {
        let settings: PreviewSettings =
            serde_json::from_str(r#"{"pull_requests": true, "branches": "feature/*"}"#).unwrap();
        assert_eq!(
            words(&settings),
            "Made for pull requests and branches `feature/*`, at most 5 at once, after production. One goes with its branch, or 7 days after the last push."
        );
    }
}
