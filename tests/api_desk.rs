//! The API in this process, over its two real sockets, with nothing behind it: no engine, no edge, no worker.

use std::path::PathBuf;

use boathouse::auth;
use boathouse::config::ServeArgs;
use boathouse::db::user;
use boathouse::serve;
use boathouse::state::App;
use boathouse::{api, clock};
use boathouse_types::{NewToken, Role, Scope};
use clap::Parser;
use tempfile::TempDir;

use crate::harness::Client;

/// The console's host name.
pub const CONSOLE: &str = "boathouse.localhost";
/// A session's cookie.
pub const COOKIE: &str = "boathouse_session";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: ServeArgs,
}

/// An API that answers.
pub struct Desk {
    /// Its handles.
    pub app: App,
    home: TempDir,
}

impl Desk {
    /// Starts it in a data directory of its own.
    pub fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let flags = ["test", "--data-dir", data.to_str().unwrap(), "--console-host", CONSOLE];
        let app = serve::open(Flags::parse_from(flags).serve).unwrap();
        api::start(&app).unwrap();
        Self { app, home }
    }

    /// A folder beside the data directory.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// The machine's administrator.
    pub fn local(&self) -> Client {
        Client::over_socket(&self.app.paths.socket())
    }

    /// Somebody who comes through the edge over TLS and shows nothing.
    pub fn anon(&self) -> Client {
        self.anon_from("203.0.113.9")
    }

    /// The same from an address.
    pub fn anon_from(&self, address: &str) -> Client {
        Client::over_socket(&self.app.paths.console_socket())
            .with_header("host", CONSOLE)
            .with_header("x-forwarded-for", address)
            .with_header("x-forwarded-proto", "https")
    }

    /// Makes a user, without the cost of a password.
    pub fn make_user(&self, name: &str, role: Role) {
        let name = name.parse().unwrap();
        self.app.db.write_blocking(|tx| user::create(tx, &name, role, "no password").map(drop)).unwrap();
    }

    /// A new session's cookie of a user.
    pub fn cookie(&self, name: &str) -> String {
        let started = self.app.db.write_blocking(|tx| {
            let user = user::by_name(tx, &name.parse()?)?;
            auth::session::start(tx, user.id)
        });
        format!("{COOKIE}={}", started.unwrap().secret)
    }

    /// A signed-in browser of a user: the cookie, and the header that changes need.
    pub fn browser(&self, name: &str) -> Client {
        self.anon().with_header("cookie", &self.cookie(name)).with_header("x-boathouse-csrf", "1")
    }

    /// A token of a user.
    pub fn token(&self, name: &str, scope: Scope) -> String {
        let new =
            NewToken { name: "t".parse().unwrap(), scope, expires_in_days: None, user: Some(name.parse().unwrap()) };
        let made = self.app.db.write_blocking(|tx| auth::token::create(tx, &auth::Actor::local(), &new));
        made.unwrap().0
    }

    /// Changes a table behind the API's back, as time does.
    pub fn let_end(&self, table: &str) {
        let sql = format!("update {table} set expires_at = {}", clock::now() - 1);
        self.app.db.write_blocking(|tx| Ok(tx.execute_batch(&sql)?)).unwrap();
    }
}
