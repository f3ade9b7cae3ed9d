//! `boathouse login`.

use std::path::PathBuf;

use boathouse_types::{CreatedToken, NewToken, Scope, Session, SignIn, TokenName};
use reqwest::Method;

use super::client::{Client, canonical};
use super::credentials::{Credentials, Server};
use super::failure::{Failure, Result};
use super::{Context, prompt};

/// The server refuses a changing request of a cookie session without this header.
const CSRF: &str = "x-boathouse-csrf";

/// Sign in to a server elsewhere and store a token for it
///
/// Asks for name and password and makes a token of 90 days; or takes one that exists.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The console's address, such as https://boathouse.example.com
    #[arg(value_name = "URL")]
    address: String,
    /// Read a token from standard input instead of asking for name and password
    #[arg(long)]
    token_stdin: bool,
    /// The user's name; asked for where absent
    #[arg(long)]
    name: Option<String>,
    /// What the new token may do: read, deploy or admin
    #[arg(long, default_value = "deploy", value_parser = super::token::scope)]
    scope: Scope,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let base = canonical(&args.address)?;
    let ca = context.global.ca.as_ref().map(|file| file.canonicalize()).transpose()?;
    let token = if args.token_stdin { prompt::read_line()? } else { new_token(&args, &base, ca.as_ref()).await? };
    let client = Client::over_https(&base, Some(token.clone()), ca.as_deref())?;
    let session: Session = client.get("/session").await?;
    let mut stored = Credentials::load()?;
    stored.servers.insert(base.clone(), Server { token, ca });
    stored.current = Some(base.clone());
    stored.save()?;
    context.out.result(&session, || format!("Signed in to {base} as {} ({}).", session.name, session.role.as_str()))
}

async fn new_token(args: &Args, base: &str, ca: Option<&PathBuf>) -> Result<String> {
    let name = args.name.clone().map_or_else(|| prompt::line("Name: "), Ok)?;
    let password = prompt::secret("Password: ")?;
    let client = Client::over_https(base, None, ca.map(PathBuf::as_path))?;
    let answer = client.raw(Method::POST, "/session", |request| request.json(&SignIn { name, password })).await?;
    let cookie = cookie(&answer).ok_or_else(|| Failure::internal("the server set no session cookie"))?;
    let new = NewToken { name: token_name()?, scope: args.scope, expires_in_days: None, user: None };
    let with_session = |request: reqwest::RequestBuilder| request.header("cookie", &cookie).header(CSRF, "1");
    let answer = client.raw(Method::POST, "/tokens", |request| with_session(request).json(&new)).await?;
    let made: CreatedToken = answer.json().await.map_err(|error| Failure::internal(error.to_string()))?;
    client.raw(Method::DELETE, "/session", with_session).await?;
    Ok(made.secret)
}

fn cookie(answer: &reqwest::Response) -> Option<String> {
    Some(answer.headers().get("set-cookie")?.to_str().ok()?.split(';').next()?.to_owned())
}

fn token_name() -> Result<TokenName> {
    let machine = rustix::system::uname();
    Ok(format!("command line on {}", machine.nodename().to_string_lossy()).parse()?)
}
