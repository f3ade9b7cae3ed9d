//! Backups of a deployment's data: made, restored, downloaded, deleted; and when the next is due.

use boathouse_types::{
    BackupId, BackupPolicyStatus, BackupState, DataBackup, DataRestore, RestoreState, Volume, plural,
};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Answer, Place, api};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn Backups() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let project = place.project.to_string();
    let live = Live::<Vec<DataBackup>>::new(place.below("backups"), of_project(project.clone()));
    let policy = Live::<Option<BackupPolicyStatus>>::new(place.below("backup-policy"), of_project(project));
    let (place, attempt) = (StoredValue::new(place), Attempt::new());
    let api = api();
    let back_up = Callback::new(move |()| {
        changed(attempt, live, async move { api.back_up(&place.get_value()).await.map(drop) });
    });
    let may_back_up = move || may_change() && deployment.with(|deployment| deployment.live.is_some());
    let list = move |all: Signal<Vec<DataBackup>>| {
        let rows = move || all.get().into_iter().map(|one| view! { <Row place live one/> }).collect_view();
        view! {
            <Show when=move || all.with(Vec::is_empty)>
                <Empty glyph=Glyph::ARCHIVE title="Nothing is backed up yet">
                    <p>"A backup has a dump of each database, and the files of the other volumes as they are at one moment."</p>
                    <p class="hint">"Every night, in the manifest: "<code>"backup: {cron: \"0 3 * * *\", keep: 7}"</code></p>
                </Empty>
            </Show>
            <ul class="rows">{rows}</ul>
        }
        .into_any()
    };
    view! {
        <Volumes/>
        <section class="option-section">
            <h2>"Backups"</h2>
            {move || policy.get().flatten().map(|policy| view! { <Policy policy/> })}
            <Show when=may_back_up>
                <div class="actions left"><Button attempt label="Back up now" glyph=Glyph::ARCHIVE on_press=back_up/></div>
            </Show>
            <AttemptProblem attempt/>
            {live.beside(list)}
        </section>
    }
}

fn changed(attempt: Attempt, live: Live<Vec<DataBackup>>, work: impl Future<Output = Answer<()>> + 'static) {
    attempt.run(async move {
        work.await?;
        live.refresh();
        Ok(())
    });
}

/// What the live release mounts.
#[component]
fn Volumes() -> impl IntoView {
    let Here { place, .. } = expect_context();
    let live = Live::<Vec<Volume>>::new(place.below("volumes"), of_project(place.project.to_string()));
    live.beside(move |volumes| {
        let row = |volume: Volume| {
            let at = volume.mounts.iter().map(|mount| format!("{}:{}", mount.component, mount.path));
            let at = at.collect::<Vec<_>>().join(", ");
            let size = volume.size_bytes.map_or_else(|| "not counted yet".to_owned(), format::bytes);
            view! { <li><span class="main"><Icon glyph=Glyph::DISK/><strong>{volume.identifier.to_string()}</strong>" "<span class="hint">{size}</span></span><span class="reason">{at}</span></li> }
        };
        let used = move || volumes.get().into_iter().filter(|one| !one.mounts.is_empty()).map(row).collect_view();
        view! { <section class="option-section"><h2>"Volumes"</h2><ul class="rows">{used}</ul></section> }.into_any()
    })
}

#[component]
fn Policy(policy: BackupPolicyStatus) -> impl IntoView {
    let BackupPolicyStatus { policy, next_at, .. } = policy;
    let words = format!("By the manifest: {} ({}), the last {} are kept", policy.cron, policy.zone, policy.keep);
    match next_at {
        Some(at) => view! { <p class="hint">{words}"; next "<Moment at/></p> }.into_any(),
        None => view! { <p class="hint">{words}"; nothing is due at this stage."</p> }.into_any(),
    }
}

