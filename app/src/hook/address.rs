//! Whether a delivery is about the project's repository: https, ssh and web addresses of one repository name the same host and path.

/// A repository: its host without port, and its path, both in lower case; no host where the provider names none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: Option<String>,
    path: String,
}

/// Whether one of the addresses that a delivery names is that of the source.
pub fn is_same(source: &str, named: &[String]) -> bool {
    let Some(source) = place(source) else { return false };
    named.iter().filter_map(|address| place(address)).any(|named| match &named.host {
        Some(host) => source.host.as_ref() == Some(host) && source.path == named.path,
        None => source.path == named.path || source.path.ends_with(&format!("/{}", named.path)),
    })
}

fn place(address: &str) -> Option<Place> {
    let (authority, path) = match address.split_once("://") {
        Some((_, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (Some(authority), path)
        }
        // `git@host:path` (scp), `KEY/slug`, or a path on this machine.
        None => match address.split_once(':') {
            Some((authority, path)) if !authority.contains('/') => (Some(authority), path),
            _ => (None, address),
        },
    };
    let host = authority.map(|authority| {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // The ports of https and ssh differ; an IPv6 address stands in brackets.
        let end = host.rfind(']').map_or_else(|| host.find(':').unwrap_or(host.len()), |bracket| bracket + 1);
        host[..end].trim_end_matches('.').to_ascii_lowercase()
    });
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/').to_lowercase();
    // Bitbucket Data Center serves https below /scm.
    let path = path.strip_prefix("scm/").map_or(path.clone(), str::to_owned);
    (!path.is_empty()).then_some(Place { host, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_repository_has_many_addresses() {
        let same = |source: &str, named: &str| is_same(source, &[named.to_owned()]);
        for (source, named) in [
            ("https://github.com/ada/shop", "https://github.com/ada/shop.git"),
            ("https://GitHub.com/Ada/Shop.git", "git@github.com:ada/shop.git"),
            ("git@github.com:ada/shop.git", "https://github.com/ada/shop"),
            ("ssh://git@git.example.com:2222/ada/shop.git", "http://git.example.com:3000/ada/shop.git"),
            ("https://token@gitlab.com/group/sub/shop.git/", "git@gitlab.com:group/sub/shop.git"),
            ("https://stash.example.com/scm/KEY/shop.git", "ssh://git@stash.example.com:7999/key/shop.git"),
            ("https://stash.example.com/scm/KEY/shop.git", "KEY/shop"),
            ("http://[::1]:80/a/b", "http://[::1]:3000/a/b"),
        ] {
            assert!(same(source, named), "{source} {named}");
        }
        for (source, named) in [
            ("https://github.com/ada/shop", "https://github.com/eve/shop"),
            ("https://github.com/ada/shop", "https://github.com.evil.example/ada/shop"),
            ("https://github.com/ada/shop", "https://evil.example/github.com/ada/shop"),
            ("https://github.com/ada/shop", "https://github.com@evil.example/ada/shop"),
            ("https://github.com/ada/shop", "https://github.com/ada/shop-2"),
            ("https://stash.example.com/scm/KEY/shop.git", "op"),
            ("https://github.com/ada/shop", ""),
            ("/srv/shop.git", "https://github.com/srv/shop"),
        ] {
            assert!(!same(source, named), "{source} {named}");
        }
        assert!(!is_same("https://github.com/ada/shop", &[]));
    }
}
