//! Names parsed once into types that cannot be wrong. Every field of the API that names something is one of these.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a name of the wanted kind; reads as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    /// What was meant to be named: "project name", "host name".
    pub kind: &'static str,
    /// The text, shortened, with control characters escaped.
    pub given: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl InvalidName {
    fn new(kind: &'static str, given: &str, rule: &'static str) -> Self {
        let given = given.chars().take(80).collect::<String>().escape_debug().to_string();
        Self { kind, given, rule }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a {}: {}", self.given, self.kind, self.rule)
    }
}

impl std::error::Error for InvalidName {}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                $check(text).map(Self).map_err(|rule| InvalidName::new($kind, text, rule))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A project's name: also the first label of its generated host names.
    ProjectName, "project name", slug
);
name!(
    /// A deployment's name, unique in its project.
    DeploymentName, "deployment name", slug
);
name!(
    /// A component's or an add-on's identifier: its internal host name and default folder.
    Identifier, "identifier", slug
);
name!(
    /// A schedule's name, unique in its deployment.
    ScheduleName, "schedule name", slug
);
name!(
    /// What a project or deployment is called for people, beside the name that identifies it; empty for that name itself.
    DisplayName, "display name", display_name
);
name!(
    /// A user's name.
    UserName, "user name", user_name
);
name!(
    /// A token's name: free text for people.
    TokenName, "token name", label
);
name!(
    /// An environment variable's key (POSIX.1-2017 §8.1).
    EnvKey, "environment variable name", env_key
);
name!(
    /// A public host name in its canonical form: lower case, no trailing dot (RFC 1123 §2.1). A first label `*` is a wildcard.
    HostName, "host name", host_name
);
name!(
    /// A git branch, tag or commit that is safe to hand to git (git-check-ref-format).
    GitRef, "git reference", git_ref
);
name!(
    /// An image reference: `[registry/]name[:tag][@sha256:…]` (OCI distribution-spec).
    ImageRef, "image reference", image_ref
);
name!(
    /// An image registry as image references name it: `host[:port]` in lower case; Docker Hub is `docker.io`.
    RegistryHost, "registry", registry_host
);
name!(
    /// Who signs in at a registry.
    RegistryUser, "user name at a registry", registry_user
);
name!(
    /// A pattern of paths or tags: `*` within a folder, `**` across folders, `?`, `[a-z]`, `{a,b}`; `!` in front excepts.
    Glob, "pattern", glob
);
name!(
    /// A git remote: https, http, ssh, `git@host:path`, or an absolute path on the server.
    GitUrl, "git URL", git_url
);

/// Docker Hub's names: in references, at sign-in, and of the host that answers.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The parts of an image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageParts<'a> {
    /// Registry and repository: `ghcr.io/owner/app`.
    pub name: &'a str,
    /// The tag; engines take `latest` where there is neither tag nor digest.
    pub tag: Option<&'a str>,
    /// `sha256:…`.
    pub digest: Option<&'a str>,
}

impl ImageRef {
    /// Name, tag and digest. A colon before a slash belongs to the registry's port.
    pub fn parts(&self) -> ImageParts<'_> {
        let (text, digest) = self.0.split_once('@').map_or((self.0.as_str(), None), |(text, hash)| (text, Some(hash)));
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        };
        ImageParts { name, tag, digest }
    }

    /// The registry that it comes from: what stands before the first slash and can be a host, else Docker Hub.
    pub fn registry(&self) -> RegistryHost {
        let first = self.0.split_once('/').map(|(first, _)| first);
        let named = first.and_then(|first| first.parse().ok());
        named.unwrap_or_else(|| RegistryHost(DOCKER_HUB[0].to_owned()))
    }
}

const SLUG_MAX: usize = 40;

fn slug(text: &str) -> Result<String, &'static str> {
    let rule =
        "use 1 to 40 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen";
    let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let edges = text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-');
    if text.len() <= SLUG_MAX && inner && edges { Ok(text.to_owned()) } else { Err(rule) }
}

fn user_name(text: &str) -> Result<String, &'static str> {
    let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b));
    if (1..=100).contains(&text.len()) && allowed && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 100 letters, digits and any of . _ - @ +, not starting with a hyphen")
    }
}

