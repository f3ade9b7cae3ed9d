//! `boathouse env`.

use std::path::PathBuf;

use boathouse_types::{
    DeploymentStage, EnvKey, EnvVar, Environment, Identifier, Release, Revealed, SetEnv, SetEnvVar, Variable, dotenv,
};
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::failure::{Failure, Result};
use super::output::{table, time};
use super::place::PlaceArgs;
use super::{Context, deploy, prompt};

/// Manage variables; a change applies with the next release, or with `boathouse env apply`
///
/// Variables of a deployment win over shared ones: those of a stage over those of a project over those of the instance.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List variables; values of secrets are never shown
    List {
        /// Everything that each component and add-on gets, and where each value comes from
        #[arg(long, conflicts_with = "scope")]
        all: bool,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Set variables: KEY=VALUE, or KEY alone to read its value from standard input
    Set {
        /// The variables
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Remove variables
    Unset {
        /// Their names
        #[arg(required = true)]
        keys: Vec<EnvKey>,
        /// The one of this component
        #[arg(long)]
        component: Option<Identifier>,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Set all variables of a .env file
    Import {
        /// The file; - for standard input
        file: PathBuf,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Show the value of a variable, secret or not; an event says who saw it
    Reveal {
        /// Its name
        key: EnvKey,
        /// As this component gets it, also where it was generated or imported
        #[arg(long)]
        component: Option<Identifier>,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Make a release with the variables and limits of now: the same images, nothing is built
    Apply {
        #[command(flatten)]
        place: PlaceArgs,
        /// Do not wait for the end
        #[arg(long)]
        detach: bool,
    },
}

/// How variables are set.
#[derive(Debug, clap::Args)]
struct How {
    /// Not a secret: its value may be shown again
    #[arg(long)]
    plain: bool,
    /// Only for this component
    #[arg(long)]
    component: Option<Identifier>,
}

/// Whose variables.
#[derive(Debug, clap::Args)]
struct ScopeArgs {
    /// Whose variables
    #[arg(long, value_enum, default_value_t = Scope::Deployment)]
    scope: Scope,
    /// The stage, with `--scope stage`
    #[arg(long, value_parser = stage, required_if_eq("scope", "stage"))]
    stage: Option<DeploymentStage>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// All projects
    Instance,
    /// All deployments of the project
    Project,
    /// The project's deployments of one stage
    Stage,
    /// This deployment
    Deployment,
}

fn stage(word: &str) -> std::result::Result<DeploymentStage, String> {
    DeploymentStage::parse(word).ok_or_else(|| "write development, staging, production or preview".to_owned())
}

impl ScopeArgs {
    /// The path of the variables.
    fn path(&self) -> Result<String> {
        let project = || Ok::<_, Failure>(format!("/projects/{}", self.place.resolve()?.project));
        match (self.scope, self.stage) {
            (Scope::Instance, _) => Ok("/env".to_owned()),
            (Scope::Project, _) => Ok(format!("{}/env", project()?)),
            (Scope::Stage, Some(stage)) => Ok(format!("{}/stages/{}/env", project()?, stage.as_str())),
            (Scope::Stage, None) => Err(Failure::invalid("no stage is named").hint("Give --stage NAME.")),
            (Scope::Deployment, _) => Ok(self.place.resolve()?.below("env")),
        }
    }

    fn refuse_component(&self, component: Option<&Identifier>) -> Result<()> {
        if component.is_some() && self.scope != Scope::Deployment {
            return Err(
                Failure::invalid("a shared variable is for all components").hint("Leave out --component, or --scope.")
            );
        }
        Ok(())
    }
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.action {
        Action::List { all: true, scope } => everything(&scope.place, context).await,
        Action::List { scope, .. } => {
            let variables: Vec<EnvVar> = context.client()?.get(&scope.path()?).await?;
            show(&variables, context)
        }
        Action::Set { pairs, how, scope } => {
            let pairs = pairs.iter().map(|pair| split(pair)).collect::<Result<Vec<_>>>()?;
            set(pairs, &how, &scope, context).await
        }
        Action::Import { file, how, scope } => {
            let text = read(&file)?;
            let pairs = dotenv::parse(&text).map_err(|why| Failure::invalid(format!("{}: {why}", file.display())))?;
            set(pairs, &how, &scope, context).await
        }
        Action::Unset { keys, component, scope } => unset(&keys, component.as_ref(), &scope, context).await,
        Action::Reveal { key, component, scope } => reveal(key, component.as_ref(), &scope, context).await,
        Action::Apply { place, detach } => apply(&place, detach, context).await,
    }
}

fn show(variables: &[EnvVar], context: &Context) -> Result<()> {
    let row = |variable: &EnvVar| {
        let value = variable.value.clone().unwrap_or_else(|| "(secret)".into());
        let component = variable.component.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        vec![variable.key.to_string(), component, value, time(variable.updated_at)]
    };
    context.out.list(variables, &["key", "component", "value", "changed"], row)
}

async fn everything(place: &PlaceArgs, context: &Context) -> Result<()> {
    let environment: Environment = context.client()?.get(&place.resolve()?.below("environment")).await?;
    context.out.result(&environment, || {
        let mut rows = Vec::new();
        for part in &environment.parts {
            let row = |variable: &Variable| {
                let value = variable.value.clone().unwrap_or_else(|| "(secret)".into());
                vec![part.identifier.to_string(), variable.key.to_string(), value, variable.source.to_string()]
            };
            rows.extend(part.automatic.iter().chain(&part.custom).map(row));
        }
        let mut text = table(&["part", "key", "value", "from"], &rows);
        for change in &environment.restart {
            let keys: Vec<&str> = change.keys.iter().map(EnvKey::as_str).collect();
            text.push_str(&format!("\n{} restarts for {}: boathouse env apply", change.identifier, keys.join(", ")));
        }
        environment.problem.iter().for_each(|problem| text.push_str(&format!("\nproblem: {problem}")));
        text
    })
}

async fn set(pairs: Vec<(EnvKey, String)>, how: &How, scope: &ScopeArgs, context: &Context) -> Result<()> {
    scope.refuse_component(how.component.as_ref())?;
    let variable = |(key, value)| SetEnvVar { key, component: how.component.clone(), value, secret: !how.plain };
    let body = SetEnv { variables: pairs.into_iter().map(variable).collect() };
    let variables: Vec<EnvVar> = context.client()?.call(Method::PUT, &scope.path()?, &body).await?;
    context.out.note("the next release uses it: boathouse env apply, or boathouse deploy");
    show(&variables, context)
}

async fn unset(keys: &[EnvKey], component: Option<&Identifier>, scope: &ScopeArgs, context: &Context) -> Result<()> {
    scope.refuse_component(component)?;
    let (client, path) = (context.client()?, scope.path()?);
    let query = query_of(component);
    for key in keys {
        client.delete(&format!("{path}/{key}{query}")).await?;
    }
    context.out.result(&json!({ "removed": keys }), || "Removed; the next release uses it.".into())
}

async fn reveal(key: EnvKey, component: Option<&Identifier>, scope: &ScopeArgs, context: &Context) -> Result<()> {
    scope.refuse_component(component)?;
    let path = format!("{}/{key}/reveal{}", scope.path()?, query_of(component));
    let revealed: Revealed = context.client()?.post(&path).await?;
    context.out.result(&revealed, || revealed.value.clone())
}

/// Makes the release, and waits for its end.
pub async fn apply(place: &PlaceArgs, detach: bool, context: &Context) -> Result<()> {
    let (client, place) = (context.client()?, place.resolve()?);
    let release: Release = client.post(&place.below("env/apply")).await?;
    context.out.note(&format!("release #{} of {place} brings the variables and limits of now", release.number));
    if detach {
        return context.out.result(&release, || {
            format!("boathouse release log {} --follow --project {}", release.number, place.project)
        });
    }
    deploy::finish(&client, &place, release.number, context).await
}

fn query_of(component: Option<&Identifier>) -> String {
    component.map_or_else(String::new, |component| format!("?component={component}"))
}

fn split(pair: &str) -> Result<(EnvKey, String)> {
    match pair.split_once('=') {
        Some((key, value)) => Ok((key.parse()?, value.to_owned())),
        None => Ok((pair.parse()?, prompt::read_line()?)),
    }
}

fn read(file: &PathBuf) -> Result<String> {
    let text =
        if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    text.map_err(|error| Failure::invalid(format!("{} cannot be read: {error}", file.display())))
}
