//! `boathouse env`.

use std::path::PathBuf;

use boathouse_types::{EnvKey, EnvVar, Identifier, SetEnv, SetEnvVar};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::{Failure, Result};
use super::output::time;
use super::place::PlaceArgs;
use super::{Context, prompt};

/// Manage a deployment's variables; a change applies with the next release
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List variables; values of secrets are never shown
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Set variables: KEY=VALUE, or KEY alone to read its value from standard input
    Set {
        /// The variables
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        place: PlaceArgs,
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
        place: PlaceArgs,
    },
    /// Set all variables of a file of KEY=VALUE lines
    Import {
        /// The file; - for standard input
        file: PathBuf,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        place: PlaceArgs,
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

pub async fn run(args: Args, context: &Context) -> Result<()> {
    match args.action {
        Action::List { place } => {
            let variables: Vec<EnvVar> = context.client()?.get(&place.resolve()?.below("env")).await?;
            show(&variables, context)
        }
        Action::Set { pairs, how, place } => {
            let pairs = pairs.iter().map(|pair| split(pair)).collect::<Result<Vec<_>>>()?;
            set(pairs, &how, &place, context).await
        }
        Action::Import { file, how, place } => set(parse(&read(&file)?)?, &how, &place, context).await,
        Action::Unset { keys, component, place } => unset(&keys, component.as_ref(), &place, context).await,
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

async fn set(pairs: Vec<(EnvKey, String)>, how: &How, place: &PlaceArgs, context: &Context) -> Result<()> {
    let variable = |(key, value)| SetEnvVar { key, component: how.component.clone(), value, secret: !how.plain };
    let body = SetEnv { variables: pairs.into_iter().map(variable).collect() };
    let variables: Vec<EnvVar> = context.client()?.call(Method::PUT, &place.resolve()?.below("env"), &body).await?;
    context.out.note("the next release uses it: boathouse deploy");
    show(&variables, context)
}

async fn unset(keys: &[EnvKey], component: Option<&Identifier>, place: &PlaceArgs, context: &Context) -> Result<()> {
    let (client, place) = (context.client()?, place.resolve()?);
    let query = component.map_or_else(String::new, |component| format!("?component={component}"));
    for key in keys {
        client.delete(&place.below(&format!("env/{key}{query}"))).await?;
    }
    context.out.result(&json!({ "removed": keys }), || "Removed; the next release uses it.".into())
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

/// KEY=VALUE lines; comments and blank lines are skipped, `export` and one pair of quotes are dropped. Values are taken
/// as they are otherwise: no `$` is ever expanded.
fn parse(text: &str) -> Result<Vec<(EnvKey, String)>> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (key, value) =
                line.split_once('=').ok_or_else(|| Failure::invalid(format!("line {number} is not KEY=VALUE")))?;
            let key = key.trim().parse().map_err(|error| Failure::invalid(format!("line {number}: {error}")))?;
            Ok((key, unquoted(value.trim())))
        })
        .collect()
}

fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(plain) = inside('\'') {
        return plain.to_owned();
    }
    match inside('"') {
        Some(quoted) => quoted.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables() {
        let text = "# comment\n\nA=1\nexport B = 'x $y'\nC=\"line\\nnext \\\"q\\\"\"\nD=a=b#c\nE=\n";
        let parsed = parse(text).unwrap();
        let pairs: Vec<_> = parsed.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "x $y"), ("C", "line\nnext \"q\""), ("D", "a=b#c"), ("E", "")]);
        assert!(parse("1A=x").is_err());
        assert!(parse("no pair").unwrap_err().body.message.contains("line 1"));
    }
}
