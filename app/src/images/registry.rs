//! The tags of a repository, by the registry's own API (OCI distribution-spec §4 "Content Discovery"). Digests are asked for through
//! the engine; it has no call for tags.

use std::net::IpAddr;

use boathouse_types::{ImageRef, RegistryHost};
use reqwest::header::{AUTHORIZATION, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use super::look::Problem;
use crate::docker::Credentials;
use crate::outgoing::causes;

/// Tags in one answer.
const PAGE: usize = 1000;
/// Answers that are read, and bytes of each.
const MOST_PAGES: usize = 20;
const MOST_BYTES: usize = 4 << 20;

/// Where Docker Hub answers.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";

type Found<T> = std::result::Result<T, Problem>;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// All tags, at most 20 000.
pub async fn tags(http: &Client, image: &ImageRef, login: Option<&Credentials>) -> Found<Vec<String>> {
    let host = image.registry();
    let base = base(&host);
    let mut next = Some(format!("{base}/v2/{}/tags/list?n={PAGE}", repository(image)));
    let (mut tags, mut signed) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let Some(url) = next.take() else { break };
        let mut answer = ask(http, &url, signed.as_deref()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && signed.is_none() {
            signed = Some(sign_in(http, &host, &answer, login).await?);
            answer = ask(http, &url, signed.as_deref()).await?;
        }
        refuse(&host, &answer)?;
        next = link(&answer).and_then(|link| follow(&base, &link));
        tags.extend(json::<Page>(&host, answer).await?.tags.unwrap_or_default());
    }
    Ok(tags)
}

/// Engines speak plain HTTP to registries on loopback, and so do we.
fn base(host: &RegistryHost) -> String {
    let name = host.as_str();
    if name == DOCKER_HUB {
        return format!("https://{DOCKER_HUB_API}");
    }
    let scheme = if is_loopback(name) { "http" } else { "https" };
    format!("{scheme}://{name}")
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name without its registry; Docker Hub's own images are below `library`.
fn repository(image: &ImageRef) -> String {
    let name = image.parts().name;
    let rest = match name.split_once('/') {
        Some((first, rest)) if first.parse::<RegistryHost>().is_ok() => rest,
        _ => name,
    };
    let is_official = image.registry().as_str() == DOCKER_HUB && !rest.contains('/');
    if is_official { format!("library/{rest}") } else { rest.to_owned() }
}

async fn ask(http: &Client, url: &str, signed: Option<&str>) -> Found<Response> {
    let request = http.get(url);
    let request = if let Some(signed) = signed { request.header(AUTHORIZATION, signed) } else { request };
    request.send().await.map_err(|error| Problem::new(format!("the registry cannot be reached: {}", causes(error))))
}

/// What the registry wants to see: the login itself, or a token that its realm gives for it.
async fn sign_in(http: &Client, host: &RegistryHost, refusal: &Response, login: Option<&Credentials>) -> Found<String> {
    let wanted = refusal.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, rest) = wanted.split_once(' ').unwrap_or((wanted, ""));
    let basic = login.map(|login| format!("Basic {}", base64(&format!("{}:{}", login.username, login.password))));
    if scheme.eq_ignore_ascii_case("basic") {
        return basic.ok_or_else(|| denied(host));
    }
    let parameter = |name: &str| parameters(rest).into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let realm = parameter("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    let realm = realm.and_then(|realm| realm.parse::<Url>().ok());
    let mut url =
        realm.ok_or_else(|| Problem::new(format!("the registry {host} asks for a login of an unknown kind")))?;
    if !is_of(host, &url) {
        return Err(Problem::new(format!(
            "the registry {host} sends us to {} to sign in, which is not known to be its own",
            url.host_str().unwrap_or("nowhere")
        )));
    }
    for name in ["service", "scope"] {
        if let Some(value) = parameter(name) {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    let answer = ask(http, url.as_str(), basic.as_deref()).await?;
    refuse(host, &answer)?;
    let token = json::<Token>(host, answer).await?;
    let token = token.token.or(token.access_token).filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    token.map(|token| format!("Bearer {token}")).ok_or_else(|| denied(host))
}

/// A login goes to its registry alone, and to the place of the same domain where that has its sign-in.
fn is_of(host: &RegistryHost, realm: &Url) -> bool {
    let own = host.as_str();
    let Some(name) = realm.host_str() else { return false };
    if is_loopback(own) {
        return is_loopback(name);
    }
    let own = own.rsplit_once(':').map_or(own, |(name, _)| name);
    let is_below = |domain: &str| name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    // `registry.gitlab.com` signs in at `gitlab.com`.
    let parent = own.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
    realm.scheme() == "https" && realm.username().is_empty() && (is_below(own) || parent.is_some_and(is_below))
}

/// `realm="https://…",service="…"` (RFC 9110 §11.2).
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned()));
        rest = next;
    }
    found
}

fn refuse(host: &RegistryHost, answer: &Response) -> Found<()> {
    match answer.status() {
        status if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => {
            let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
            Err(Problem::limited(format!("the registry {host} asks us to come less often"), after))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(denied(host)),
        StatusCode::NOT_FOUND => Err(Problem::new(format!("the registry {host} knows no such repository"))),
        status => Err(Problem::new(format!("the registry {host} answered {status}"))),
    }
}

fn denied(host: &RegistryHost) -> Problem {
    Problem::new(format!(
        "the registry {host} shows its tags to nobody without a login that may read: boathouse registry add {host}"
    ))
}

/// `</v2/name/tags/list?last=x>; rel="next"` (RFC 8288).
fn link(answer: &Response) -> Option<String> {
    let text = answer.headers().get(LINK)?.to_str().ok()?;
    let (url, rest) = text.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| url.to_owned())
}

