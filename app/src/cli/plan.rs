//! `boathouse plan`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use boathouse_types::{GitRef, NewPlan, Plan};
use reqwest::Method;

use super::Context;
use super::check;
use super::failure::{Failure, Result};
use super::place::PlaceArgs;
use crate::stack::environment::Values;
use crate::stack::plan::{self, View};
use crate::stack::{Stack, offline};

/// Show what a release would change, before it happens
///
/// Without a file: what the variables, packages and hosts of now would change in what is live. With a manifest: what that one
/// would. With --against, two manifests are compared without a server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A manifest to plan for
    file: Option<PathBuf>,
    /// The manifest to compare it with, without a server
    #[arg(long, value_name = "FILE", requires = "file")]
    against: Option<PathBuf>,
    /// What a deploy of this branch, tag or commit would change
    #[arg(long = "reference", visible_alias = "ref", value_name = "GITREF", conflicts_with = "file")]
    reference: Option<GitRef>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let plan = match (&args.file, &args.against) {
        (Some(file), Some(against)) => compare(&check::read(against)?, &check::read(file)?)?,
        (Some(file), None) => {
            // What is wrong with the file is told here, with its name as it was given.
            check::read(file)?;
            let manifest = std::fs::read_to_string(file)?;
            let body = NewPlan { file: file.display().to_string(), manifest };
            context.client()?.call(Method::POST, &args.place.resolve()?.below("plan"), &body).await?
        }
        (None, _) => {
            let query = args
                .reference
                .as_ref()
                .map_or_else(String::new, |reference| format!("?reference={}", escaped(reference)));
            context.client()?.get(&format!("{}{query}", args.place.resolve()?.below("plan"))).await?
        }
    };
    context.out.result(&plan, || text(&plan))
}

/// What a reference may have and a query may not.
fn escaped(reference: &GitRef) -> String {
    percent_encoding::utf8_percent_encode(reference.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn compare(before: &Stack, after: &Stack) -> Result<Plan> {
    let steps = plan::of_release(&offline_view(before)?, &offline_view(after)?);
    Ok(Plan { steps, notes: plan::commands(after, |_| true), ..Plan::default() })
}

/// Variables without what only a deployment knows: a secret counts as unchanged where both have it.
fn offline_view(stack: &Stack) -> Result<View> {
    let stage = boathouse_types::DeploymentStage::Production;
    let outlook = offline::outlook(stack, stage).map_err(Failure::from)?;
    let values: Values = outlook
        .parts
        .into_iter()
        .map(|part| {
            let all = part.automatic.into_iter().chain(part.custom);
            (part.identifier, all.map(|variable| (variable.key, variable.value.unwrap_or_default())).collect())
        })
        .collect();
    let hosts = stack.components.iter().map(|part| {
        (part.identifier.clone(), part.hosts.iter().map(|host| format!("{}{}", host.identifier, host.path)).collect())
    });
    Ok(View::of(stack, stage, &values, &hosts.collect::<BTreeMap<_, _>>(), |_| None))
}

fn text(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.push("Nothing changes.".to_owned());
    }
    lines.extend(plan.drift.iter().map(|drift| format!("drift of {}: {}", drift.identifier, drift.message)));
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
