//! `boathouse disk`.

use boathouse_types::resources::memory;
use boathouse_types::{
    ChangeDiskSettings, CleanDisk, CleanKind, CleanedDisk, DiskHolds, DiskSettings, DiskState, DiskUsage, DiskUse,
    FileSystem, plural,
};
use clap::Subcommand;
use reqwest::Method;

use super::failure::{Failure, Result};
use super::output::{size, table, time};
use super::{Context, prompt};

/// An engine with large volumes takes minutes to count them.
const WAIT_SECONDS: u64 = 300;

/// Show what uses the disk and what of it is safe to free; free it; say how much may be used
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Per deployment, with the reason why each may be freed or not
    #[arg(long, short)]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Free what is safe: what no release needs. Volumes, and everything of others, stay
    Clean {
        /// build-cache, images, logs or backups; everything that is safe where absent
        #[arg(long, value_name = "KIND")]
        what: Vec<CleanKind>,
        /// Only tell what would be freed
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show budgets and thresholds, or change those that are named
    Settings(Settings),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Releases that each deployment can be rolled back to; a project's own: boathouse project keep
    #[arg(long, value_name = "NUMBER")]
    keep: Option<u32>,
    /// Budget of all kept images, as in 20GiB; 0 for none
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    images: Option<u64>,
    /// Budget of the engine's build cache; 0: never touched unasked
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    build_cache: Option<u64>,
    /// Budget of the logs of releases; 0 for none
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    logs: Option<u64>,
    /// Percentage from which on the guard tells
    #[arg(long, value_name = "PERCENT")]
    warn: Option<u8>,
    /// Percentage from which on it frees what is safe
    #[arg(long, value_name = "PERCENT")]
    clean: Option<u8>,
    /// Percentage from which on nothing new is built, uploaded or pulled
    #[arg(long, value_name = "PERCENT")]
    refuse: Option<u8>,
}

impl Settings {
    fn change(&self) -> ChangeDiskSettings {
        ChangeDiskSettings {
            keep_releases: self.keep,
            images_bytes: self.images,
            build_cache_bytes: self.build_cache,
            logs_bytes: self.logs,
            warn_percent: self.warn,
            clean_percent: self.clean,
            refuse_percent: self.refuse,
        }
    }
}

fn budget(text: &str) -> std::result::Result<u64, String> {
    memory(text).ok_or_else(|| "a size is written 20GiB or 512MiB; 0 for no budget".to_owned())
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.command {
        None => show(args.all, context).await,
        Some(Command::Clean { what, dry_run, yes }) => clean(what, dry_run, yes, context).await,
        Some(Command::Settings(settings)) => settings_of(&settings, context).await,
    }
}

async fn show(all: bool, context: &Context) -> Result<()> {
    let usage: DiskUsage = context.client()?.get(&format!("/system/disk?wait={WAIT_SECONDS}")).await?;
    context.out.result(&usage, || describe(&usage, all))
}

fn describe(usage: &DiskUsage, all: bool) -> String {
    let systems: Vec<_> = usage.file_systems.iter().map(system_row).collect();
    let mut text = table(&["disk of", "path", "used", "free", "of", "state"], &systems);
    text.push_str("\n\n");
    if all {
        let rows: Vec<_> = usage.uses.iter().map(use_row).collect();
        text.push_str(&table(&["what", "of", "size", "can be freed", "why"], &rows));
    } else {
        let rows = usage.kinds().into_iter().map(|kind| {
            let (bytes, freeable) = usage.of(kind);
            vec![kind.words().to_owned(), size(bytes), if freeable > 0 { size(freeable) } else { "-".to_owned() }]
        });
        text.push_str(&table(&["what", "size", "can be freed"], &rows.collect::<Vec<_>>()));
    }
    for problem in &usage.problems {
        text.push_str(&format!("\nnot measured: {problem}"));
    }
    text.push_str(&format!("\n\nmeasured {} UTC", time(usage.measured_at)));
    text
}

