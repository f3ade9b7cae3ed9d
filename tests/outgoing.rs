//! The one setting for proxy and extra CA certificates, where it leaves the server: git, builds, and containers for development.
//! The CA's side of it is in `edge_acme`.

use boathouse_types::{Environment, NewRelease, Release, ReleaseState, Source, VariableSource};
use serde_json::json;

use crate::harness::proxy::Proxy;
use crate::harness::{Engine, GitHttp, GitRepo, Server, TlsFront, app, at, upload};

const DOCKERFILE: &str = "FROM scratch\nCOPY app /app\nARG HTTPS_PROXY\nARG NO_PROXY\nENV SEEN=$HTTPS_PROXY,$NO_PROXY\nEXPOSE 8080\nENTRYPOINT [\"/app\"]\n";

#[tokio::test]
async fn proxy_and_certificates_reach_git_and_builds_and_nothing_goes_through_where_none_is_set() {
    let mut files = app("v1").files();
    files.retain(|(name, _)| name != "Dockerfile");
    files.push(("Dockerfile".to_owned(), DOCKERFILE.into()));
    let repo = GitRepo::new(&files);
    let remote = GitHttp::serve(&repo);
    // A name that the proxy alone can find, vouched for by a CA that nobody else trusts.
    let front = TlsFront::start("git.internal", remote.address()).await;
    let proxy = Proxy::start().await;
    let url = format!("{}/repo.git", front.url());
    let release = async |server: &Server| -> Release {
        let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
        server.local().create_project("shop", &source).await;
        let path = format!("{}/releases", at("shop", "production"));
        let release: Release = server.local().post(&path, &NewRelease::default()).await.json();
        server.local().ended(&release).await
    };

    for flags in [vec![], vec![("--proxy", proxy.url()), ("--no-proxy", "git.internal".to_owned())]] {
        let mut options = Server::options().flag("--ca-bundle", front.ca().display());
        for (flag, value) in flags {
            options = options.flag(flag, value);
        }
        let server = options.start().await;
        let ended = release(&server).await;
        assert_eq!(ended.state, ReleaseState::Failed, "{ended:?}");
        assert_eq!(proxy.seen(), Vec::<String>::new());
    }

    let untrusting = Server::options().flag("--proxy", proxy.url()).start().await;
    let ended = release(&untrusting).await;
    assert_eq!(ended.state, ReleaseState::Failed, "{ended:?}");
    assert!(!proxy.seen().is_empty(), "as far as the certificate");

    let options = Server::options().flag("--ca-bundle", front.ca().display()).flag("--proxy", proxy.url());
    let server = options.flag("--no-proxy", "one.internal,two.internal").start().await;
    let ended = release(&server).await;
    assert_eq!(ended.state, ReleaseState::Live, "{ended:?}");
    let seen = proxy.seen();
    assert!(seen.iter().all(|one| *one == front.target()), "{seen:?}");
    let told = server.visit("shop.localhost", "/env?SEEN").await.text();
    assert_eq!(told, format!("{},one.internal,two.internal", proxy.url()));
}

/// Packages are installed there, by whoever develops.
#[tokio::test]
async fn containers_for_development_know_the_way_out_and_those_of_production_do_not() {
    let front = TlsFront::start("git.internal", "127.0.0.1:1".parse().unwrap()).await;
    let secret = "http://user:pr0xy-passw0rd@proxy.internal:3128";
    let options = Server::options().flag("--proxy", secret).flag("--ca-bundle", front.ca().display());
    let server = options.start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "dev", "stage": "development" })).await.ok();
    let own = json!({ "variables": [{ "key": "PIP_CERT", "value": "/my/own", "secret": false }] });
    local.put(&format!("{}/env", at("shop", "dev")), &own).await.ok();
    let dockerfile = "FROM scratch\nWORKDIR /code\nCOPY app /app\nEXPOSE 8080\nENTRYPOINT [\"/app\"]\n";
    let archive = || app("v1").file("Dockerfile.dev", dockerfile).archive();
    for deployment in ["dev", "production"] {
        let path = format!("{}/releases/upload", at("shop", deployment));
        let asked: Release = local.send(http::Method::POST, &path, Some(("application/gzip", archive()))).await.json();
        local.must_be_live(local.ended(&asked).await).await;
    }
    let read = async |host: &str, key: &str| server.visit(host, &format!("/env?{key}")).await.ok().text();
    let dev = "web-dev-shop.localhost";
    assert_eq!(read(dev, "https_proxy").await, secret);
    assert_eq!(read(dev, "NO_PROXY").await, "localhost,127.0.0.1,::1,web,app.web");
    assert_eq!(read(dev, "PIP_CERT").await, "/my/own");
    let file = read(dev, "NODE_EXTRA_CA_CERTS").await;
    let names = Engine::connect().await.container_names(&server.instance()).await;
    let home = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let mut docker = std::process::Command::new("docker");
        docker
            .args(["cp", &format!("{name}:{file}")])
            .arg(home.path().join("ca.pem"))
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(names.iter().any(|name| name.contains("dev") && copy(name)), "{file} in {names:?}");
    let trusted = std::fs::read_to_string(home.path().join("ca.pem")).unwrap();
    assert!(trusted.contains(std::fs::read_to_string(front.ca()).unwrap().trim()));
    for key in ["HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"] {
        assert_eq!(read("shop.localhost", key).await, "", "{key} in production");
    }
    let shown: Environment = local.read(&format!("{}/environment", at("shop", "dev"))).await;
    let of = |key: &str| shown.parts[0].automatic.iter().find(|variable| variable.key.as_str() == key).unwrap();
    assert_eq!(of("HTTPS_PROXY").source, VariableSource::Setting { setting: "--proxy".to_owned() });
    assert!(!serde_json::to_string(&shown).unwrap().contains("pr0xy-passw0rd"), "a password is a secret");
}
