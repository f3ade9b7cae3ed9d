//! Choosing an archive: drop it or pick it; the bar shows how much has been sent.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, File, HtmlInputElement};

use super::{Glyph, Icon};
use crate::format;

/// The chosen file; browser objects stay on the page's own thread.
pub type ChosenFile = RwSignal<Option<File>, LocalStorage>;

#[component]
pub fn DropZone(file: ChosenFile, progress: RwSignal<Option<f64>>) -> impl IntoView {
    let over = RwSignal::new(false);
    let drag = move |event: DragEvent| {
        event.prevent_default();
        over.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        file.set(event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)));
    };
    let pick = move |event: web_sys::Event| {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        file.set(input.and_then(|input| input.files()).and_then(|files| files.get(0)));
    };
    let words = move || {
        file.with(|file| match file {
            Some(file) => format!("{} · {}", file.name(), format::bytes(file.size() as u64)),
            None => "Drop an archive here, or choose one".to_owned(),
        })
    };
    view! {
        <label class="drop-zone" class:over=over on:dragover=drag on:dragleave=move |_| over.set(false) on:drop=drop>
            <Icon glyph=Glyph::ARCHIVE/>
            <strong>{words}</strong>
            <small>".tar, .tar.gz, .tar.zst or .zip of the project's folder, or an image by docker save, up to 2 GiB"</small>
            <input type="file" class="visually-hidden" accept=".tar,.tgz,.gz,.zst,.zip" on:change=pick/>
        </label>
        <UploadBar progress/>
    }
}

#[component]
fn UploadBar(progress: RwSignal<Option<f64>>) -> impl IntoView {
    let value = move || progress.get().unwrap_or(0.0);
    let words = move || {
        if value() < 1.0 {
            format!("Sending: {:.0} %", value() * 100.0)
        } else {
            "Sent. The server checks the archive.".to_owned()
        }
    };
    view! {
        <Show when=move || progress.get().is_some()>
            <div class="upload"><progress max="1" prop:value=value aria-label="Upload"></progress><small role="status">{words}</small></div>
        </Show>
    }
}

/// The chosen file, where it is an archive that the server takes.
pub fn archive(file: ChosenFile) -> Result<File, String> {
    let file = file.get_untracked().ok_or("Choose an archive first.")?;
    match format::archive_type(&file.name()) {
        Some(_) => Ok(file),
        None => Err(format!(
            "{} is not an archive that can be used: make a .tar.gz or .zip of the project's folder.",
            file.name()
        )),
    }
}
