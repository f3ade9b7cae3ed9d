//! `boathouse tasks`.

use boathouse_types::TaskStatus;

use super::Context;
use super::failure::Result;
use super::output::time;

/// Show the server's background tasks and their last results
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args, context: &Context) -> Result<()> {
    let tasks: Vec<TaskStatus> = context.client()?.get("/tasks").await?;
    let row = |task: &TaskStatus| {
        let last = task.last_started_at.map_or_else(|| "never".to_owned(), time);
        let result = task.last_result.clone().unwrap_or_else(|| "runs".into());
        vec![task.name.clone(), task.runs.to_string(), last, result]
    };
    context.out.list(&tasks, &["task", "runs", "last", "result"], row)
}
