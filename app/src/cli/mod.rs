//! The command line: a client of the API over the unix socket or https, and what runs without a server.
//!
//! One command, one file; its doc comment is its help. The server's sentences are printed as they come.

mod addon;
mod analyze;
mod backup;
mod ca;
mod catalog;
mod catalog_source;
mod check;
mod client;
mod clone;
mod completions;
mod credentials;
mod data;
mod delete;
mod deploy;
mod deployment;
mod describe;
mod dev;
mod disk;
mod domain;
mod edge;
mod env;
mod events;
mod extend;
mod failure;
mod folder;
mod follow;
mod hello;
mod hook;
mod image;
mod login;
mod logout;
mod logs;
mod manifest;
mod new;
mod openapi;
mod output;
mod pack;
mod place;
mod plan;
mod preview;
mod project;
mod promote;
mod prompt;
mod registry;
mod release;
mod resources;
mod restart;
mod restore;
mod rollback;
mod run;
mod runs;
mod schedule;
mod schema;
mod serve;
mod setup;
mod setup_token;
mod sleep;
mod sse;
mod start;
mod status;
mod stop;
mod system;
mod tasks;
mod terminal;
mod token;
mod undelete;
mod upgrade;
mod user;
mod volume;
mod wake;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use client::Client;
pub use failure::{Failure, Result};
pub use output::Output;

/// Boathouse: a self-hosted deployment platform in one binary
///
/// On the server itself it speaks over a unix socket and needs no token. From elsewhere: `boathouse login URL`, or
/// BOATHOUSE_URL and BOATHOUSE_TOKEN.
///
/// Exit codes: 0 success, 1 the release failed, 2 wrong usage, 3 invalid, 4 not signed in, 5 forbidden, 6 not found,
/// 7 conflict, 8 too large, 9 too many requests, 10 unavailable, 11 internal, 12 the disk is full.
#[derive(Debug, Parser)]
#[command(name = "boathouse", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print JSON; streams print one value per line
    #[arg(long, global = true)]
    json: bool,
    /// The server's unix socket
    #[arg(long, global = true, env = "BOATHOUSE_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The server's data directory, which holds the socket
    #[arg(long, global = true, env = "BOATHOUSE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of a server elsewhere
    #[arg(long, global = true, env = "BOATHOUSE_URL", value_name = "URL")]
    url: Option<String>,
    /// Token for that server
    #[arg(long, global = true, env = "BOATHOUSE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Root certificate of that server's internal CA (PEM)
    #[arg(long, global = true, env = "BOATHOUSE_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Flags of clients, for commands that are none: taken as everywhere, without effect, and not in their help. clap shows a
/// command's own flag of a name in the place of the global one.
#[derive(Debug, Clone, Args)]
struct NoClient {
    #[arg(long, hide = true)]
    socket: Option<PathBuf>,
    #[arg(long, hide = true)]
    url: Option<String>,
    #[arg(long, hide = true)]
    token: Option<String>,
    #[arg(long, hide = true)]
    ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per process")]
enum Command {
    Serve(serve::Args),
    New(new::Args),
    Analyze(analyze::Args),
    Setup(setup::Args),
    SetupToken(setup_token::Args),
    Login(login::Args),
    Logout(logout::Args),
    Project(project::Args),
    Deployment(deployment::Args),
    Deploy(deploy::Args),
    Dev(dev::Args),
    Folder(folder::Args),
    Hook(hook::Args),
    Image(image::Args),
    Preview(preview::Args),
    Release(release::Args),
    Rollback(rollback::Args),
    Promote(promote::Args),
    Status(status::Args),
    Describe(describe::Args),
    Restart(restart::Args),
    Volume(volume::Args),
    Data(data::Args),
    Addon(addon::Args),
    Logs(logs::Args),
    Run(run::Args),
    Runs(runs::Args),
    Schedule(schedule::Args),
    Events(events::Args),
    Env(env::Args),
    Domain(domain::Args),
    Start(start::Args),
    Stop(stop::Args),
    Sleep(sleep::Args),
    Wake(wake::Args),
    Extend(extend::Args),
    Delete(delete::Args),
    Undelete(undelete::Args),
    Clone(clone::Args),
    Token(token::Args),
    User(user::Args),
    Registry(registry::Args),
    Catalog(catalog::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Ca(ca::Args),
    System(system::Args),
    Disk(disk::Args),
    Tasks(tasks::Args),
    Check(check::Args),
    Plan(plan::Args),
    Schema(schema::Args),
    Openapi(openapi::Args),
    Completions(completions::Args),
    Edge(edge::Args),
    Hello(hello::Args),
}

/// What a command works with.
pub struct Context {
    global: Global,
    /// Where it prints.
    pub out: Output,
}

impl Context {
    /// The server.
    pub fn client(&self) -> Result<Client> {
        Client::connect(&self.global)
    }