/// The next page, where it is at the same registry.
fn follow(base: &str, link: &str) -> Option<String> {
    let base: Url = base.parse().ok()?;
    let next = base.join(link).ok()?;
    (next.origin() == base.origin()).then(|| next.into())
}

async fn json<T: serde::de::DeserializeOwned>(host: &RegistryHost, mut answer: Response) -> Found<T> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) if body.len() + chunk.len() <= MOST_BYTES => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Problem::new(format!("the registry {host} answered more than can be read"))),
            Err(error) => {
                return Err(Problem::new(format!("the registry {host} broke off: {}", causes(error))));
            }
        }
    }
    serde_json::from_slice(&body).map_err(|_| Problem::new(format!("the registry {host} answered no list of tags")))
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_asked_for_where_engines_pull_it() {
        for (image, url) in [
            ("nginx:1", "https://registry-1.docker.io/library/nginx"),
            ("ada/shop", "https://registry-1.docker.io/ada/shop"),
            ("ghcr.io/ada/shop:1", "https://ghcr.io/ada/shop"),
            ("127.0.0.1:5000/shop:1", "http://127.0.0.1:5000/shop"),
            ("localhost:5000/a/b/c", "http://localhost:5000/a/b/c"),
        ] {
            let image: ImageRef = image.parse().unwrap();
            assert_eq!(format!("{}/{}", base(&image.registry()), repository(&image)), url);
        }
    }

    #[test]
    fn a_login_goes_to_the_sign_in_of_its_own_registry_alone() {
        for (host, realm, is_own) in [
            ("docker.io", "https://auth.docker.io/token", true),
            ("ghcr.io", "https://ghcr.io/token", true),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("registry.example.com:5000", "https://registry.example.com/auth", true),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("ghcr.io", "http://ghcr.io/token", false),
            ("ghcr.io", "https://evil.io/token", false),
            ("registry.example.com", "https://evil.com/token", false),
            ("registry.example.com", "https://169.254.169.254/token", false),
            ("registry.example.com", "http://127.0.0.1/token", false),
        ] {
            assert_eq!(is_of(&host.parse().unwrap(), &realm.parse().unwrap()), is_own, "{host} {realm}");
        }
    }

    /// Answers each request by its head; what was asked is kept.
    fn registry(answer: impl Fn(&str, &str) -> String + Send + 'static) -> std::net::SocketAddr {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let signed = head.iter().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
                let text = answer(head[0].split(' ').nth(1).unwrap(), signed);
                drop(connection.write_all(format!("HTTP/1.1 {text}").as_bytes()));
            }
        });
        address
    }

    fn json(head: &str, body: &str) -> String {
        format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_token_is_fetched_with_the_login_and_all_pages_are_read() {
        let own = std::sync::Arc::new(std::sync::OnceLock::new());
        let known = own.clone();
        let address = registry(move |path, signed| match (path, signed) {
            ("/token?service=here&scope=repository%3Ashop%3Apull", "Basic YWRhOnNlY3JldA==") => {
                json("200 OK", r#"{"token": "t1"}"#)
            }
            ("/v2/shop/tags/list?n=1000", "Bearer t1") => {
                json("200 OK\r\nlink: </v2/shop/tags/list?last=a>; rel=\"next\"", r#"{"tags": ["a"]}"#)
            }
            ("/v2/shop/tags/list?last=a", "Bearer t1") => json("200 OK", r#"{"tags": ["b"]}"#),
            ("/v2/limited/tags/list?n=1000", _) => json("429 Too Many Requests\r\nretry-after: 7200", "{}"),
            (path, "") if path.starts_with("/v2/") => {
                let realm = format!("http://{}/token", known.get().unwrap_or(&String::new()));
                let wants = format!(r#"Bearer realm="{realm}",service="here",scope="repository:shop:pull""#);
                json(&format!("401 Unauthorized\r\nwww-authenticate: {wants}"), "{}")
            }
            _ => json("403 Forbidden", "{}"),
        });
        own.set(address.to_string()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let http = crate::outgoing::client(&crate::serve::test::app(folder.path()).config).unwrap();
        let image = |name: &str| format!("{address}/{name}").parse::<ImageRef>().unwrap();
        let login = Credentials { registry: address.to_string(), username: "ada".into(), password: "secret".into() };
        assert_eq!(tags(&http, &image("shop:1"), Some(&login)).await.unwrap(), ["a", "b"]);
        let nobody = format!("{:?}", tags(&http, &image("shop:1"), None).await.unwrap_err());
        assert!(nobody.contains("boathouse registry add"), "{nobody}");
        let limited = format!("{:?}", tags(&http, &image("limited"), None).await.unwrap_err());
        assert!(limited.contains("7200000"), "{limited}");
    }

    #[test]
    fn what_a_registry_wants_is_read_and_the_next_page_is_its_own() {
        let read = parameters(r#"realm="https://a.example/token", service="a,b", scope=repository:x:pull"#);
        let pairs: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let scope = ("scope", "repository:x:pull");
        assert_eq!(pairs, [("realm", "https://a.example/token"), ("service", "a,b"), scope]);
        let next = follow("https://ghcr.io", "/v2/a/tags/list?last=1").unwrap();
        assert_eq!(next, "https://ghcr.io/v2/a/tags/list?last=1");
        assert_eq!(follow("https://ghcr.io", "https://evil.io/v2/a"), None);
    }
}
