//! `boathouse setup`.

use boathouse_types::{Session, Setup, UserName};
use reqwest::Method;

use super::failure::Result;
use super::{Context, prompt};

/// Create the first administrator
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    #[arg(long, default_value = "admin")]
    name: UserName,
    /// Read the password from standard input instead of the terminal
    #[arg(long)]
    password_stdin: bool,
    /// The one-time set-up token; not needed on the server itself
    #[arg(long = "setup-token", default_value = "", hide_default_value = true)]
    setup_token: String,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    let password = prompt::new_secret("Password of the administrator", args.password_stdin)?;
    let setup = Setup { token: args.setup_token, name: args.name, password };
    let session: Session = client.call(Method::POST, "/setup", &setup).await?;
    context.out.result(&session, || format!("{} is the administrator now.", session.name))
}
