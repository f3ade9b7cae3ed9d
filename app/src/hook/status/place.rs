//! Where a git host takes commit statuses, from the address of a repository.

use boathouse_types::{GitUrl, Provider, Source};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Result, invalid};

/// What stays as it is in a part of a path (RFC 3986 §2.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The base address of a provider's API for a repository; none where its address names no host.
pub fn usual_api(provider: Provider, url: &GitUrl) -> Option<String> {
    let (host, _) = parts(url.as_str())?;
    // A port of ssh is none of the API's.
    let name = host.split(':').next().unwrap_or_default().to_owned();
    let (scheme, host) = match url.as_str().split_once("://") {
        Some((scheme @ ("http" | "https"), _)) => (scheme, host),
        _ => ("https", name.clone()),
    };
    Some(match provider {
        Provider::Github if name == "github.com" => "https://api.github.com".to_owned(),
        Provider::Github => format!("{scheme}://{host}/api/v3"),
        Provider::Gitlab => format!("{scheme}://{host}/api/v4"),
        Provider::Gitea | Provider::Forgejo => format!("{scheme}://{host}/api/v1"),
        Provider::Bitbucket if name == "bitbucket.org" => CLOUD.to_owned(),
        Provider::Bitbucket => format!("{scheme}://{host}/rest/api/latest"),
        Provider::Boathouse | Provider::Ci => return None,
    })
}

const CLOUD: &str = "https://api.bitbucket.org/2.0";

/// Where the status of a commit is posted.
pub fn address(provider: Provider, api: &str, source: &Source, sha: &str) -> Result<String> {
    let Source::Git { url, .. } = source else { return Err(nothing()) };
    let (_, path) = parts(url.as_str()).ok_or_else(nothing)?;
    let path = path.strip_suffix(".git").unwrap_or(&path).trim_matches('/').to_owned();
    let each = |path: &str| path.split('/').map(encoded).collect::<Vec<_>>().join("/");
    let (owner, name) = path.rsplit_once('/').ok_or_else(nothing)?;
    Ok(match provider {
        Provider::Github | Provider::Gitea | Provider::Forgejo => format!("{api}/repos/{}/statuses/{sha}", each(&path)),
        Provider::Gitlab => format!("{api}/projects/{}/statuses/{sha}", encoded(&path)),
        Provider::Bitbucket if api.contains("/rest/api/") => {
            let key = owner.strip_prefix("scm/").unwrap_or(owner);
            format!("{api}/projects/{}/repos/{}/commits/{sha}/builds", encoded(key), encoded(name))
        }
        Provider::Bitbucket => format!("{api}/repositories/{}/commit/{sha}/statuses/build", each(&path)),
        Provider::Boathouse | Provider::Ci => return Err(nothing()),
    })
}

fn encoded(part: &str) -> String {
    utf8_percent_encode(part, PART).to_string()
}

fn nothing() -> crate::error::Error {
    invalid("the project's source is no repository at a git host")
        .hint("Commit statuses are for projects from GitHub, GitLab, Bitbucket, Gitea or Forgejo.")
}

/// Host with port, and path, of `https://host/path`, `ssh://git@host/path` and `git@host:path`.
fn parts(url: &str) -> Option<(String, String)> {
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':').filter(|(authority, _)| !authority.contains('/'))?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), path.trim_start_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_own_address() {
        for (provider, url, expected) in [
            (Provider::Github, "git@github.com:ada/shop.git", "https://api.github.com/repos/ada/shop/statuses/abc"),
            (Provider::Github, "https://ghe.example.com/a/b", "https://ghe.example.com/api/v3/repos/a/b/statuses/abc"),
            (
                Provider::Gitlab,
                "ssh://git@gitlab.example.com:2222/group/sub/shop.git",
                "https://gitlab.example.com/api/v4/projects/group%2Fsub%2Fshop/statuses/abc",
            ),
            (Provider::Gitea, "http://git.local:3000/a/b.git", "http://git.local:3000/api/v1/repos/a/b/statuses/abc"),
            (
                Provider::Bitbucket,
                "https://ada@bitbucket.org/ada/shop.git",
                "https://api.bitbucket.org/2.0/repositories/ada/shop/commit/abc/statuses/build",
            ),
            (
                Provider::Bitbucket,
                "https://stash.example.com/scm/KEY/shop.git",
                "https://stash.example.com/rest/api/latest/projects/KEY/repos/shop/commits/abc/builds",
            ),
        ] {
            let url: GitUrl = url.parse().unwrap();
            let api = usual_api(provider, &url).unwrap();
            let source = Source::Git { url, branch: None, folder: None };
            assert_eq!(address(provider, &api, &source, "abc").unwrap(), expected);
        }
        assert_eq!(usual_api(Provider::Github, &"/srv/x".parse().unwrap()), None);
        assert!(address(Provider::Github, "https://x", &Source::Upload, "abc").is_err());
    }
}
