//! The frame of the pages outside the application: set-up, sign-in, no answer.

use leptos::prelude::*;

use super::{Glyph, Icon};

#[component]
pub fn Doorway(#[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <main class="doorway">
            <div class="doorway-card">
                <p class="brand"><Icon glyph=Glyph::LOGO/>"Boathouse"</p>
                <h1>{title}</h1>
                {children()}
            </div>
        </main>
    }
}
