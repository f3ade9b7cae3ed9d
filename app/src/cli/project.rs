//! `boathouse project`.

use boathouse_types::{GitRef, GitUrl, ImageRef, NewProject, Project, ProjectName, Source};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::{Failure, Result};
use super::output::table;
use super::{Context, prompt, status};

/// Manage projects
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all projects
    List,
    /// Create a project with its deployment `production`
    Create(Create),
    /// Show one project
    Show {
        /// Its name
        name: ProjectName,
    },
    /// Delete a project with all its deployments and volumes
    Delete {
        /// Its name
        name: ProjectName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make an ed25519 deploy key and print its public half for the git host
    DeployKey {
        /// The project
        name: ProjectName,
    },
}

/// Where its code comes from; without --git and --image: archives that you upload.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its name, also the first label of its host names
    pub name: ProjectName,
    /// A git repository: https, ssh, user@host:path, or a path on the server
    #[arg(long, value_name = "URL", conflicts_with = "image")]
    pub git: Option<GitUrl>,
    /// The branch to deploy; the repository's default where absent
    #[arg(long, requires = "git")]
    pub branch: Option<GitRef>,
    /// The folder of the manifest inside the repository
    #[arg(long, requires = "git")]
    pub folder: Option<String>,
    /// A ready image
    #[arg(long, value_name = "REF")]
    pub image: Option<ImageRef>,
}

impl Create {
    fn source(self) -> (ProjectName, Source) {
        let source = match (self.git, self.image) {
            (Some(url), _) => Source::Git { url, branch: self.branch, folder: self.folder },
            (None, Some(image)) => Source::Image { image },
            (None, None) => Source::Upload,
        };
        (self.name, source)
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.action {
        Action::List => list(context).await,
        Action::Create(create) => make(create, context).await,
        Action::Show { name } => status::show_project(&name, context).await,
        Action::Delete { name, yes } => delete(&name, yes, context).await,
        Action::DeployKey { name } => deploy_key(&name, context).await,
    }
}

/// Prints all projects.
pub async fn list(context: &Context) -> Result<()> {
    let projects: Vec<Project> = context.client()?.get("/projects").await?;
    context.out.result(&projects, || {
        if projects.is_empty() {
            return "There are no projects yet: boathouse project create NAME".into();
        }
        let rows = projects.iter().flat_map(rows).collect::<Vec<_>>();
        table(&["project", "deployment", "health", "why", "address"], &rows)
    })
}

fn rows(project: &Project) -> Vec<Vec<String>> {
    let row = |deployment: &boathouse_types::Deployment| {
        let url = deployment.hosts.first().map_or_else(|| "-".to_owned(), |host| host.url.clone());
        let health = status::health_word(deployment.health).to_owned();
        vec![project.name.to_string(), deployment.name.to_string(), health, deployment.reason.clone(), url]
    };
    project.deployments.iter().map(row).collect()
}

async fn make(create: Create, context: &Context) -> Result<()> {
    let (name, source) = create.source();
    let project: Project = context.client()?.call(Method::POST, "/projects", &NewProject { name, source }).await?;
    context.out.result(&project, || format!("Created {0}. Next: boathouse deploy --project {0}", project.name))
}

async fn delete(name: &ProjectName, yes: bool, context: &Context) -> Result<()> {
    prompt::confirm(&format!("the project {name}"), name.as_str(), yes)?;
    context.client()?.delete(&format!("/projects/{name}?confirm={name}")).await?;
    context.out.result(&json!({ "deleted": name }), || format!("Deleted {name}."))
}

async fn deploy_key(name: &ProjectName, context: &Context) -> Result<()> {
    let project: Project = context.client()?.post(&format!("/projects/{name}/deploy-key")).await?;
    let key = project.deploy_key.clone().ok_or_else(|| Failure::internal("the server made no key"))?;
    context.out.result(&project, || key)
}
