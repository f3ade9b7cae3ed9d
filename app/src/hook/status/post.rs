//! One status as each git host wants it, by its documented API.

use boathouse_types::Provider;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::outgoing;
use crate::secret::sha256;

/// Characters of a description; GitHub refuses more.
const MAX_SAID: usize = 140;
/// Characters of a key at Bitbucket Cloud.
const MAX_KEY: usize = 40;
/// Bytes of an answer that are read for its reason.
const MAX_ANSWER: usize = 16 * 1024;
const MAX_REASON: usize = 300;

/// How a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On its way.
    Pending,
    /// Live, and all before it is gone.
    Success,
    /// Failed.
    Failure,
    /// Cancelled, also by a newer one.
    Cancelled,
}

impl State {
    /// The word in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(self, provider: Provider) -> &'static str {
        match (provider, self) {
            (Provider::Bitbucket, Self::Pending) => "INPROGRESS",
            (Provider::Bitbucket, Self::Success) => "SUCCESSFUL",
            (Provider::Bitbucket, Self::Failure | Self::Cancelled) => "FAILED",
            (Provider::Gitlab, Self::Failure) => "failed",
            (Provider::Gitlab, Self::Cancelled) => "canceled",
            (_, Self::Cancelled) => "error",
            (_, state) => state.word(),
        }
    }
}

/// A status that is to be posted.
pub struct Message {
    /// The git host.
    pub provider: Provider,
    /// Where.
    pub url: String,
    /// With what.
    pub token: String,
    /// How the release goes.
    pub state: State,
    /// The release's page in the console.
    pub page: String,
    /// Whose status it is.
    pub context: String,
    /// A sentence.
    pub said: String,
}

/// Posts it. An error says why, and nothing of the token.
pub async fn send(http: &reqwest::Client, message: &Message) -> Result<(), String> {
    let request = signed_in(http.post(&message.url), message).json(&body(message));
    let mut response =
        request.send().await.map_err(|error| format!("the git host cannot be reached: {}", outgoing::causes(error)))?;
    let status = response.status();
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await
        && answer.len() < MAX_ANSWER
    {
        answer.extend_from_slice(&chunk);
    }
    if status.is_success() || is_known_already(message, status, &answer) {
        return Ok(());
    }
    Err(format!("the git host answered {status}{}{}", reason(&answer), remedy(status)))
}

fn signed_in(request: RequestBuilder, message: &Message) -> RequestBuilder {
    match message.provider {
        Provider::Github => request
            .bearer_auth(&message.token)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28"),
        Provider::Gitlab => request.header("private-token", &message.token),
        Provider::Gitea | Provider::Forgejo => request.header("authorization", format!("token {}", message.token)),
        _ => request.bearer_auth(&message.token),
    }
}

fn body(message: &Message) -> Value {
    let said: String = message.said.chars().take(MAX_SAID).collect();
    let state = message.state.of(message.provider);
    match message.provider {
        Provider::Gitlab => {
            json!({ "state": state, "name": message.context, "target_url": message.page, "description": said })
        }
        Provider::Bitbucket => {
            let (key, name) = (key(&message.context), &message.context);
            json!({ "state": state, "key": key, "name": name, "url": message.page, "description": said })
        }
        _ => json!({ "state": state, "context": message.context, "target_url": message.page, "description": said }),
    }
}

/// The context, or what stands for one that is too long.
fn key(context: &str) -> String {
    if context.len() <= MAX_KEY {
        return context.to_owned();
    }
    hex::encode(&sha256(context.as_bytes())[..MAX_KEY / 2])
}

/// GitLab refuses a status that it has.
fn is_known_already(message: &Message, status: StatusCode, answer: &[u8]) -> bool {
    let says = String::from_utf8_lossy(answer).contains("Cannot transition status");
    message.provider == Provider::Gitlab && status == StatusCode::BAD_REQUEST && says
}

/// What the answer says in its usual fields.
fn reason(answer: &[u8]) -> String {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let said =
        ["/message", "/error/message", "/errors/0/message", "/error"].iter().find_map(|at| value.pointer(at)?.as_str());
    let said: String = said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    if said.is_empty() { said } else { format!(": {said}") }
}

fn remedy(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; the token has ended or may not write commit statuses",
        StatusCode::NOT_FOUND => "; the token may not see the repository, or the commit is not there",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(provider: Provider, state: State) -> Message {
        Message {
            provider,
            url: String::new(),
            token: String::new(),
            state,
            page: "https://console/p".into(),
            context: "boathouse/shop/production".into(),
            said: "x".repeat(300),
        }
    }

    #[test]
    fn each_host_gets_its_own_words() {
        let states = [State::Pending, State::Success, State::Failure, State::Cancelled];
        let words = |provider| states.map(|state| state.of(provider));
        assert_eq!(words(Provider::Github), ["pending", "success", "failure", "error"]);
        assert_eq!(words(Provider::Gitlab), ["pending", "success", "failed", "canceled"]);
        assert_eq!(words(Provider::Bitbucket), ["INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED"]);
        let github = body(&message(Provider::Github, State::Success));
        assert_eq!(github["description"].as_str().unwrap().len(), MAX_SAID);
        assert_eq!(
            (&github["context"], &github["target_url"]),
            (&json!("boathouse/shop/production"), &json!("https://console/p"))
        );
        assert_eq!(body(&message(Provider::Bitbucket, State::Success))["key"], "boathouse/shop/production");
        let long = "boathouse/a-very-long-project-name/a-deployment";
        assert_eq!(key(long).len(), MAX_KEY);
        assert_ne!(key(long), key(&format!("{long}-2")));
    }

    #[test]
    fn refusals_are_told_in_a_line() {
        assert_eq!(reason(br#"{"message":"Bad\ncredentials"}"#), ": Badcredentials");
        assert_eq!(reason(br#"{"errors":[{"message":"No"}]}"#), ": No");
        assert_eq!((reason(b"<html>"), reason(b"{\"message\":{}}")), (String::new(), String::new()));
        let gitlab = message(Provider::Gitlab, State::Pending);
        let known = br#"{"message":"Cannot transition status via :enqueue from :pending"}"#;
        assert!(is_known_already(&gitlab, StatusCode::BAD_REQUEST, known));
        assert!(!is_known_already(&message(Provider::Github, State::Pending), StatusCode::BAD_REQUEST, known));
    }
}
