//! `boathouse project`.

use boathouse_types::{
    ChangeProject, DisplayName, DuplicateProject, GitLogin, GitRef, GitUrl, ImageRef, NewProject, Project, ProjectName,
    Source, plural,
};
use clap::Subcommand;
use reqwest::Method;

use super::failure::{Failure, Result};
use super::output::table;
use super::{Context, delete, manifest, prompt, status};

/// Manage projects
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all projects
    List {
        /// What was deleted and can be restored
        #[arg(long)]
        deleted: bool,
    },
    /// Create a project with its deployment `production`
    Create(Create),
    /// Show one project
    Show {
        /// Its name
        name: ProjectName,
    },
    /// Change what people call a project; its name stays
    Rename {
        /// Its name
        name: ProjectName,
        /// What people call it; empty for its name
        display_name: DisplayName,
    },
    /// Set how many releases its deployments can be rolled back to; fewer than before gives up the oldest
    Keep {
        /// Its name
        name: ProjectName,
        /// 1 to 1000; 0: as the instance says
        releases: u32,
    },
    /// Make a project like this one: source, deployments, variables; no data, no releases, no hosts
    Duplicate {
        /// The project
        name: ProjectName,
        /// The name of the new one
        new: ProjectName,
    },
    /// Delete a project: its deployments stop, and go with their volumes when the recycle period ends
    Delete {
        /// Its name
        name: ProjectName,
        #[command(flatten)]
        how: delete::How,
    },
    /// Bring a deleted project back, with the deployments that were deleted with it
    Undelete {
        /// Its name
        name: ProjectName,
    },
    /// The manifest that a project keeps for a source that has none of its own
    Manifest(manifest::Args),
    /// Set how the server signs in at the project's https remote; the token is asked for, or read from standard input
    GitLogin {
        /// The project
        name: ProjectName,
        /// Who signs in; many hosts take any name with a token
        #[arg(long, short, required_unless_present = "remove")]
        username: Option<String>,
        /// Forget it
        #[arg(long, conflicts_with = "username")]
        remove: bool,
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
        Action::List { deleted } => list(deleted, context).await,
        Action::Create(create) => make(create, context).await,
        Action::Show { name } => status::show_project(&name, context).await,
        Action::Rename { name, display_name } => {
            let change = ChangeProject { display_name: Some(display_name), ..Default::default() };
            let path = format!("/projects/{name}");
            let project: Project = context.client()?.call(Method::PATCH, &path, &change).await?;
            let called = project.display_name.as_ref().map_or(name.as_str(), |called| called.as_str());
            context.out.result(&project, || format!("{name} is called \"{called}\" now."))
        }
        Action::Keep { name, releases } => {
            let change = ChangeProject { keep_releases: Some(releases), ..Default::default() };
            let project: Project = context.client()?.call(Method::PATCH, &format!("/projects/{name}"), &change).await?;
            context.out.result(&project, || match project.keep_releases {
                Some(keep) => format!("{name} keeps {} per deployment.", plural(keep.into(), "release")),
                None => format!("{name} keeps as many releases as the instance says: boathouse disk settings"),
            })
        }
        Action::Duplicate { name, new } => {
            let (path, body) = (format!("/projects/{name}/duplicate"), DuplicateProject { name: new });
            let project: Project = context.client()?.call(Method::POST, &path, &body).await?;
            context.out.result(&project, || format!("Created {0}. Next: boathouse deploy --project {0}", project.name))
        }
        Action::Delete { name, how } => {
            let (path, what) = (format!("/projects/{name}"), format!("the project {name}"));
            let restore = format!("boathouse project undelete {name}");
            delete::delete(&path, &what, name.as_str(), &restore, how, context).await
        }
        Action::Undelete { name } => {
            let project: Project = context.client()?.post(&format!("/projects/{name}/restore")).await?;
            context.out.result(&project, || format!("Restored {name}."))
        }
        Action::Manifest(args) => manifest::run(args, context).await,
        Action::GitLogin { name, username, .. } => git_login(&name, username, context).await,
        Action::DeployKey { name } => deploy_key(&name, context).await,
    }
}

/// Prints all projects.
pub async fn list(deleted: bool, context: &Context) -> Result<()> {
    let projects: Vec<Project> = context.client()?.get(&format!("/projects?deleted={deleted}")).await?;
    context.out.result(&projects, || {
        if projects.is_empty() && deleted {
            return "Nothing that was deleted can be restored.".into();
        }
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

async fn git_login(name: &ProjectName, username: Option<String>, context: &Context) -> Result<()> {
    let (client, path) = (context.client()?, format!("/projects/{name}/git-login"));
    let Some(username) = username else {
        client.delete(&path).await?;
        return context.out.result(&(), || format!("{name} no longer signs in at its remote."));
    };
    let token = prompt::secret_or_line(&format!("Token of {username}: "))?;
    client.run(Method::PUT, &path, &GitLogin { username, token }).await?;
    context.out.result(&(), || format!("{name} signs in at its remote with this token."))
}

async fn deploy_key(name: &ProjectName, context: &Context) -> Result<()> {
    let project: Project = context.client()?.post(&format!("/projects/{name}/deploy-key")).await?;
    let key = project.deploy_key.clone().ok_or_else(|| Failure::internal("the server made no key"))?;
    context.out.result(&project, || key)
}
