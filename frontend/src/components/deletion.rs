//! Deleting a project or a deployment: what is lost, the name typed again, and until when it can be undone.

use boathouse_types::{Deletion, Loss, plural};
use leptos::prelude::*;

use super::{Attempt, ConfirmDelete, Glyph, Icon};
use crate::api::ForGood;
use crate::format;
use crate::live::{Live, of_nothing};

/// The danger zone of a page.
#[component]
pub fn DeleteZone(
    /// "project", "deployment".
    noun: &'static str,
    #[prop(into)] name: String,
    /// Where the API says what would be lost.
    #[prop(into)]
    path: String,
    attempt: Attempt,
    #[prop(into)] on_confirm: Callback<ForGood>,
) -> impl IntoView {
    let (open, for_good) = (RwSignal::new(false), RwSignal::new(false));
    let (name, path) = (StoredValue::new(name), StoredValue::new(path));
    let confirm = Callback::new(move |()| on_confirm.run(ForGood(for_good.get_untracked())));
    view! {
        <section class="danger-zone">
            <h2>"Delete this "{noun}</h2>
            <p class="hint">"It stops and its addresses answer no more. For some days it can be restored with all its data; after that nothing of it is left."</p>
            <button type="button" class="danger" on:click=move |_| open.set(true)><Icon glyph=Glyph::TRASH/><span>"Delete the "{noun}</span></button>
            {move || open.get().then(|| {
                let lost = Live::<Deletion>::new(format!("{}/deletion", path.get_value()), of_nothing);
                let dialog = move |lost: Signal<Deletion>| view! {
                    <ConfirmDelete open noun name=name.get_value() losses=lost.with_untracked(losses) for_good attempt on_confirm=confirm/>
                }.into_any();
                lost.show(dialog)
            })}
        </section>
    }
}

/// What is lost, a sentence each.
fn losses(deletion: &Deletion) -> Vec<String> {
    let several = deletion.losses.len() > 1;
    let of = |loss: &Loss| if several { format!("{}: ", loss.deployment) } else { String::new() };
    let mut lost: Vec<String> = deletion
        .losses
        .iter()
        .flat_map(|loss| {
            let of = of(loss);
            sentences(loss).into_iter().map(move |sentence| format!("{of}{sentence}"))
        })
        .collect();
    if lost.is_empty() {
        lost.push("its settings; nothing has been deployed".to_owned());
    }
    lost
}

fn sentences(loss: &Loss) -> Vec<String> {
    let volumes = loss.volumes.iter().map(|volume| {
        let held = volume
            .size_bytes
            .map_or_else(|| "all data in it".to_owned(), |bytes| format!("{} of data", format::bytes(bytes)));
        format!("the volume {} with {held}", volume.identifier)
    });
    let counted = [(loss.releases, "release", ", with their logs and images"), (loss.variables, "variable", "")];
    let counted = counted
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, noun, with)| format!("{}{with}", plural(count as u64, noun)));
    let hosts = loss.hosts.iter().map(|host| format!("the address {host}"));
    volumes.chain(counted).chain(hosts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_name_what_holds_data_first() {
        let loss = |deployment: &str| serde_json::json!({"project": "shop", "deployment": deployment, "volumes": [{"identifier": "data", "name": "bh-data", "size_bytes": 2048}], "releases": 3, "variables": 0, "hosts": ["shop.test"]});
        let one = |losses: Vec<serde_json::Value>| {
            serde_json::from_value(serde_json::json!({"losses": losses, "until": null})).unwrap()
        };
        assert_eq!(
            losses(&one(vec![loss("production")])),
            ["the volume data with 2.0 KiB of data", "3 releases, with their logs and images", "the address shop.test"]
        );
        let both = losses(&one(vec![loss("production"), loss("staging")]));
        assert_eq!((both.len(), both[3].as_str()), (6, "staging: the volume data with 2.0 KiB of data"));
        assert_eq!(losses(&one(vec![])), ["its settings; nothing has been deployed"]);
    }
}
