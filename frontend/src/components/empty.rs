//! What an empty list says: what belongs here and the first step.

use leptos::prelude::*;

use super::{Glyph, Icon};

#[component]
pub fn Empty(glyph: Glyph, #[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <div class="empty">
            <Icon glyph/>
            <h2>{title}</h2>
            {children()}
        </div>
    }
}
