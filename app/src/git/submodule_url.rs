//! The address of a submodule: as it stands, or relative to its parent's (gitmodules(5)).

use boathouse_types::GitUrl;

use super::login::origin;
use crate::error::{Error, Result, invalid};

/// The address that `text` means in a repository that came from `base`. A password in the base's address goes along to the same
/// host, nowhere else.
///
/// # Errors
/// It is no address, climbs above the root of its host, or is a path on this server: who can write to a repository may not read
/// what is here.
pub fn resolve(base: &GitUrl, text: &str) -> Result<GitUrl> {
    let relative = text.starts_with("./") || text.starts_with("../");
    let url: GitUrl = if relative {
        joined(base.as_str(), text)?
    } else {
        text.parse().map_err(|_| refused(text, "is none that is allowed"))?
    };
    if url.as_str().starts_with('/') {
        return Err(refused(text, "leads to a path on this server"));
    }
    Ok(if origin(&url).is_some() && origin(&url) == origin(base) { signed_in(base, url) } else { url })
}

/// `host:port` of an ssh address, or `host` of the form `user@host:path`; `None` of any other.
pub fn ssh_host(url: &GitUrl) -> Option<String> {
    let text = url.as_str();
    let authority = match text.strip_prefix("ssh://") {
        Some(rest) => rest.split('/').next()?,
        None if text.contains("://") || text.starts_with('/') => return None,
        None => text.split_once(':')?.0,
    };
    Some(authority.rsplit('@').next()?.trim_end_matches(":22").to_ascii_lowercase())
}

/// The base's path with the relative one, in which `..` never leaves the host.
fn joined(base: &str, relative: &str) -> Result<GitUrl> {
    let after_host = match base.split_once("://") {
        Some((scheme, rest)) => scheme.len() + 3 + rest.find('/').map_or(rest.len(), |at| at + 1),
        None if base.starts_with('/') => 1,
        None => base.find(':').map_or(0, |at| at + 1),
    };
    let (host, path) = base.split_at(after_host);
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or_else(|| refused(relative, "climbs above the root of its parent's host"))?),
            name => parts.push(name),
        }
    }
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{host}{slash}{}", parts.join("/")).parse().map_err(|_| refused(relative, "leads to no address"))
}

/// The address with the base's user name and password, where it has none of its own.
fn signed_in(base: &GitUrl, url: GitUrl) -> GitUrl {
    let login = |url: &GitUrl| {
        let rest = url.as_str().split_once("://")?.1.split('/').next()?.to_owned();
        Some(rest.rsplit_once('@')?.0.to_owned())
    };
    let (Some(of_base), None, Some((scheme, rest))) = (login(base), login(&url), url.as_str().split_once("://")) else {
        return url;
    };
    format!("{scheme}://{of_base}@{rest}").parse().unwrap_or(url)
}

fn refused(text: &str, why: &str) -> Error {
    let shown: String = super::without_password(text).chars().take(200).collect();
    invalid(format!("its address \"{}\" {why}", shown.escape_debug()))
        .hint("A submodule has an https or ssh address, or one relative to its parent's, such as ../lib.git.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_stay_at_their_host() {
        for (base, text, expected) in [
            ("https://h.test/team/app.git", "../lib.git", "https://h.test/team/lib.git"),
            ("https://h.test/team/app.git/", "../../x/lib", "https://h.test/x/lib"),
            ("https://h.test/app", "./sub", "https://h.test/app/sub"),
            ("https://me:tok@h.test/a/b", "../c", "https://me:tok@h.test/a/c"),
            ("https://me:tok@h.test/a/b", "https://h.test/c", "https://me:tok@h.test/c"),
            ("https://me:tok@h.test/a/b", "https://ada:x@h.test/c", "https://ada:x@h.test/c"),
            ("https://me:tok@h.test/a/b", "https://h.test.evil/c", "https://h.test.evil/c"),
            ("https://me:tok@h.test/a/b", "http://h.test/c", "http://h.test/c"),
            ("git@h.test:team/app.git", "../lib.git", "git@h.test:team/lib.git"),
            ("ssh://git@h.test:2222/team/app.git", "../lib.git", "ssh://git@h.test:2222/team/lib.git"),
            ("https://h.test/a", "git@other:x.git", "git@other:x.git"),
        ] {
            let base: GitUrl = base.parse().unwrap();
            assert_eq!(resolve(&base, text).unwrap().as_str(), expected, "{base} {text}");
        }
    }

    #[test]
    fn what_leads_to_this_server_or_runs_something_is_refused() {
        for (base, text) in [
            ("https://h.test/a.git", "../../evil.test/x"),
            ("https://h.test/a.git", "/srv/secret.git"),
            ("https://h.test/a.git", "file:///srv/secret.git"),
            ("https://h.test/a.git", "ext::sh -c id"),
            ("https://h.test/a.git", "-oProxyCommand=id"),
            ("https://h.test/a.git", "ssh://-oProxyCommand=id/x"),
            ("https://h.test/a.git", "lib"),
            ("https://h.test/a.git", ""),
            ("https://h.test/a.git", "../a b\n"),
            ("/srv/app.git", "../secret.git"),
            ("/srv/app.git", "../../../root/x.git"),
            ("git@h.test:app.git", "../../x"),
        ] {
            let base: GitUrl = base.parse().unwrap();
            let error = resolve(&base, text).unwrap_err();
            assert!(error.hint.is_some(), "{base} {text}");
        }
    }

    #[test]
    fn ssh_hosts_are_compared_with_their_ports() {
        for (url, expected) in [
            ("ssh://git@H.test:2222/a", Some("h.test:2222")),
            ("ssh://git@h.test:22/a", Some("h.test")),
            ("git@h.test:a/b", Some("h.test")),
            ("https://h.test/a", None),
            ("/srv/a", None),
        ] {
            assert_eq!(ssh_host(&url.parse().unwrap()).as_deref(), expected, "{url}");
        }
    }
}
