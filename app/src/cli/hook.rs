//! `boathouse hook`.

use boathouse_types::{
    CommitStatus, Delivery, DeliveryState, DeployToken, Hook, HookSecret, ProjectName, Provider, SetCommitStatus,
};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::Result;
use super::output::{table, time};
use super::place::PlaceArgs;
use super::{Context, prompt};

/// Let a git host or a CI deploy: the hook of a project, its deploy token, and what was told
///
/// Create the hook, then give its address and its secret to the repository at GitHub, GitLab, Bitbucket, Gitea or Forgejo. A push
/// to the branch that a deployment follows makes a release of it, unless none of its watch paths has changed or the commit says
/// [skip ci]. What was decided, and why, is in `boathouse hook deliveries`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project, as elsewhere
    #[arg(long, short, global = true, value_name = "NAME")]
    project: Option<ProjectName>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The address of the hook, and whether it has a secret
    Show,
    /// Make the hook, or a new secret for it, and print the secret
    Create,
    /// Print the secret; an event tells of it
    Reveal,
    /// Remove the secret: no delivery is believed any more
    Remove,
    /// Make the deploy token for a CI, in place of the one before, and print it, this once
    Token {
        /// Revoke it instead
        #[arg(long)]
        revoke: bool,
    },
    /// Whether the git host is told how releases go, and how that goes
    Status,
    /// Tell the git host how each release goes, at its commit; the token is asked for, or read from standard input
    SetStatus {
        /// github, gitlab, bitbucket, gitea or forgejo
        #[arg(long, value_parser = provider)]
        provider: Provider,
        /// The base address of its API; that of the host of the project's source unless given
        #[arg(long, value_name = "URL")]
        api: Option<String>,
    },
    /// Tell it no more, and forget the token
    RemoveStatus,
    /// What was told and what became of it, newest first
    Deliveries {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only before this one
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
    },
    /// Decide a push or tag anew, by the repository as it is now
    Redeliver {
        /// Its number in the list
        id: i64,
    },
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let project = PlaceArgs { project: args.project, deployment: None }.resolve()?.project;
    let (client, path) = (context.client()?, format!("/projects/{project}/hook"));
    match args.action {
        Action::Show => {
            let hook: Hook = client.get(&path).await?;
            context.out.result(&hook, || words(&hook))
        }
        Action::Create => {
            let made: HookSecret = client.post(&path).await?;
            let hook: Hook = client.get(&path).await?;
            context.out.note(&format!("give {} this secret, with the content type application/json", hook.url));
            context.out.result(&made, || made.secret.clone())
        }
        Action::Reveal => {
            let secret: HookSecret = client.post(&format!("{path}/reveal")).await?;
            context.out.result(&secret, || secret.secret.clone())
        }
        Action::Remove => {
            client.delete(&path).await?;
            context.out.result(&json!({ "removed": true }), || format!("The hook of {project} is removed."))
        }
        Action::Token { revoke: true } => {
            client.delete(&format!("{path}/token")).await?;
            context.out.result(&json!({ "revoked": true }), || format!("The deploy token of {project} is revoked."))
        }
        Action::Token { revoke: false } => {
            let made: DeployToken = client.post(&format!("{path}/token")).await?;
            context.out.note("this is shown only now; a call that can send no header has it in the address:");
            context.out.note(&made.url);
            context.out.result(&made, || made.token.clone())
        }
        Action::Status => {
            let status: Option<CommitStatus> = client.get(&format!("/projects/{project}/commit-status")).await?;
            context.out.result(&status, || {
                status.as_ref().map_or_else(
                    || format!("No git host is told how releases of {project} go: boathouse hook set-status"),
                    standing,
                )
            })
        }
        Action::SetStatus { provider, api } => {
            let token = prompt::secret_or_line(&format!("Token for commit statuses at {}: ", provider.name()))?;
            let body = SetCommitStatus { provider, token, api };
            let path = format!("/projects/{project}/commit-status");
            let status: CommitStatus = client.call(Method::PUT, &path, &body).await?;
            context.out.result(&status, || standing(&status))
        }
        Action::RemoveStatus => {
            client.delete(&format!("/projects/{project}/commit-status")).await?;
            context.out.result(&json!({ "removed": true }), || "The git host is told no more.".to_owned())
        }
        Action::Deliveries { limit, before } => {
            let before = before.map_or_else(String::new, |before| format!("&before={before}"));
            let list: Vec<Delivery> =
                client.get(&format!("/projects/{project}/deliveries?limit={limit}{before}")).await?;
            context.out.result(&list, || {
                let rows: Vec<_> = list.iter().map(row).collect();
                table(&["id", "at", "from", "event", "what", "became"], &rows)
            })
        }
        Action::Redeliver { id } => {
            let path = format!("/projects/{project}/deliveries/{id}/redeliver");
            let made: Delivery = client.call(Method::POST, &path, &json!({})).await?;
            context.out.result(&made, || {
                format!("Delivery {} repeats {id}; `boathouse hook deliveries` tells what became of it.", made.id)
            })
        }
    }
}

fn provider(word: &str) -> std::result::Result<Provider, String> {
    Provider::parse(word).ok_or_else(|| "use github, gitlab, bitbucket, gitea or forgejo".to_owned())
}

fn standing(status: &CommitStatus) -> String {
    let told = status.posted_at.map_or_else(|| "nothing yet".to_owned(), |at| format!("last {}", time(at)));
    let problem = status.problem.as_ref().map_or_else(String::new, |problem| format!("\nproblem: {problem}"));
    let again = status.retry_at.map_or_else(String::new, |at| format!("; tried again {}", time(at)));
    format!("{} at {} is told how releases go: {told}{problem}{again}", status.provider.name(), status.api)
}

fn words(hook: &Hook) -> String {
    let secret = hook.secret_at.map_or_else(
        || "none yet, so nothing is believed: boathouse hook create".to_owned(),
        |at| format!("made {}", time(at)),
    );
    let token =
        hook.token_at.map_or_else(|| "none: boathouse hook token".to_owned(), |at| format!("made {}", time(at)));
    let used = hook.token_used_at.map_or_else(String::new, |at| format!(", last used {}", time(at)));
    format!(
        "hook:         {}\nsecret:       {secret}\ndeploy calls: {}\ndeploy token: {token}{used}",
        hook.url, hook.deploy_url
    )
}

fn row(delivery: &Delivery) -> Vec<String> {
    let told = delivery.happening.as_ref();
    let event = told.map_or("-", |told| told.event.name()).to_owned();
    let short = |sha: &Option<String>| sha.as_ref().map(|sha| sha[..7.min(sha.len())].to_owned());
    let what = told.map_or_else(String::new, |told| {
        let range = match (short(&told.before), short(&told.after)) {
            (Some(before), Some(after)) => format!(" {before}..{after}"),
            (None, Some(after)) => format!(" {after}"),
            _ => String::new(),
        };
        format!("{}{range}", told.reference.as_deref().unwrap_or(&told.name))
    });
    let from = delivery.provider.as_str().to_owned();
    vec![delivery.id.to_string(), time(delivery.at), from, event, what, became(delivery)]
}

fn became(delivery: &Delivery) -> String {
    let mut said: Vec<String> = delivery.reason.iter().cloned().collect();
    said.extend(delivery.decisions.iter().map(boathouse_types::Decision::sentence));
    match delivery.state {
        DeliveryState::Waiting => "waits for the code".to_owned(),
        DeliveryState::Refused => format!("refused: {}", said.join("; ")),
        DeliveryState::Done => said.join("; "),
    }
}
