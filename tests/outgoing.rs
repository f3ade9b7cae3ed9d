//! The one setting for proxy and extra CA certificates, where it leaves the server: git and builds. The CA's side of it is in
//! `edge_acme`.

use boathouse_types::{NewRelease, Release, ReleaseState, Source};

use crate::harness::proxy::Proxy;
use crate::harness::{GitHttp, GitRepo, Server, TlsFront, app, at};

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
