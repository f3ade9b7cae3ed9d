//! `boathouse status`.

use boathouse_types::{Deployment, DeploymentName, Health, Project, ProjectName, Release, SleepStatus, StatusTree};

use super::failure::{Failure, Result};
use super::output::{table, time};
use super::place::PlaceArgs;
use super::{Context, follow, project};

/// Show how everything does, or one project in detail
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project
    name: Option<ProjectName>,
    /// What was deleted and can be restored
    #[arg(long, conflicts_with = "name")]
    deleted: bool,
    /// The same, as elsewhere
    #[arg(long, short, conflicts_with = "name", hide = true)]
    project: Option<ProjectName>,
    /// As a tree: storage, images, containers, services, endpoints of one deployment
    #[arg(long)]
    tree: bool,
    /// The deployment of the tree [default: production]
    #[arg(long, short, requires = "tree", value_name = "NAME")]
    deployment: Option<DeploymentName>,
    /// Print the tree anew with each change
    #[arg(long, short, requires = "tree")]
    follow: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let named = args.name.or(args.project);
    if args.tree {
        return show_tree(PlaceArgs { project: named, deployment: args.deployment }, args.follow, context).await;
    }
    match named {
        Some(name) => show_project(&name, context).await,
        None => project::list(args.deleted, context).await,
    }
}

async fn show_tree(place: PlaceArgs, follow: bool, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, place.resolve()?.below("status"));
    if !follow {
        let tree: StatusTree = client.get(&path).await?;
        return context.out.result(&tree, || tree_words(&tree));
    }
    follow::stream(&client, &path, None, |event| {
        if event.event != "state" {
            return Ok(());
        }
        let tree: StatusTree =
            serde_json::from_str(&event.data).map_err(|error| Failure::internal(error.to_string()))?;
        context.out.item(&tree, || tree_words(&tree) + "\n")
    })
    .await
}

/// A tree in words: a line for each group, and below it a line for each of its nodes.
fn tree_words(tree: &StatusTree) -> String {
    let head = format!("{}/{}  {}  {}", tree.project, tree.deployment, health_word(tree.health), tree.reason);
    let mut lines = vec![head];
    for (at, group) in tree.groups.iter().enumerate() {
        let (fork, stem) = if at + 1 == tree.groups.len() { ("└─", "  ") } else { ("├─", "│ ") };
        lines.push(format!("{fork} {:<10}  {:<8}  {}", group.kind.as_str(), health_word(group.health), group.reason));
        for (at, node) in group.nodes.iter().enumerate() {
            let fork = if at + 1 == group.nodes.len() { "└─" } else { "├─" };
            let release = node.release.map_or_else(String::new, |number| format!(" #{number}"));
            let name = format!("{}{release}", node.name);
            lines.push(format!("{stem} {fork} {name:<20}  {:<8}  {}", health_word(node.health), node.reason));
        }
    }
    lines.join("\n")
}

/// Prints one project with its deployments.
pub async fn show_project(name: &ProjectName, context: &Context) -> Result<()> {
    let project: Project = context.client()?.get(&format!("/projects/{name}")).await?;
    context.out.result(&project, || project.deployments.iter().map(describe).collect::<Vec<_>>().join("\n\n"))
}

/// A deployment in words.
pub fn describe(deployment: &Deployment) -> String {
    let mut lines = vec![format!(
        "{}/{}  {}  {}",
        deployment.project,
        deployment.name,
        health_word(deployment.health),
        deployment.reason
    )];
    lines.extend(deployment.live.as_ref().map(|live| format!("  live     {}", release(live))));
    lines.extend(deployment.pending.as_ref().map(|pending| format!("  pending  {}", release(pending))));
    let waiting = deployment.pending.as_ref().and_then(|pending| pending.waiting.as_ref());
    lines.extend(waiting.map(|waiting| format!("           {}", waiting.sentence())));
    lines.extend(sleep(&deployment.sleep).map(|words| format!("  sleep    {words}")));
    for host in &deployment.hosts {
        let problem = host.problem.as_ref().map_or_else(String::new, |problem| format!("  ({problem})"));
        lines.push(format!("  {}  → {}{problem}", host.url, host.component));
    }
    if !deployment.containers.is_empty() {
        let row = |c: &boathouse_types::ContainerStatus| {
            vec![c.mark(), format!("#{}", c.release), health_word(c.health).to_owned(), c.reason.clone()]
        };
        let rows = deployment.containers.iter().map(row).collect::<Vec<_>>();
        lines.extend(table(&["container", "release", "health", "why"], &rows).lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

/// When it falls asleep; nothing where it does not, or sleeps already.
fn sleep(status: &SleepStatus) -> Option<String> {
    let rule = status.sleep.filter(|_| status.asleep_at.is_none())?.words();
    Some(match (&status.awake_for, status.sleeps_at) {
        (Some(why), _) => format!("{rule}; awake now: {why}"),
        (None, Some(at)) => format!("{rule}; at {} unless somebody comes", time(at)),
        (None, None) => rule,
    })
}

fn release(release: &Release) -> String {
    let what = match (&release.commit, &release.reference) {
        (Some(commit), _) => format!("{} {}", commit.sha.chars().take(8).collect::<String>(), commit.title),
        (None, Some(reference)) => reference.clone(),
        (None, None) => String::new(),
    };
    format!("#{} {} {} by {} {what}", release.number, release.state.as_str(), time(release.created_at), release.actor)
}

/// The word for a health.
pub fn health_word(health: Health) -> &'static str {
    match health {
        Health::Off => "off",
        Health::Asleep => "asleep",
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::Down => "down",
    }
}
