//! Packages of one kind as cards: in the catalog to be read, in the stack builder to be added.

use boathouse_types::CatalogPackage;
use leptos::prelude::*;

use crate::stack_choice::matching;

/// Makes the card of a package.
pub type MakeCard = Callback<(CatalogPackage,), AnyView>;

/// The packages of a kind whose name, description or category holds the words.
#[component]
pub fn Shelf(
    catalog: Signal<Vec<CatalogPackage>>,
    kind: &'static str,
    title: &'static str,
    words: RwSignal<String>,
    card: MakeCard,
) -> impl IntoView {
    let found = move || {
        catalog.with(|all| words.with(|words| matching(all, kind, words)).into_iter().cloned().collect::<Vec<_>>())
    };
    let cards = move || match found() {
        found if found.is_empty() => {
            view! { <p class="hint">"Nothing of this name. A Dockerfile in your own repository runs anything."</p> }
                .into_any()
        }
        found => found.into_iter().map(|package| card.run((package,))).collect_view().into_any(),
    };
    view! { <h2>{title}</h2><div class="shelf">{cards}</div> }
}
