//! `boathouse token`.

use boathouse_types::{CreatedToken, NewToken, Scope, Token, TokenName, UserName};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::Result;
use super::output::time;

/// Manage API tokens
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List tokens
    List,
    /// Make a token and print its secret, this once
    Create {
        /// What it is for
        name: TokenName,
        /// read, deploy or admin
        #[arg(long, default_value = "deploy", value_parser = scope)]
        scope: Scope,
        /// Days until it ends [default: 90]
        #[arg(long, value_name = "N")]
        days: Option<u32>,
        /// Whose it is; needed over the unix socket
        #[arg(long)]
        user: Option<UserName>,
    },
    /// Revoke a token at once
    Revoke {
        /// Its number in the list
        id: i64,
    },
}

/// The scope of a word.
pub fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "use read, deploy or admin".into())
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.action {
        Action::List => {
            let tokens: Vec<Token> = client.get("/tokens").await?;
            context.out.list(&tokens, &["id", "name", "user", "scope", "ends", "last used"], row)
        }
        Action::Create { name, scope, days, user } => {
            let new = NewToken { name, scope, expires_in_days: days, user };
            let made: CreatedToken = client.call(Method::POST, "/tokens", &new).await?;
            context.out.note("this is shown only now; keep it safe");
            context.out.result(&made, || made.secret.clone())
        }
        Action::Revoke { id } => {
            client.delete(&format!("/tokens/{id}")).await?;
            context.out.result(&json!({ "revoked": id }), || format!("Token {id} is revoked."))
        }
    }
}

fn row(token: &Token) -> Vec<String> {
    let used = token.last_used_at.map_or_else(|| "never".to_owned(), time);
    let scope = token.scope.as_str().to_owned();
    vec![token.id.to_string(), token.name.to_string(), token.user.to_string(), scope, time(token.expires_at), used]
}
