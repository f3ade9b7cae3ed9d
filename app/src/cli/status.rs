//! `boathouse status`.

use boathouse_types::{Deployment, Health, Project, ProjectName, Release};

use super::failure::Result;
use super::output::{table, time};
use super::{Context, project};

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
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.name.or(args.project) {
        Some(name) => show_project(&name, context).await,
        None => project::list(args.deleted, context).await,
    }
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
    for host in &deployment.hosts {
        let problem = host.problem.as_ref().map_or_else(String::new, |problem| format!("  ({problem})"));
        lines.push(format!("  {}  → {}{problem}", host.url, host.component));
    }
    if !deployment.containers.is_empty() {
        let row = |c: &boathouse_types::ContainerStatus| {
            vec![
                c.identifier.to_string(),
                format!("#{}", c.release),
                health_word(c.health).to_owned(),
                c.reason.clone(),
            ]
        };
        let rows = deployment.containers.iter().map(row).collect::<Vec<_>>();
        lines.extend(table(&["container", "release", "health", "why"], &rows).lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
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
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::Down => "down",
    }
}
