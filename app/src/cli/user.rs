//! `boathouse user`.

use boathouse_types::{ChangePassword, ChangeUser, NewUser, Role, SetPassword, User, UserName};
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::failure::Result;
use super::output::time;
use super::{Context, prompt};

/// Manage users
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users
    List,
    /// Add a user
    Add {
        /// Its name
        name: UserName,
        /// viewer, member or admin
        #[arg(long, default_value = "member", value_parser = role)]
        role: Role,
        /// Read the password from standard input instead of the terminal
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user with its sessions and tokens
    Remove {
        /// Its name
        name: UserName,
    },
    /// Change what a user may do
    Role {
        /// Its name
        name: UserName,
        /// viewer, member or admin
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Set a user's password and end its sessions; without a name, change your own
    Password {
        /// Its name; yours where absent
        name: Option<UserName>,
        /// Read the password from standard input instead of the terminal; for your own, the current one comes first, on a line of its own
        #[arg(long)]
        password_stdin: bool,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| "use viewer, member or admin".into())
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    match args.action {
        Action::List => {
            let users: Vec<User> = client.get("/users").await?;
            let row = |user: &User| vec![user.name.to_string(), user.role.as_str().to_owned(), time(user.created_at)];
            context.out.list(&users, &["name", "role", "created"], row)
        }
        Action::Add { name, role, password_stdin } => {
            let password = prompt::new_secret(&format!("Password of {name}"), password_stdin)?;
            let user: User = client.call(Method::POST, "/users", &NewUser { name, role, password }).await?;
            context.out.result(&user, || format!("Added {} as {}.", user.name, user.role.as_str()))
        }
        Action::Remove { name } => {
            client.delete(&format!("/users/{name}")).await?;
            context.out.result(&json!({ "removed": name }), || format!("Removed {name}."))
        }
        Action::Role { name, role } => {
            let change = ChangeUser { role: Some(role) };
            let user: User = client.call(Method::PATCH, &format!("/users/{name}"), &change).await?;
            context.out.result(&user, || format!("{} is {} from now on.", user.name, user.role.as_str()))
        }
        Action::Password { name: None, password_stdin } => {
            let current = if password_stdin { prompt::read_line()? } else { prompt::secret("Current password: ")? };
            let password = prompt::new_secret("New password", password_stdin)?;
            client.run(Method::PUT, "/session/password", &ChangePassword { current, password }).await?;
            context.out.result(&json!({ "changed": true }), || {
                "Your password is changed, your other sessions are ended.".to_owned()
            })
        }
        Action::Password { name: Some(name), password_stdin } => {
            let password = prompt::new_secret(&format!("New password of {name}"), password_stdin)?;
            client.run(Method::PUT, &format!("/users/{name}/password"), &SetPassword { password }).await?;
            context.out.result(&json!({ "changed": name }), || {
                format!("The password of {name} is set, its sessions are ended.")
            })
        }
    }
}
