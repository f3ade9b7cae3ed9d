//! `boathouse deployment`.

use boathouse_types::{
    AutoRollback, ChangeDeployment, DeployOn, Deployment, DeploymentName, DeploymentStage, DisplayName, GitRef, Glob,
    Lifetime, MoveDeployment, NewDeployment, ProjectName, SleepRule, Wake,
};
use clap::Subcommand;
use reqwest::Method;

use super::failure::{Failure, Result};
use super::output::table;
use super::place::{Place, PlaceArgs};
use super::{Context, resources, status};

/// Manage the deployments of a project
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a project's deployments
    List {
        /// The project, as elsewhere
        #[arg(long, short, value_name = "NAME")]
        project: Option<ProjectName>,
        /// Those that were deleted and can be restored
        #[arg(long)]
        deleted: bool,
    },
    /// Create a deployment
    Create {
        /// Its name
        name: DeploymentName,
        /// The project, as elsewhere
        #[arg(long, short, value_name = "NAME")]
        project: Option<ProjectName>,
        /// development, staging, production or preview
        #[arg(long, default_value = "production", value_parser = stage)]
        stage: DeploymentStage,
        /// The branch it follows; the project's where absent
        #[arg(long)]
        branch: Option<GitRef>,
        /// How long it runs after each start: 1h, 8h, 12h or forever
        #[arg(long, value_parser = lifetime)]
        lifetime: Option<Lifetime>,
        /// Who may start it once it is stopped: owner or visitors
        #[arg(long, value_parser = wake)]
        wake: Option<Wake>,
    },
    /// Change what a deployment is called, follows or is for
    Change(Change),
    Resources(resources::Args),
    Scale(resources::Scale),
    /// Give a deployment to another project, or another name
    Move {
        /// The project that it is to belong to
        #[arg(long, value_name = "NAME")]
        to: ProjectName,
        /// Its name there
        #[arg(long = "as", value_name = "NAME")]
        name: Option<DeploymentName>,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// What to change.
#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    place: PlaceArgs,
    /// What people call it; empty for its name
    #[arg(long, value_name = "TEXT")]
    display_name: Option<DisplayName>,
    /// The branch it follows from the next release on
    #[arg(long)]
    branch: Option<GitRef>,
    /// In development: begin with the code of the source again; what was edited there is lost
    #[arg(long)]
    reset_code: bool,
    /// What it is for from the next release on
    #[arg(long, value_parser = stage)]
    stage: Option<DeploymentStage>,
    /// How long it runs after each start: 1h, 8h, 12h or forever
    #[arg(long, value_parser = lifetime)]
    lifetime: Option<Lifetime>,
    /// Who may start it once it is stopped: owner or visitors
    #[arg(long, value_parser = wake)]
    wake: Option<Wake>,
    /// When it falls asleep for want of visitors: a duration as in 15m, never, manifest for what that says, or as in after=15m,wait=1m
    /// (how long the request waits that wakes it)
    #[arg(long, value_name = "WHEN")]
    sleep: Option<SleepRule>,
    /// What makes releases by itself: push, tag=PATTERN as in tag=v*, or off
    #[arg(long, value_name = "WHAT", value_parser = deploy_on)]
    deploy_on: Option<DeployOn>,
    /// When a release is rolled back by itself: on, off, or as in failed=10,window=600,slower=4 (percent of requests with a status from
    /// 500 on; seconds after it went live; times as slow as the one before)
    #[arg(long, value_name = "WHEN")]
    auto_rollback: Option<AutoRollback>,
    /// A push makes a release only where one of these changed, in place of the manifest's; again for each
    #[arg(long, value_name = "PATTERN", conflicts_with = "watch_manifest")]
    watch: Vec<Glob>,
    /// Go back to the manifest's watch paths
    #[arg(long)]
    watch_manifest: bool,
    /// It may not be deleted
    #[arg(long, conflicts_with = "unprotect")]
    protect: bool,
    /// It may be deleted again
    #[arg(long)]
    unprotect: bool,
}

