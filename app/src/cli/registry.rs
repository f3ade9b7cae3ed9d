//! `boathouse registry`.

use boathouse_types::{NewRegistry, Registry, RegistryHost, RegistryUser};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::Result;
use super::output::{table, time};
use super::{Context, prompt};

/// Manage logins at image registries, for pulls and for base images of builds
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List logins; passwords are never shown
    List,
    /// Add a login, or replace the one of that registry; the password is asked for, or read from standard input
    Add {
        /// The registry as image names begin: ghcr.io, docker.io, registry.example.com:5000
        host: RegistryHost,
        /// Who signs in there
        #[arg(long, short)]
        username: RegistryUser,
    },
    /// Remove the login of a registry
    Remove {
        /// The registry
        host: RegistryHost,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.action {
        Action::List => {
            let logins: Vec<Registry> = client.get("/registries").await?;
            let row =
                |login: &Registry| vec![login.host.to_string(), login.username.to_string(), time(login.updated_at)];
            let rows = logins.iter().map(row).collect::<Vec<_>>();
            context.out.result(&logins, || table(&["registry", "user", "changed"], &rows))
        }
        Action::Add { host, username } => {
            let password = prompt::secret_or_line(&format!("Password of {username} at {host}: "))?;
            let body = NewRegistry { host, username, password };
            let login: Registry = client.call(Method::POST, "/registries", &body).await?;
            context.out.result(&login, || format!("Pulls from {} sign in as {}.", login.host, login.username))
        }
        Action::Remove { host } => {
            client.delete(&format!("/registries/{host}")).await?;
            context.out.result(&json!({ "removed": host }), || format!("Pulls from {host} no longer sign in."))
        }
    }
}
