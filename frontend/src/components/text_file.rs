//! Choosing a file of this machine for what could be pasted as well.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::{Attempt, invalid};

/// Reads a file of this machine into the text.
#[component]
pub fn TextFile(attempt: Attempt, text: RwSignal<String>) -> impl IntoView {
    let pick = move |event: web_sys::Event| {
        let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
        let Some(file) = input.and_then(|input| input.files()).and_then(|files| files.get(0)) else { return };
        attempt.run(async move {
            let read = JsFuture::from(file.text()).await.ok().and_then(|read| read.as_string());
            text.try_set(read.ok_or_else(|| invalid(format!("{} cannot be read as text.", file.name())))?);
            Ok(())
        });
    };
    view! { <label class="field"><span>"Or choose the file"</span><input type="file" on:change=pick/></label> }
}