#[component]
fn Row(place: StoredValue<Place>, live: Live<Vec<DataBackup>>, one: DataBackup) -> impl IntoView {
    let (deleting, restoring) = (RwSignal::new(false), RwSignal::new(false));
    let (api, attempt, id, at) = (api(), Attempt::new(), one.id, one.created_at);
    let delete = Callback::new(move |()| {
        changed(attempt, live, async move {
            api.delete_backup(&place.get_value(), id).await?;
            deleting.try_set(false);
            Ok(())
        });
    });
    let is_done = one.state == BackupState::Done;
    let has_ended = one.state.has_ended();
    let (class, state) = told(&one);
    let losses = vec![format!("{} of data as they were then", format::bytes(one.bytes))];
    let restore = one.restore.as_ref().map(|last| {
        let (class, words) = restore_told(last);
        view! { <p class=class>{words}</p> }
    });
    let archive = place.with_value(|place| place.below(&format!("backups/{id}/archive")));
    let actions = move || {
        let archive = archive.clone();
        view! {
            <div class="actions left">
                {is_done.then(|| view! {
                    <button type="button" class="quiet" aria-label=format!("Restore the backup {id}") on:click=move |_| restoring.set(true)>"Restore"</button>
                    <a class="button quiet" href=archive download=format!("backup-{id}.tar") rel="external"><span>"Download"</span></a>
                })}
                {has_ended.then(|| view! { <button type="button" class="quiet" aria-label=format!("Delete the backup {id}") on:click=move |_| deleting.set(true)>"Delete"</button> })}
            </div>
        }
    };
    view! {
        <li class="stack">
            <div><strong>{format!("Backup {id}")}</strong>" "<Moment at/>" "<span class="hint">{format!("by {}", one.actor)}</span></div>
            <p class=class>{state}</p>
            {restore}
            <Show when=may_change>{actions.clone()}</Show>
            {move || deleting.get().then(|| view! { <ConfirmDelete open=deleting noun="backup" name=id.to_string() losses=losses.clone() attempt on_confirm=delete/> })}
            <Dialog open=restoring title=format!("Restore the backup {id}?")><RestoreForm place live id open=restoring/></Dialog>
        </li>
    }
}

fn told(one: &DataBackup) -> (&'static str, String) {
    match (&one.problem, one.state) {
        (Some(problem), _) => ("mark bad", problem.clone()),
        (None, BackupState::Done) => {
            let paused = one.paused_ms.map_or_else(String::new, |ms| format!(", paused for {ms} ms"));
            let files = plural(one.parts.len() as u64, "file");
            let (data, disk) = (format::bytes(one.bytes), format::bytes(one.file_bytes));
            ("hint", format!("{data} in {files}, {disk} on the disk{paused}"))
        }
        (None, BackupState::Waiting) => ("mark busy", "Waits".to_owned()),
        (None, _) => ("mark busy", format!("Is being made: {} read", format::bytes(one.bytes))),
    }
}

fn restore_told(last: &DataRestore) -> (&'static str, String) {
    match (&last.problem, last.state) {
        (Some(problem), _) => ("mark bad", format!("Could not be restored: {problem}")),
        (None, RestoreState::Done) => ("mark good", format!("Was restored into {}", last.into)),
        (None, RestoreState::Replacing) => ("mark busy", format!("The data of {} is being replaced", last.into)),
        (None, _) => ("mark busy", format!("Is being restored into {}; nothing is touched yet", last.into)),
    }
}

/// What it takes is typed: the data of now is lost.
#[component]
fn RestoreForm(
    place: StoredValue<Place>,
    live: Live<Vec<DataBackup>>,
    id: BackupId,
    open: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt, typed) = (api(), Attempt::new(), RwSignal::new(String::new()));
    let name = place.with_value(|place| place.deployment.to_string());
    let wanted = StoredValue::new(name.clone());
    let restore = move || {
        if wanted.with_value(|name| typed.with_untracked(|typed| typed.trim() != name)) {
            return attempt.refuse(format!("Type {} to confirm.", wanted.get_value()));
        }
        changed(attempt, live, async move {
            api.restore_backup(&place.get_value(), id).await?;
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Restore" glyph=Glyph::ROLL_BACK on_submit=restore>
            <p>"The deployment is stopped, and its data of now is replaced: what was written since the backup is lost. Back it up first."</p>
            <TypeToConfirm name typed/>
        </Form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(state: &str, problem: Option<&str>) -> DataBackup {
        serde_json::from_value(serde_json::json!({
            "id": 3, "state": state, "by_policy": false, "actor": "ada", "release": 1, "bytes": 2048, "file_bytes": 1024, "paused_ms": 5,
            "parts": [], "problem": problem, "created_at": 0, "finished_at": null, "restore": null,
        }))
        .unwrap()
    }

    #[test]
    fn the_state_is_told_in_words() {
        assert_eq!(told(&backup("failed", Some("no room"))), ("mark bad", "no room".to_owned()));
        let done = told(&backup("done", None));
        assert_eq!(done, ("hint", "2.0 KiB in 0 files, 1.0 KiB on the disk, paused for 5 ms".to_owned()));
        assert_eq!(told(&backup("running", None)).1, "Is being made: 2.0 KiB read");
    }
}
