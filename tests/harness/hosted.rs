//! A project whose code is at a git host that knows its hook, with a first release.

use boathouse_types::{Delivery, Release, Source};
use serde_json::Value;

use super::{Client, GitHost, GitHttp, GitRepo, Server, at, decided};

/// The project `shop` with all that belongs to it.
pub struct Hosted {
    /// The server.
    pub server: Server,
    /// Its administrator.
    pub local: Client,
    /// The repository.
    pub repo: GitRepo,
    /// Where it is fetched.
    pub remote: GitHttp,
    /// Who tells of pushes.
    pub host: GitHost,
}

impl Hosted {
    /// Makes it of these files.
    pub async fn new(server: Server, files: &[(String, Vec<u8>)]) -> Self {
        let local = server.local();
        let repo = GitRepo::new(files);
        let remote = GitHttp::serve(&repo);
        let source = Source::Git { url: remote.url().parse().unwrap(), branch: None, folder: None };
        local.create_project("shop", &source).await;
        let release = local.deploy("shop").await;
        local.must_be_live(release).await;
        let host = GitHost::with_hook(&local, "shop", &remote.url()).await;
        Self { server, local, repo, remote, host }
    }

    /// Tells of something; what was decided about it. `id` names the delivery.
    pub async fn tell(&self, id: &str, event: &str, payload: &Value) -> Delivery {
        let answer = self.host.tell(id, event, payload).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        decided(&self.local, "shop").await
    }

    /// Newest first.
    pub async fn releases(&self, deployment: &str) -> Vec<Release> {
        self.local.read(&format!("{}/releases", at("shop", deployment))).await
    }
}
