//! The caller of one request.

use boathouse_types::{Millis, Role, Session, TokenId, TokenName, UserId, UserName};

use crate::error::{Result, forbidden};
use crate::state::App;

use super::{session, token};

/// Who is calling, as found at the request's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's name; `local` over the unix socket.
    pub name: UserName,
    /// What this caller may do: for a token the lesser of its scope and its user's role.
    pub role: Role,
    /// How the caller proved it.
    pub via: Via,
    /// When that proof ends.
    pub expires_at: Option<Millis>,
}

/// How a caller proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By opening the unix socket of mode 0600.
    Local,
    /// By a session cookie.
    Session {
        /// The session's row.
        id: i64,
        /// Whose it is.
        user: UserId,
        /// SHA-256 of the cookie's secret, to look again.
        hash: [u8; 32],
    },
    /// By a bearer token.
    Token {
        /// The token's row.
        id: TokenId,
        /// Whose it is.
        user: UserId,
        /// Its name.
        name: TokenName,
        /// SHA-256 of its secret, to look again.
        hash: [u8; 32],
    },
}

impl Actor {
    /// Whoever may open the unix socket.
    pub fn local() -> Self {
        let name = "local".parse().expect("`local` is a user name");
        Self { name, role: Role::Admin, via: Via::Local, expires_at: None }
    }

    /// How events name it: a user's name, `token NAME`, or `local`.
    pub fn label(&self) -> String {
        match &self.via {
            Via::Token { name, .. } => format!("token {name}"),
            Via::Local | Via::Session { .. } => self.name.to_string(),
        }
    }

    /// The user's row; none over the unix socket.
    pub fn user(&self) -> Option<UserId> {
        match self.via {
            Via::Local => None,
            Via::Session { user, .. } | Via::Token { user, .. } => Some(user),
        }
    }

    /// Refuses callers below `role`.
    pub fn require(&self, role: Role) -> Result<()> {
        if self.role >= role {
            return Ok(());
        }
        let what = if matches!(self.via, Via::Token { .. }) { "this token" } else { "your user" };
        Err(forbidden(format!("{what} has the rights of a {}; this needs those of a {}", word(self.role), word(role)))
            .hint("Ask an administrator, or use a token with a wider scope."))
    }

    /// True while the proof still holds with the same rights: open streams ask every few seconds.
    pub async fn is_still_valid(&self, app: &App) -> bool {
        let now = match &self.via {
            Via::Local => return true,
            Via::Session { hash, .. } => session::find(app, *hash).await,
            Via::Token { hash, .. } => token::find(app, *hash).await,
        };
        matches!(now, Ok(Some(now)) if now.role == self.role)
    }
}

impl From<&Actor> for Session {
    fn from(actor: &Actor) -> Self {
        Self { name: actor.name.clone(), role: actor.role, expires_at: actor.expires_at }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Member => "member",
        Role::Admin => "administrator",
    }
}