fn label(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 100 characters without control characters")
    }
}

fn display_name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.chars().count() <= 80 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("use at most 80 characters without control characters")
    }
}

fn env_key(text: &str) -> Result<String, &'static str> {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if first && rest && text.len() <= 200 {
        Ok(text.to_owned())
    } else {
        Err("use letters, digits and underscores, not starting with a digit")
    }
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if host.is_empty() || host.len() > 253 {
        return Err("it must have 1 to 253 characters");
    }
    let rest = host.strip_prefix("*.").unwrap_or(&host);
    if !rest.split('.').all(host_label) {
        return Err(
            "each label has 1 to 63 letters, digits and hyphens and neither starts nor ends with a hyphen; write international names in their xn-- form",
        );
    }
    if !rest.contains('.') && rest != "localhost" {
        return Err("it needs at least two labels, as in app.example.com");
    }
    if rest.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err("it looks like an IP address; a host name is needed");
    }
    Ok(host)
}

fn host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn glob(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "1 to 200 characters, `/` between folders, no `..`, no backslashes, as in web/**";
    let inner = text.strip_prefix('!').unwrap_or(text);
    let odd = inner.chars().any(|c| c.is_control() || c == '\\');
    let climbs = inner.split('/').any(|part| part == "..");
    let fine = !inner.trim_matches('/').is_empty() && inner.len() <= 200 && !odd && !climbs;
    if fine { Ok(text.to_owned()) } else { Err(RULE) }
}

fn git_ref(text: &str) -> Result<String, &'static str> {
    let bad = text.is_empty()
        || text.len() > 250
        || text.starts_with(['-', '/', '.'])
        || text.ends_with(['/', '.'])
        || text.ends_with(".lock")
        || ["..", "//", "@{", "/."].iter().any(|s| text.contains(s))
        || text.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\'\"`$;&|<>()!".contains(c));
    if bad { Err("git-check-ref-format(1) forbids it as a branch or tag") } else { Ok(text.to_owned()) }
}

fn image_ref(text: &str) -> Result<String, &'static str> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let digest_ok = digest.is_none_or(|d| {
        d.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let chars_ok = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:".contains(&b));
    let edges_ok =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    let tail = name.rsplit('/').next().unwrap_or(name);
    let path_ok = !name.contains("//")
        && tail.matches(':').count() <= 1
        && tail.split(':').next().is_some_and(|p| p.bytes().all(|b| !b.is_ascii_uppercase()));
    if digest_ok && chars_ok && edges_ok && path_ok && text.len() <= 300 {
        Ok(text.to_owned())
    } else {
        Err("write it as [registry/]name[:tag] or name@sha256:…, the name in lower case")
    }
}

fn registry_host(text: &str) -> Result<String, &'static str> {
    let rule = "write it as image names begin: ghcr.io, docker.io, registry.example.com:5000; no https:// and no path";
    let lower = text.to_ascii_lowercase();
    let (host, port) = match lower.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (lower.as_str(), None),
    };
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0 && !port.starts_with('+')));
    // Without a dot or a port it would be the first folder of a name at Docker Hub.
    let is_host = host.contains('.') || port.is_some() || host == "localhost";
    if host.len() > 253 || !host.split('.').all(host_label) || !port_ok || !is_host {
        return Err(rule);
    }
    Ok(if DOCKER_HUB.contains(&lower.as_str()) { DOCKER_HUB[0].to_owned() } else { lower })
}

fn registry_user(text: &str) -> Result<String, &'static str> {
    // A colon would end it in the header that carries it (RFC 7617 §2).
    if (1..=200).contains(&text.len()) && !text.contains(':') && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 200 characters without colons and control characters")
    }
}

