//! `boathouse data`.

use std::path::PathBuf;
use std::time::Duration;

use boathouse_types::{
    BackupId, BackupPolicy, BackupPolicyStatus, BackupState, DataBackup, DeploymentName, ErrorKind, RestoreBackup,
    RestoreState, plural,
};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::backup::save;
use super::failure::{Failure, Result};
use super::output::{size, time};
use super::place::{Place, PlaceArgs};
use super::{Client, Context, prompt};

/// How often something that takes time is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Back up the data of a deployment, and restore it: its databases and the files of its volumes
///
/// `boathouse backup` is another thing: that of the control plane itself, without anybody's data.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a backup now
    Backup {
        #[command(flatten)]
        place: PlaceArgs,
        /// Do not wait for the end
        #[arg(long)]
        detach: bool,
    },
    /// List the backups, newest first
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// What a backup has in it
    Show(One),
    /// Replace the data of a deployment with that of a backup; it is stopped meanwhile
    Restore {
        #[command(flatten)]
        one: One,
        /// Another deployment of the project that gets the data
        #[arg(long, value_name = "NAME")]
        into: Option<DeploymentName>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// Do not wait for the end
        #[arg(long)]
        detach: bool,
    },
    /// Write a backup as a tar archive
    Download {
        #[command(flatten)]
        one: One,
        /// Where to write it; it must not exist yet
        file: PathBuf,
    },
    /// Delete a backup
    Delete {
        #[command(flatten)]
        one: One,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its number
    backup: i64,
    #[command(flatten)]
    place: PlaceArgs,
}

impl One {
    fn path(&self, what: &str) -> Result<String> {
        Ok(path(&self.place.resolve()?, BackupId(self.backup), what))
    }
}

fn path(place: &Place, id: BackupId, what: &str) -> String {
    place.below(&format!("backups/{id}{what}"))
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.command {
        Command::Backup { place, detach } => back_up(&client, &place.resolve()?, detach, context).await,
        Command::List { place } => {
            let place = place.resolve()?;
            let all: Vec<DataBackup> = client.get(&place.below("backups")).await?;
            let policy: Option<BackupPolicyStatus> = client.get(&place.below("backup-policy")).await?;
            if let Some(policy) = policy {
                context.out.note(&due(&policy));
            }
            context.out.list(&all, &["backup", "made (UTC)", "state", "data", "on disk", "by", "note"], row)
        }
        Command::Show(one) => {
            let found: DataBackup = client.get(&one.path("")?).await?;
            context.out.result(&found, || shown(&found))
        }
        Command::Restore { one, into, yes, detach } => {
            let place = one.place.resolve()?;
            let id = BackupId(one.backup);
            let target = into.clone().unwrap_or_else(|| place.deployment.clone());
            let what = format!(
                "The data of {}/{target} is replaced with that of the backup {id}, and what it has now is lost.",
                place.project
            );
            prompt::agree(&what, target.as_str(), yes)?;
            let body = RestoreBackup { into, confirm: target };
            let asked: DataBackup = client.call(Method::POST, &path(&place, id, "/restore"), &body).await?;
            if detach {
                return context.out.result(&asked, || format!("Restoring: boathouse data show {id}"));
            }
            until_restored(&client, &place, id, context).await
        }
        Command::Download { one, file } => {
            let answer = client.raw(Method::GET, &one.path("/archive")?, |request| request).await?;
            let bytes = save(answer, &file).await?;
            let told = json!({ "file": file, "bytes": bytes });
            context.out.result(&told, || format!("{} ({})", file.display(), size(bytes)))
        }
        Command::Delete { one, yes } => {
            let id = one.backup;
            prompt::confirm(&format!("The backup {id} goes for good."), &id.to_string(), yes)?;
            client.delete(&one.path(&format!("?confirm={id}"))?).await?;
            context.out.result(&json!({ "deleted": id }), || format!("The backup {id} is deleted."))
        }
    }
}

