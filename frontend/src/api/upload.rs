//! Files that are sent.

use boathouse_types::Release;
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::{Answer, Api, CSRF_HEADER, Place, decode, error_of, no_answer};
use crate::format;

impl Api {
    /// Deploys an archive.
    pub async fn upload(
        self,
        at: &Place,
        file: web_sys::File,
        no_cache: bool,
        progress: RwSignal<Option<f64>>,
    ) -> Answer<Release> {
        let name = js_sys::encode_uri_component(&file.name());
        self.send_file(&at.below(&format!("releases/upload?name={name}&no_cache={no_cache}")), &file, progress).await
    }

    /// Sends an archive and tells how far it has come: `fetch` cannot report the progress of a request's body.
    pub(super) async fn send_file<T: DeserializeOwned>(
        self,
        path: &str,
        file: &web_sys::File,
        progress: RwSignal<Option<f64>>,
    ) -> Answer<T> {
        let kind = format::archive_type(&file.name()).unwrap_or("application/octet-stream");
        let sent = xhr(path, kind, file, progress).map_err(|_| no_answer())?;
        let (status, text) = sent.await?;
        if (200..300).contains(&status) { decode(&text) } else { Err(self.note(error_of(status, &text))) }
    }
}

/// Starts the upload; the future answers status and body.
fn xhr(
    path: &str,
    kind: &str,
    file: &web_sys::File,
    progress: RwSignal<Option<f64>>,
) -> Result<impl Future<Output = Answer<(u16, String)>> + use<>, JsValue> {
    let xhr = web_sys::XmlHttpRequest::new()?;
    xhr.open("POST", path)?;
    xhr.set_request_header("Content-Type", kind)?;
    xhr.set_request_header(CSRF_HEADER, "1")?;
    let on_progress = Closure::<dyn Fn(web_sys::ProgressEvent)>::new(move |event: web_sys::ProgressEvent| {
        progress.try_set(Some(if event.total() > 0.0 { event.loaded() / event.total() } else { 0.0 }));
    });
    xhr.upload()?.set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    let done = js_sys::Promise::new(&mut |resolve, _| xhr.set_onloadend(Some(&resolve)));
    xhr.send_with_opt_blob(Some(file))?;
    Ok(async move {
        let _ = JsFuture::from(done).await;
        drop(on_progress);
        match xhr.status() {
            Ok(status) if status > 0 => Ok((status, xhr.response_text().ok().flatten().unwrap_or_default())),
            _ => Err(no_answer()),
        }
    })
}
