//! The ready images of a deployment: whether their registries are asked for newer ones, how often, and what is done then.

use boathouse_types::{
    Identifier, ImageAction, ImagePolicy, ImageWatch, Millis, RunningImage, SetImageWatch, USUAL_INTERVAL_MS,
};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};

const MINUTE: Millis = 60_000;

#[component]
pub fn ImagesSection() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Vec<RunningImage>>::new(place.below("images"), of_project(place.project.to_string()));
    let place = StoredValue::new(place);
    let section = move |images: Signal<Vec<RunningImage>>| {
        let row = move |image: RunningImage| view! { <ImageRow place live image/> };
        let rows = move || images.get().into_iter().map(row).collect_view();
        let shown = move || {
            images.with(|images| !images.is_empty()).then(|| view! {
                <section class="option-section">
                    <h2>"Images"</h2>
                    <p class="hint">"A registry can be asked now and then for a newer image than the one that runs."</p>
                    <ul class="rows">{rows}</ul>
                </section>
            })
        };
        view! { {shown} }.into_any()
    };
    live.beside(section)
}

#[component]
fn ImageRow(place: StoredValue<Place>, live: Live<Vec<RunningImage>>, image: RunningImage) -> impl IntoView {
    let (api, attempt, open) = (api(), Attempt::new(), RwSignal::new(false));
    let part = StoredValue::new(image.identifier.clone());
    let name = image.identifier.to_string();
    let runs = image.image.as_ref().map_or_else(|| "not in the live release".to_owned(), format::short_image);
    let look = Callback::new(move |()| {
        attempt.run(async move {
            api.look_for_image(&place.get_value(), &part.get_value()).await?;
            live.refresh();
            Ok(())
        });
    });
    let unwatch = Callback::new(move |()| {
        attempt.run(async move {
            api.unwatch_image(&place.get_value(), &part.get_value()).await?;
            live.refresh();
            Ok(())
        });
    });
    let is_watched = image.watch.is_some();
    let standing = image.watch.clone().map(|watch| view! { <Standing watch/> });
    let may_watch = image.image.is_some();
    let title = format!("Watch the image of {name}");
    let watch_label = title.clone();
    let fields = StoredValue::new(Fields::of(image.watch.as_ref(), image.addon));
    view! {
        <li class="stack">
            <div><strong>{name}</strong>" "<code>{runs}</code></div>
            {standing}
            {(!is_watched).then(|| view! { <p class="hint">"Not watched."</p> })}
            <div class="actions left">
                {may_watch.then(|| view! { <button type="button" aria-label=watch_label on:click=move |_| open.set(true)>{if is_watched { "Change the watch" } else { "Watch it" }}</button> })}
                {is_watched.then(|| view! {
                    <Button attempt label="Look now" glyph=Glyph::SEARCH on_press=look/>
                    <button type="button" class="quiet" on:click=move |_| unwatch.run(())>"Watch it no more"</button>
                })}
            </div>
            <AttemptProblem attempt/>
            <Dialog open title><WatchForm place live part fields=fields.get_value() open/></Dialog>
        </li>
    }
}

#[component]
fn Standing(watch: ImageWatch) -> impl IntoView {
    let does = match watch.action {
        ImageAction::Notify => "is told here",
        ImageAction::Deploy => "is deployed by itself",
    };
    let words = format!(
        "Watched: {}, every {}; what is newer {does}.",
        watch.policy.words(),
        format::duration(watch.interval_ms)
    );
    let looked = match watch.looked_at {
        Some(at) => view! { " Looked "<Moment at/>"." }.into_any(),
        None => view! { " Not looked yet." }.into_any(),
    };
    let newer = watch.newer.map(|newer| {
        view! { <p class="mark"><Icon glyph=Glyph::DEPLOY/><span>"Update available: "<code>{newer.words()}</code></span></p> }
    });
    let next_at = watch.next_at;
    let problem = watch.problem.map(|problem| {
        view! { <p class="mark bad"><Icon glyph=Glyph::DOWN/><span>{problem}". Looked again "<Moment at=next_at/>"."</span></p> }
    });
    view! { <p class="hint">{words}{looked}</p>{newer}{problem} }
}