fn system_row(system: &FileSystem) -> Vec<String> {
    let holds = system.holds.iter().map(|holds| match holds {
        DiskHolds::Data => "data directory",
        DiskHolds::Engine => "engine",
    });
    let state = match system.state {
        DiskState::Ok => "ok",
        DiskState::Warning => "filling",
        DiskState::Cleaning => "frees what is safe",
        DiskState::Refusing => "refuses builds, uploads and pulls",
    };
    vec![
        holds.collect::<Vec<_>>().join(", "),
        system.path.clone(),
        format!("{} %", system.used_percent),
        size(system.free_bytes),
        size(system.total_bytes),
        state.to_owned(),
    ]
}

fn use_row(one: &DiskUse) -> Vec<String> {
    let place = match (&one.project, &one.deployment) {
        (Some(project), Some(deployment)) => format!("{project}/{deployment}"),
        (Some(project), None) => project.to_string(),
        _ => "-".to_owned(),
    };
    let freeable = if one.freeable_bytes > 0 { size(one.freeable_bytes) } else { "-".to_owned() };
    vec![one.kind.words().to_owned(), place, size(one.bytes), freeable, one.why.clone()]
}

async fn clean(what: Vec<CleanKind>, dry_run: bool, yes: bool, context: &Context) -> Result<()> {
    let client = context.client()?;
    let wanted = CleanDisk { what: if what.is_empty() { CleanKind::ALL.into() } else { what }, dry_run };
    if !dry_run && !yes {
        let look = CleanDisk { dry_run: true, ..wanted.clone() };
        let would: CleanedDisk = client.call(Method::POST, "/system/disk/clean", &look).await?;
        context.out.note(&told(&would));
        prompt::agree("That goes from the disk.", "clean", false)?;
    }
    let cleaned: CleanedDisk = client.call(Method::POST, "/system/disk/clean", &wanted).await?;
    context.out.result(&cleaned, || told(&cleaned))?;
    match cleaned.freed.iter().find_map(|one| one.problem.as_ref().map(|problem| (one.what, problem))) {
        Some((what, problem)) => Err(Failure::unavailable(format!("{} could not be freed: {problem}", what.words()))),
        None => Ok(()),
    }
}

fn told(cleaned: &CleanedDisk) -> String {
    if !cleaned.done {
        return "It goes on; `boathouse events` tells of its end.".to_owned();
    }
    let rows: Vec<_> = cleaned.freed.iter().map(|one| vec![one.what.as_str().to_owned(), size(one.bytes)]).collect();
    let head = if cleaned.dry_run { "would be freed" } else { "freed" };
    format!("{}\n{} in all", table(&["what", head], &rows), size(cleaned.bytes()))
}

async fn settings_of(settings: &Settings, context: &Context) -> Result<()> {
    let (client, change) = (context.client()?, settings.change());
    let path = "/system/disk/settings";
    let counts: DiskSettings = if change == ChangeDiskSettings::default() {
        client.get(path).await?
    } else {
        client.call(Method::PATCH, path, &change).await?
    };
    context.out.result(&counts, || describe_settings(&counts))
}

fn describe_settings(counts: &DiskSettings) -> String {
    let budget = |bytes: u64| if bytes == 0 { "no budget".to_owned() } else { size(bytes) };
    let cache = if counts.build_cache_bytes == 0 {
        "never touched unasked".to_owned()
    } else {
        budget(counts.build_cache_bytes)
    };
    [
        format!("keep         {} per deployment", plural(counts.keep_releases.into(), "release")),
        format!("images       {}", budget(counts.images_bytes)),
        format!("build cache  {cache}"),
        format!("logs         {}", budget(counts.logs_bytes)),
        format!("warn         from {} %", counts.warn_percent),
        format!("clean        from {} %", counts.clean_percent),
        format!("refuse       from {} %", counts.refuse_percent),
    ]
    .join("\n")
}
