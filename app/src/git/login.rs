//! How git signs in at an https remote: by a header in a file that only this user reads, never by an argument or an address.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{GitLogin, GitUrl};

use crate::error::{Result, invalid};

/// Characters of a user name or a token.
const MAX: usize = 4096;

/// `https://host:port` of an http or https address; `None` of any other.
pub fn origin(url: &GitUrl) -> Option<String> {
    let (scheme, rest) = url.as_str().split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// Whether an address holds a password.
pub fn is_in(url: &GitUrl) -> bool {
    super::without_password(url.as_str()) != url.as_str()
}

/// User name and password of an http or https address, where it has them.
pub fn in_address(url: &GitUrl) -> Option<(String, String)> {
    let (_, rest) = url.as_str().split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let login = rest.split('/').next()?.rsplit_once('@')?.0;
    let (username, password) = login.split_once(':').unwrap_or((login, ""));
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((plain(username), plain(password)))
}

/// The header's value (RFC 7617 §2).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// Refuses what cannot stand in the header.
pub fn check(login: &GitLogin) -> Result<()> {
    let wrong = |text: &str| text.is_empty() || text.len() > MAX || text.chars().any(char::is_control);
    if wrong(&login.username) || wrong(&login.token) || login.username.contains(':') {
        return Err(invalid("this is no login: user name and token are one line each, and the name has no colon")
            .hint("Many hosts take any name, such as `git`, with a token as the password."));
    }
    Ok(())
}

/// The lines of git's configuration that sign in at `origin` and nowhere else.
pub fn settings(origin: &str, login: &GitLogin) -> String {
    let shown = origin.replace('\\', "\\\\").replace('"', "\\\"");
    let basic = basic(&login.username, &login.token);
    format!("[http \"{shown}/\"]\n\textraHeader = \"Authorization: {basic}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_for_one_host() {
        for (url, expected) in [
            ("https://Git.Example.com:8443/a/b.git", Some("https://git.example.com:8443")),
            ("https://ada:x@example.com/b", Some("https://example.com")),
            ("ssh://git@example.com/a", None),
            ("git@example.com:a", None),
            ("/srv/x", None),
        ] {
            let url: GitUrl = url.parse().unwrap();
            assert_eq!(origin(&url).as_deref(), expected, "{url}");
        }
        let address = "https://ada%40home:t%3Ak@example.com/b".parse().unwrap();
        assert_eq!(in_address(&address), Some(("ada@home".to_owned(), "t:k".to_owned())));
        let login = GitLogin { username: "ada".into(), token: "tok3n".into() };
        let text = settings("https://example.com", &login);
        assert!(text.starts_with("[http \"https://example.com/\"]") && !text.contains("tok3n"));
        assert!(check(&login).is_ok() && !format!("{login:?}").contains("tok3n"));
        for bad in ["", "a\nb", "a\0"] {
            assert!(check(&GitLogin { token: bad.into(), ..login.clone() }).is_err());
        }
    }
}