/// What can be chosen.
#[derive(Clone, Copy)]
struct Fields {
    kind: RwSignal<String>,
    constraint: RwSignal<String>,
    pattern: RwSignal<String>,
    minutes: RwSignal<String>,
    deploy: RwSignal<bool>,
    addon: bool,
}

impl Fields {
    fn of(watch: Option<&ImageWatch>, addon: bool) -> Self {
        let (kind, constraint, pattern) = match watch.map(|watch| &watch.policy) {
            None | Some(ImagePolicy::Digest) => ("digest", String::new(), String::new()),
            Some(ImagePolicy::Version { constraint }) => ("version", constraint.clone(), String::new()),
            Some(ImagePolicy::Pattern { pattern }) => ("pattern", String::new(), pattern.to_string()),
        };
        let interval = watch.map_or(USUAL_INTERVAL_MS, |watch| watch.interval_ms);
        Self {
            kind: RwSignal::new(kind.to_owned()),
            constraint: RwSignal::new(constraint),
            pattern: RwSignal::new(pattern),
            minutes: RwSignal::new((interval / MINUTE).to_string()),
            deploy: RwSignal::new(watch.is_some_and(|watch| watch.action == ImageAction::Deploy)),
            addon,
        }
    }

    fn wanted(self) -> Result<SetImageWatch, String> {
        let policy = match self.kind.get_untracked().as_str() {
            "version" => ImagePolicy::Version { constraint: self.constraint.get_untracked().trim().to_owned() },
            "pattern" => {
                let pattern = self.pattern.get_untracked().trim().parse();
                ImagePolicy::Pattern { pattern: pattern.map_err(|problem| format!("{problem}."))? }
            }
            _ => ImagePolicy::Digest,
        };
        let text = self.minutes.get_untracked();
        let minutes = text.trim().parse::<u32>().map_err(|_| format!("“{}” is no number of minutes.", text.trim()))?;
        let action = if self.deploy.get_untracked() { ImageAction::Deploy } else { ImageAction::Notify };
        Ok(SetImageWatch { policy, action, interval_ms: Millis::from(minutes) * MINUTE })
    }
}

#[component]
fn WatchForm(
    place: StoredValue<Place>,
    live: Live<Vec<RunningImage>>,
    part: StoredValue<Identifier>,
    fields: Fields,
    open: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let save = move || {
        let wanted = match fields.wanted() {
            Ok(wanted) => wanted,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            api.watch_image(&place.get_value(), &part.get_value(), &wanted).await?;
            open.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    let mut kinds = vec![("digest", "Another image under the same tag")];
    if !fields.addon {
        kinds.extend([("version", "A newer version"), ("pattern", "The last tag of a pattern")]);
    }
    let kinds: Vec<_> = kinds.into_iter().map(|(kind, words)| (kind.to_owned(), words.to_owned())).collect();
    let is = move |kind: &'static str| move || fields.kind.with(|own| own == kind);
    let addon = fields.addon.then(|| view! { <p class="hint">"To another version an add-on goes by its own upgrade, because its data may have to move."</p> });
    view! {
        <Form attempt label="Watch" glyph=Glyph::CHECK on_submit=save>
            <Choice label="What counts as newer" value=fields.kind options=Signal::stored(kinds)/>
            <Show when=is("version")><Field label="Versions" value=fields.constraint required=true placeholder="^1" hint="A constraint, as in ^1, ~1.2 or >=1.4, <3. Only tags written like the one that runs count."/></Show>
            <Show when=is("pattern")><Field label="Tags" value=fields.pattern required=true placeholder="build-*" hint="A pattern. Numbers in tags are compared as numbers."/></Show>
            {addon}
            <Field label="Minutes between two looks" value=fields.minutes required=true hint="5 at least. A registry may count each look."/>
            <Switch label="Deploy what is newer by itself" on=fields.deploy/>
        </Form>
    }
}
