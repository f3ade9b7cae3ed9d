//! `boathouse system`.

use boathouse_types::System;

use super::Context;
use super::failure::Result;
use super::output::{size, time};

/// Show the server's version, engine, disk, memory and builds
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args, context: &Context) -> Result<()> {
    let system: System = context.client()?.get("/system").await?;
    context.out.result(&system, || describe(&system))
}

fn describe(system: &System) -> String {
    let engine = match (&system.engine.problem, &system.engine.version) {
        (Some(problem), _) => problem.clone(),
        (None, Some(version)) => format!("{version}, API {}", system.engine.api_version.as_deref().unwrap_or("?")),
        (None, None) => "unknown".into(),
    };
    let builds = &system.builds;
    let memory = builds.memory_available_bytes.map(|bytes| {
        format!(
            "          {} of memory available, builds begin from {} on",
            size(bytes),
            size(builds.memory_floor_bytes)
        )
    });
    let problem = builds.problem.as_ref().map(|problem| format!("          {problem}"));
    let lines = [
        format!("version   {}", system.version),
        format!("started   {}", time(system.started_at)),
        format!("console   {}", system.console_url),
        format!("domain    {}", system.base_domain),
        format!("engine    {engine}"),
        format!("disk      {} free of {}", size(system.disk.free_bytes), size(system.disk.total_bytes)),
        format!("memory    {}", size(system.memory_bytes)),
        format!("builds    {}", builds.words()),
    ];
    lines.into_iter().chain(memory).chain(problem).collect::<Vec<_>>().join("\n")
}
