//! A git host that tells of pushes, as GitHub, GitLab, Bitbucket, Gitea and Forgejo do.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{Delivery, DeliveryState, HookSecret, Provider};
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Client, wait_for};

/// No commit.
pub const NONE: &str = "0000000000000000000000000000000000000000";

/// The hook of a project, as its git host knows it.
pub struct GitHost {
    client: Client,
    project: String,
    secret: String,
    repository: String,
}

impl GitHost {
    /// Makes the project's hook and gives it to the repository at that address.
    pub async fn with_hook(local: &Client, project: &str, repository: &str) -> Self {
        let made = local.send(Method::POST, &format!("/api/v1/projects/{project}/hook"), None).await;
        let HookSecret { secret } = made.json();
        Self { client: local.clone(), project: project.into(), secret, repository: repository.into() }
    }

    /// The same hook called from elsewhere.
    pub fn from(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// The same with another secret.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = secret.into();
        self
    }

    /// A push payload of GitHub.
    pub fn payload(&self, reference: &str, before: &str, after: &str) -> Value {
        json!({ "ref": reference, "before": before, "after": after, "commits": [], "pusher": { "name": "ada" },
            "repository": { "clone_url": self.repository } })
    }

    /// Tells of a push to a branch as GitHub does; `id` names the delivery.
    pub async fn push(&self, id: &str, branch: &str, after: &str) -> Answer {
        self.tell(id, "push", &self.payload(&format!("refs/heads/{branch}"), NONE, after)).await
    }

    /// Tells of an event as GitHub does.
    pub async fn tell(&self, id: &str, event: &str, payload: &Value) -> Answer {
        let body = payload.to_string();
        let signature = format!("sha256={}", self.hex(&body));
        let headers = [("x-github-event", event), ("x-github-delivery", id), ("x-hub-signature-256", &signature)];
        self.send(&headers, &body).await
    }

    /// As [`GitHost::tell`], where no answer at all is something that the story expects.
    pub async fn try_tell(&self, id: &str, event: &str, payload: &Value) -> reqwest::Result<Answer> {
        let body = payload.to_string();
        let client = self.client.clone().with_header("x-github-event", event).with_header("x-github-delivery", id);
        let client = client.with_header("x-hub-signature-256", &format!("sha256={}", self.hex(&body)));
        let path = format!("/api/v1/hooks/{}", self.project);
        client.try_send(Method::POST, &path, Some(("application/json", body.into_bytes()))).await
    }

    /// Tells of the same payload as another provider does.
    pub async fn tell_as(&self, provider: Provider, id: &str, payload: &Value) -> Answer {
        let body = payload.to_string();
        let signature = self.hex(&body);
        let prefixed = format!("sha256={signature}");
        match provider {
            Provider::Gitea => {
                let headers = [("x-gitea-event", "push"), ("x-gitea-delivery", id), ("x-gitea-signature", &signature)];
                self.send(&headers, &body).await
            }
            Provider::Forgejo => {
                let headers =
                    [("x-forgejo-event", "push"), ("x-forgejo-delivery", id), ("x-forgejo-signature", &signature)];
                self.send(&headers, &body).await
            }
            Provider::Gitlab => {
                let headers =
                    [("x-gitlab-event", "Push Hook"), ("idempotency-key", id), ("x-gitlab-token", &self.secret)];
                self.send(&headers, &body).await
            }
            Provider::Bitbucket => {
                let headers = [("x-event-key", "repo:push"), ("x-request-uuid", id), ("x-hub-signature", &prefixed)];
                self.send(&headers, &body).await
            }
            _ => self.tell(id, "push", payload).await,
        }
    }

    /// Sends GitLab's signed form, at that time in seconds.
    pub async fn tell_signed(&self, id: &str, seconds: i64, payload: &Value) -> Answer {
        let body = payload.to_string();
        let key = STANDARD.decode(self.secret.trim_start_matches("whsec_")).unwrap();
        let time = seconds.to_string();
        let made = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{time}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(made.as_ref()));
        let headers = [
            ("x-gitlab-event", "Push Hook"),
            ("webhook-id", id),
            ("webhook-timestamp", &time),
            ("webhook-signature", &signature),
        ];
        self.send(&headers, &body).await
    }

    /// Sends a body with headers.
    pub async fn send(&self, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let client = headers.iter().fold(self.client.clone(), |client, (name, value)| client.with_header(name, value));
        let path = format!("/api/v1/hooks/{}", self.project);
        client.send(Method::POST, &path, Some(("application/json", body.as_bytes().to_vec()))).await
    }

    fn hex(&self, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        hex::encode(hmac::sign(&key, body.as_bytes()))
    }
}

/// A project's deliveries, newest first.
pub async fn deliveries(local: &Client, project: &str) -> Vec<Delivery> {
    local.read(&format!("/api/v1/projects/{project}/deliveries")).await
}

/// The newest delivery of a project, once it was decided.
pub async fn decided(local: &Client, project: &str) -> Delivery {
    wait_for(Duration::from_secs(60), "the newest delivery is decided", || async {
        let newest = deliveries(local, project).await.into_iter().next()?;
        (newest.state != DeliveryState::Waiting).then_some(newest)
    })
    .await
}