/// The stage of that word.
pub fn stage(word: &str) -> std::result::Result<DeploymentStage, String> {
    DeploymentStage::parse(word).ok_or_else(|| "use development, staging, production or preview".to_owned())
}

/// The lifetime of that word.
pub fn lifetime(word: &str) -> std::result::Result<Lifetime, String> {
    Lifetime::parse(word).ok_or_else(|| "use 1h, 8h, 12h or forever".to_owned())
}

fn wake(word: &str) -> std::result::Result<Wake, String> {
    Wake::parse(word).ok_or_else(|| "use owner or visitors".to_owned())
}

fn deploy_on(word: &str) -> std::result::Result<DeployOn, String> {
    match (word, word.strip_prefix("tag=")) {
        ("push", _) => Ok(DeployOn::Push),
        ("off", _) => Ok(DeployOn::Off),
        (_, Some(pattern)) => Ok(DeployOn::Tag { pattern: pattern.parse().map_err(|problem| format!("{problem}"))? }),
        _ => Err("use push, tag=PATTERN or off".to_owned()),
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.action {
        Action::List { project, deleted } => list(project, deleted, context).await,
        Action::Create { name, project, stage, branch, lifetime, wake } => {
            let place = PlaceArgs { project, deployment: Some(name.clone()) }.resolve()?;
            let path = format!("/projects/{}/deployments", place.project);
            let body = NewDeployment { name, stage, branch, lifetime, wake };
            let made: Deployment = context.client()?.call(Method::POST, &path, &body).await?;
            context.out.result(&made, || status::describe(&made))
        }
        Action::Change(change) => apply(change, context).await,
        Action::Resources(args) => resources::run(args, context).await,
        Action::Scale(args) => resources::scale(args, context).await,
        Action::Move { to, name, place } => relocate(&place.resolve()?, to, name, context).await,
    }
}

async fn list(project: Option<ProjectName>, deleted: bool, context: &Context) -> Result<()> {
    let project = PlaceArgs { project, deployment: None }.resolve()?.project;
    let all: Vec<Deployment> =
        context.client()?.get(&format!("/projects/{project}/deployments?deleted={deleted}")).await?;
    let row = |one: &Deployment| {
        let called = one.display_name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let branch = one.branch.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![one.name.to_string(), called, one.stage.as_str().to_owned(), branch, one.reason.clone()]
    };
    context.out.result(&all, || {
        table(&["deployment", "called", "stage", "branch", "why"], &all.iter().map(row).collect::<Vec<_>>())
    })
}

async fn apply(change: Change, context: &Context) -> Result<()> {
    let body = ChangeDeployment {
        display_name: change.display_name,
        protected: change.protect.then_some(true).or(change.unprotect.then_some(false)),
        lifetime: change.lifetime,
        wake: change.wake,
        sleep: change.sleep,
        branch: change.branch,
        stage: change.stage,
        deploy_on: change.deploy_on,
        auto_rollback: change.auto_rollback,
        watch: if change.watch_manifest {
            Some(Vec::new())
        } else {
            Some(change.watch).filter(|list| !list.is_empty())
        },
        reset_code: change.reset_code,
    };
    if body == ChangeDeployment::default() {
        return Err(Failure::invalid("nothing to change was named").hint(
            "Give --display-name, --branch, --reset-code, --stage, --lifetime, --wake, --sleep, --deploy-on, --auto-rollback, --watch, --watch-manifest, --protect or --unprotect.",
        ));
    }
    let path = change.place.resolve()?.path();
    let changed: Deployment = context.client()?.call(Method::PATCH, &path, &body).await?;
    context.out.result(&changed, || status::describe(&changed))
}

async fn relocate(place: &Place, project: ProjectName, name: Option<DeploymentName>, context: &Context) -> Result<()> {
    let body = MoveDeployment { project, name };
    let moved: Deployment = context.client()?.call(Method::POST, &place.below("move"), &body).await?;
    context.out.result(&moved, || format!("{place} is {}/{} now.", moved.project, moved.name))
}
