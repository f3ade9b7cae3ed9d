//! On the overview: what of a deployment's ready images is newer at its registry, with the button that brings it.

use boathouse_types::{Identifier, NewerImage, RunningImage};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn NewerImages() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Vec<RunningImage>>::new(place.below("images"), of_project(place.project.to_string()));
    let place = StoredValue::new(place);
    live.beside(move |images| {
        let newer = Memo::new(move |_| images.with(|images| images.iter().filter_map(newer_of).collect::<Vec<_>>()));
        let banner =
            move |(part, newer): (Identifier, NewerImage)| view! { <NewerBanner place=place.get_value() part newer/> };
        view! { {move || newer.get().into_iter().map(banner).collect_view()} }.into_any()
    })
}

fn newer_of(image: &RunningImage) -> Option<(Identifier, NewerImage)> {
    let newer = image.watch.as_ref()?.newer.clone()?;
    Some((image.identifier.clone(), newer))
}

#[component]
fn NewerBanner(place: Place, part: Identifier, newer: NewerImage) -> impl IntoView {
    let (api, attempt, navigate) = (api(), Attempt::new(), StoredValue::new_local(use_navigate()));
    let (name, label) = (part.to_string(), format!("Deploy the newer {part}"));
    let tried = newer.release.map(|number| {
        let page = place.release_page(number);
        view! { " "<a href=page>{format!("Release #{number}")}</a>" tried it." }
    });
    let deploy = Callback::new(move |()| {
        let (place, part) = (place.clone(), part.clone());
        attempt.run(async move {
            let release = api.deploy_image(&place, &part).await?;
            navigate.with_value(|navigate| navigate(&place.release_page(release.number), Default::default()));
            Ok(())
        });
    });
    view! {
        <section class="banner" role="status">
            <div>
                <p><strong>"Update available: "{name}</strong></p>
                <p class="hint"><code>{newer.words()}</code>", seen "<Moment at=newer.at/>"."{tried}</p>
            </div>
            {may_change().then(|| view! { <Button attempt label glyph=Glyph::DEPLOY class="primary" on_press=deploy/> })}
            <AttemptProblem attempt/>
        </section>
    }
}
