//! The console: a single-page application over the public API.

use leptos::prelude::*;
use leptos_router::components::*;

fn main() {
    leptos::mount::mount_to_body(|| view! { <Router><Routes fallback=|| "x"><Route path=leptos_router::path!("/") view=|| "hi"/></Routes></Router> });
}