async fn back_up(client: &Client, place: &Place, detach: bool, context: &Context) -> Result<()> {
    let mut made: DataBackup = client.post(&place.below("backups")).await?;
    if detach {
        return context.out.result(&made, || format!("Backup {} is being made: boathouse data list", made.id));
    }
    let mut told = 0;
    while !made.state.has_ended() {
        if made.bytes != told {
            context.out.note(&format!("{} read", size(made.bytes)));
            told = made.bytes;
        }
        tokio::time::sleep(LOOK).await;
        made = client.get(&path(place, made.id, "")).await?;
    }
    if let Some(problem) = &made.problem {
        return Err(Failure::new(ErrorKind::Conflict, format!("the backup {} failed: {problem}", made.id)));
    }
    context.out.result(&made, || shown(&made))
}

async fn until_restored(client: &Client, place: &Place, id: BackupId, context: &Context) -> Result<()> {
    let mut told = None;
    loop {
        let found: DataBackup = client.get(&path(place, id, "")).await?;
        let Some(restore) = &found.restore else {
            return Err(Failure::new(ErrorKind::NotFound, "the deployment that got the data was deleted".to_owned()));
        };
        if told != Some((restore.state, restore.bytes)) && !restore.state.has_ended() {
            context.out.note(&format!("{}, {} written", doing(restore.state), size(restore.bytes)));
            told = Some((restore.state, restore.bytes));
        }
        match &restore.problem {
            Some(problem) => {
                let message = format!("the backup {id} could not be restored: {problem}");
                return Err(Failure::new(ErrorKind::Conflict, message));
            }
            None if restore.state == RestoreState::Done => {
                return context.out.result(&found, || format!("{} has the data of the backup {id}.", restore.into));
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn due(status: &BackupPolicyStatus) -> String {
    let BackupPolicy { cron, zone, keep } = &status.policy;
    let next =
        status.next_at.map_or_else(|| "nothing is due at this stage".to_owned(), |at| format!("next {} UTC", time(at)));
    format!("By the manifest: `{cron}` ({zone}), the last {keep} are kept; {next}.")
}

fn doing(state: RestoreState) -> &'static str {
    match state {
        RestoreState::Waiting => "waiting",
        RestoreState::Preparing => "preparing: nothing is touched yet",
        RestoreState::Replacing => "replacing the data: the deployment is stopped",
        RestoreState::Done => "done",
        RestoreState::Failed => "failed",
    }
}

fn row(backup: &DataBackup) -> Vec<String> {
    let restore = backup.restore.as_ref().map(|last| match &last.problem {
        Some(problem) => format!("restore into {} failed: {problem}", last.into),
        None => format!("restore into {}: {}", last.into, doing(last.state)),
    });
    let is_done = backup.state == BackupState::Done;
    vec![
        backup.id.to_string(),
        time(backup.created_at),
        backup.state.as_str().to_owned(),
        size(backup.bytes),
        if is_done { size(backup.file_bytes) } else { "-".to_owned() },
        backup.actor.clone(),
        backup.problem.clone().or(restore).unwrap_or_default(),
    ]
}

fn shown(backup: &DataBackup) -> String {
    let mut lines = vec![format!(
        "Backup {} of release #{}: {}, {} of data in {}",
        backup.id,
        backup.release.unwrap_or_default(),
        backup.state.as_str(),
        size(backup.bytes),
        plural(backup.parts.len() as u64, "file"),
    )];
    if let Some(paused) = backup.paused_ms {
        lines.push(format!("What writes there was paused for {paused} ms."));
    }
    lines.extend(backup.parts.iter().map(|part| {
        let of = part.volume.as_ref().map_or_else(|| "dump".to_owned(), |volume| format!("volume {volume}"));
        format!("  {}  {of}  {}  {} ({})", part.component, part.file, size(part.data_bytes), size(part.bytes))
    }));
    lines.extend(backup.problem.clone());
    lines.join("\n")
}
