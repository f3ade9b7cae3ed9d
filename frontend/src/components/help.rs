//! What the keyboard does.

use leptos::prelude::*;

use super::Dialog;

const KEYS: [(&str, &str); 10] = [
    ("Ctrl K", "Go anywhere: projects, deployments, pages"),
    ("/", "Filter the log"),
    ("g h", "Home"),
    ("g n", "New project"),
    ("g s", "Settings"),
    ("g p", "The project of this page"),
    ("g o", "Overview of this deployment"),
    ("g l", "Logs of this deployment"),
    ("g r", "Releases of this deployment"),
    ("?", "This help"),
];

#[component]
pub fn Help(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Dialog open title="Keyboard">
            <dl class="keys">{KEYS.map(|(key, words)| view! { <div><dt><kbd>{key}</kbd></dt><dd>{words}</dd></div> }).collect_view()}</dl>
            <p class="hint">"The same API serves this console and the command line: "<code>"boathouse --help"</code></p>
        </Dialog>
    }
}