    /// The data directory, for commands that work on it without a server.
    pub fn data_dir(&self) -> PathBuf {
        self.global.data_dir.clone().unwrap_or_else(|| client::DATA_DIR.into())
    }
}

impl Cli {
    /// Where this call prints.
    pub fn output(&self) -> Output {
        Output::new(self.global.json)
    }
}

/// Runs the command.
pub fn run(cli: Cli) -> Result<()> {
    let context = Context { out: cli.output(), global: cli.global };
    match cli.command {
        // These build a runtime of their own, or need none.
        Command::Serve(args) => serve::run(args, &context),
        Command::Edge(args) => edge::run(&args),
        Command::Hello(args) => hello::run(&args),
        Command::SetupToken(args) => setup_token::run(args, &context),
        Command::Restore(args) => restore::run(args, &context),
        Command::Check(args) => check::run(args, &context),
        Command::Schema(args) => schema::run(args, &context),
        Command::Openapi(args) => openapi::run(args, &context),
        Command::Completions(args) => completions::run(args, &context),
        command => runtime()?.block_on(call(command, &context)),
    }
}

/// Commands that are clients of the API.
async fn call(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::New(args) => new::run(args, context).await,
        Command::Analyze(args) => analyze::run(args, context).await,
        Command::Catalog(args) => catalog::run(args, context).await,
        Command::Setup(args) => setup::run(args, context).await,
        Command::Login(args) => login::run(args, context).await,
        Command::Logout(args) => logout::run(args, context).await,
        Command::Project(args) => project::run(args, context).await,
        Command::Deployment(args) => deployment::run(args, context).await,
        Command::Deploy(args) => deploy::run(args, context).await,
        Command::Dev(args) => dev::run(args, context).await,
        Command::Folder(args) => folder::run(args, context).await,
        Command::Hook(args) => hook::run(args, context).await,
        Command::Image(args) => image::run(args, context).await,
        Command::Preview(args) => preview::run(args, context).await,
        Command::Release(args) => release::run(args, context).await,
        Command::Rollback(args) => rollback::run(args, context).await,
        Command::Promote(args) => promote::run(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Describe(args) => describe::run(args, context).await,
        Command::Restart(args) => restart::run(args, context).await,
        Command::Volume(args) => volume::run(args, context).await,
        Command::Data(args) => data::run(args, context).await,
        Command::Addon(args) => addon::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Run(args) => run::run(args, context).await,
        Command::Runs(args) => runs::run(args, context).await,
        Command::Schedule(args) => schedule::run(args, context).await,
        Command::Events(args) => events::run(args, context).await,
        Command::Env(args) => env::run(args, context).await,
        Command::Plan(args) => plan::run(args, context).await,
        Command::Domain(args) => domain::run(args, context).await,
        Command::Start(args) => start::run(args, context).await,
        Command::Extend(args) => extend::run(args, context).await,
        Command::Stop(args) => stop::run(args, context).await,
        Command::Sleep(args) => sleep::run(args, context).await,
        Command::Wake(args) => wake::run(args, context).await,
        Command::Delete(args) => delete::run(args, context).await,
        Command::Clone(args) => clone::run(args, context).await,
        Command::Undelete(args) => undelete::run(args, context).await,
        Command::Token(args) => token::run(args, context).await,
        Command::User(args) => user::run(args, context).await,
        Command::Registry(args) => registry::run(args, context).await,
        Command::Backup(args) => backup::run(args, context).await,
        Command::Ca(args) => ca::run(args, context).await,
        Command::System(args) => system::run(args, context).await,
        Command::Disk(args) => disk::run(args, context).await,
        Command::Tasks(args) => tasks::run(args, context).await,
        // `run` took the others.
        _ => Ok(()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("no runtime could be made: {error}")))
}