fn git_url(text: &str) -> Result<String, &'static str> {
    let clean = !text.is_empty()
        && text.len() <= 2000
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let schemed =
        ["https://", "http://", "ssh://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(host_part_is_sane));
    // A double colon names a remote helper (gitremote-helpers(7)): `ext::` runs commands.
    let scp_like = !text.contains("://")
        && !text.contains("::")
        && text.split_once(':').is_some_and(|(who, path)| {
            !path.is_empty()
                && !path.starts_with('-')
                && !who.contains('/')
                && who.split('@').all(|part| !part.is_empty() && !part.starts_with('-'))
        });
    if clean && (schemed || text.starts_with('/') || scp_like) {
        Ok(text.to_owned())
    } else {
        Err("use https://, http:// or ssh://, the form user@host:path, or an absolute path on the server")
    }
}

fn host_part_is_sane(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    !host.is_empty() && !host.starts_with('-') && !authority.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should parse");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should not parse");
        }
    }

    #[test]
    fn names() {
        check::<ProjectName>(&["a", "shop-1"], &["", "-a", "a-", "A", "1a", "a b", "a\n", "ä", &"a".repeat(41)]);
        check::<EnvKey>(&["A", "_x", "DATABASE_URL"], &["", "1A", "A-B", "A=B", "A\n"]);
        check::<HostName>(
            &["app.test", "APP.Example.com.", "*.app.test", "localhost", "xn--bcher-kva.example"],
            &["", "app", "a..b", "-a.test", "a_b.test", "1.2.3.4", "*.com.*", "a b.test", "a.test/x", "a.test:80"],
        );
        check::<GitRef>(
            &["main", "v1.0", "feature/x", "0123abcd"],
            &["", "-x", "a..b", "a b", "a;b", "x.lock", "$(x)", "a\0"],
        );
        check::<ImageRef>(
            &["nginx", "node:22-slim", "ghcr.io/a/b:1", "localhost:5000/a", &format!("a@sha256:{}", "0".repeat(64))],
            &["", "A", "a b", "-a", "a:", "a//b", "a@sha256:12", "a:b:c"],
        );
        check::<RegistryHost>(
            &["ghcr.io", "localhost", "localhost:5000", "127.0.0.1:5000", "Registry.Example.com"],
            &[
                "",
                "https://ghcr.io",
                "ghcr.io/a",
                "library",
                "a.b:",
                "a.b:0",
                "a.b:+5",
                "a.b:99999",
                "-a.b",
                "a b.c",
                "a.b:1:2",
            ],
        );
        check::<RegistryUser>(&["ada", "robot$ci", "a@b.c"], &["", "a:b", "a\nb"]);
        check::<GitUrl>(
            &["https://example.com/a.git", "ssh://git@example.com/a", "git@example.com:a/b.git", "/srv/git/a.git"],
            &["", "ext::sh", "file:///etc", "--upload-pack=x", "ssh://-oProxyCommand=x/a", "a b", "git@-x:y", "../x"],
        );
    }

    #[test]
    fn an_image_comes_from_the_registry_that_it_names_or_from_docker_hub() {
        for (image, registry) in [
            ("nginx", "docker.io"),
            ("library/nginx:1", "docker.io"),
            ("index.docker.io/library/nginx", "docker.io"),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/a", "localhost"),
            (
                "127.0.0.1:5000/a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "127.0.0.1:5000",
            ),
        ] {
            assert_eq!(image.parse::<ImageRef>().unwrap().registry().as_str(), registry, "{image}");
        }
        assert_eq!("Index.Docker.io".parse::<RegistryHost>().unwrap().as_str(), "docker.io");
    }

    #[test]
    fn an_image_reference_has_a_name_a_tag_and_a_digest() {
        let hash = format!("sha256:{}", "0".repeat(64));
        for (image, name, tag, digest) in [
            ("nginx".to_owned(), "nginx", None, None),
            ("localhost:5000/a".to_owned(), "localhost:5000/a", None, None),
            ("localhost:5000/a:1".to_owned(), "localhost:5000/a", Some("1"), None),
            (format!("a:1@{hash}"), "a", Some("1"), Some(hash.as_str())),
        ] {
            let image: ImageRef = image.parse().unwrap();
            assert_eq!(image.parts(), ImageParts { name, tag, digest }, "{image}");
        }
    }

    #[test]
    fn host_names_are_canonical() {
        assert_eq!("APP.Example.com.".parse::<HostName>().unwrap().as_str(), "app.example.com");
    }
}
