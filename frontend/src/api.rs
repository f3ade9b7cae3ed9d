//! The only place that speaks HTTP. Every answer is the thing asked for or an `ErrorBody`; an ended session is handled here, once.

mod addon;
mod analyze;
mod catalog;
mod data;
mod disk;
mod environment;
mod folder;
mod hook;
mod image;
mod preview;
mod lifecycle;
mod plan;
mod project;
mod run;
mod stack;
mod upload;

use boathouse_types::*;
use leptos::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::reach::{Reach, pause_after};
use crate::session::{Gate, Remembered};

pub use lifecycle::ForGood;

/// The thing asked for, or what went wrong in words.
pub type Answer<T> = Result<T, ErrorBody>;

/// The server refuses a changing request of a cookie session without this header.
const CSRF_HEADER: &str = "X-Boathouse-CSRF";

/// A network that changes (a laptop that wakes, a container network that comes or goes) cuts requests short. Reading is simply
/// done again; what changes something is not, because nobody knows whether it arrived.
const TRIES: u32 = 6;
/// A connection that died without a word would otherwise keep its reader waiting.
const READ_WITHIN_MS: u32 = 10_000;
/// Of what the server has to fetch first, for which it takes at most 50 s.
const LOOK_WITHIN_MS: u32 = 60_000;

/// The public API, called with the session's cookie.
#[derive(Clone, Copy)]
pub struct Api {
    gate: RwSignal<Gate>,
    reach: Reach,
}

/// A question: whoever asks it twice has changed nothing.
struct Asked<'a> {
    path: &'a str,
    /// What cannot be said in an address.
    body: Option<String>,
    within_ms: u32,
}

/// True so often that a network that changes has had its time.
fn some_tries() -> impl FnMut() -> bool {
    let mut tries = 0;
    move || {
        tries += 1;
        tries < TRIES
    }
}

/// Why a request brought nothing.
enum Fault {
    /// No answer came, or one of a proxy before a server that is not there.
    Away,
    /// The server's answer is an error.
    Refused(ErrorBody),
}

impl From<Fault> for ErrorBody {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away => no_answer(),
            Fault::Refused(error) => error,
        }
    }
}

/// The API of the page.
pub fn api() -> Api {
    expect_context()
}

impl Api {
    /// Answers that say 401 close this gate.
    pub fn new(gate: RwSignal<Gate>, reach: Reach) -> Self {
        Self { gate, reach }
    }

    /// Finds out who is here, however long the server takes to come back.
    pub async fn open_gate(self) {
        let gate = match self.follow::<SetupState>(&at("/setup"), || true).await {
            Ok(SetupState { needed: true }) => Gate::Setup,
            Ok(_) if Remembered::get() => self.who_am_i().await,
            Ok(_) => Gate::SignedOut,
            Err(error) => Gate::Unreachable(error),
        };
        self.pass(gate);
    }

    async fn who_am_i(self) -> Gate {
        match self.follow::<Session>(&at("/session"), || true).await {
            Ok(session) => Gate::SignedIn(session),
            Err(error) if error.kind == ErrorKind::Unauthenticated => Gate::SignedOut,
            Err(error) => Gate::Unreachable(error),
        }
    }

    fn pass(self, gate: Gate) {
        match gate {
            Gate::SignedIn(_) => Remembered::set(true),
            Gate::SignedOut => Remembered::set(false),
            _ => {}
        }
        self.gate.set(gate);
    }

    /// Creates the first administrator.
    pub async fn set_up(self, setup: Setup) -> Answer<()> {
        let session = self.send("POST", &at("/setup"), &setup).await?;
        self.pass(Gate::SignedIn(session));
        Ok(())
    }

    pub async fn sign_in(self, name: String, password: String) -> Answer<()> {
        let session = self.send("POST", &at("/session"), &SignIn { name, password }).await?;
        self.pass(Gate::SignedIn(session));
        Ok(())
    }

    pub async fn sign_out(self) -> Answer<()> {
        self.run("DELETE", &at("/session")).await?;
        self.pass(Gate::SignedOut);
        Ok(())
    }

    pub async fn change_deployment(self, at: &Place, change: &ChangeDeployment) -> Answer<Deployment> {
        self.send("PATCH", &at.path(), change).await
    }

    pub async fn start(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("start")).await
    }

    pub async fn stop(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("stop")).await
    }

    pub async fn sleep(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("sleep")).await
    }

    pub async fn wake(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("wake")).await
    }

    /// All of it, one after the other.
    pub async fn restart_all(self, at: &Place) -> Answer<Deployment> {
        self.post(&at.below("restart")).await
    }

    /// Restarts what lies at this path below the deployment.
    pub async fn restart(self, at: &Place, container: &str) -> Answer<Deployment> {
        self.post(&at.below(container)).await
    }

    pub async fn deploy(self, at: &Place, new: &NewRelease) -> Answer<Release> {
        self.send("POST", &at.below("releases"), new).await
    }

    pub async fn cancel(self, at: &Place, number: i64) -> Answer<Release> {
        self.post(&at.below(&format!("releases/{number}/cancel"))).await
    }

    pub async fn roll_back(self, at: &Place, number: i64) -> Answer<Release> {
        self.post(&at.below(&format!("releases/{number}/rollback"))).await
    }

    /// Releases older than `before`, newest first.
    pub async fn older_releases(self, at: &Place, before: i64) -> Answer<Vec<Release>> {
        self.get(&at.below(&format!("releases?before={before}"))).await
    }

    pub async fn add_host(self, at: &Place, host: &NewHost) -> Answer<Host> {
        self.send("POST", &at.below("hosts"), host).await
    }

    pub async fn remove_host(self, at: &Place, name: &HostName) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("hosts/{name}"))).await
    }

    pub async fn retry_host(self, at: &Place, name: &HostName) -> Answer<Host> {
        self.post(&at.below(&format!("hosts/{name}/retry"))).await
    }

    pub async fn create_user(self, user: &NewUser) -> Answer<User> {
        self.send("POST", &at("/users"), user).await
    }

    pub async fn delete_user(self, name: &UserName) -> Answer<()> {
        self.run("DELETE", &user_path(name)).await
    }

    pub async fn set_password(self, name: &UserName, password: &str) -> Answer<()> {
        let body = json(&SetPassword { password: password.to_owned() })?;
        self.call("PUT", &format!("{}/password", user_path(name)), Some(body)).await?;
        Ok(())
    }

    /// One's own; other sessions end.
    pub async fn change_password(self, change: &ChangePassword) -> Answer<()> {
        self.call("PUT", &at("/session/password"), Some(json(change)?)).await?;
        Ok(())
    }

    pub async fn change_user(self, name: &UserName, change: &ChangeUser) -> Answer<User> {
        self.send("PATCH", &user_path(name), change).await
    }

    pub async fn create_token(self, token: &NewToken) -> Answer<CreatedToken> {
        self.send("POST", &at("/tokens"), token).await
    }

    pub async fn delete_token(self, id: TokenId) -> Answer<()> {
        self.run("DELETE", &at(&format!("/tokens/{id}"))).await
    }

    pub async fn add_registry(self, login: &NewRegistry) -> Answer<Registry> {
        self.send("POST", &at("/registries"), login).await
    }

    pub async fn remove_registry(self, host: &RegistryHost) -> Answer<()> {
        self.run("DELETE", &at(&format!("/registries/{host}"))).await
    }

    /// Makes a backup of the control plane and answers it as a file; the key in it is sealed under the passphrase.
    pub async fn backup(self, passphrase: &str) -> Answer<web_sys::Blob> {
        let body = json(&NewBackup { passphrase: passphrase.to_owned() })?;
        let response = self.fetch("POST", &at("/backup"), Some(body), None).await?;
        let blob = JsFuture::from(response.blob().map_err(|_| no_answer())?).await.map_err(|_| no_answer())?;
        blob.dyn_into().map_err(|_| no_answer())
    }

    /// Reads one thing or list.
    pub async fn get<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.follow(path, some_tries()).await
    }

    /// The same, however long the server stays away, while somebody waits for it.
    pub async fn follow<T: DeserializeOwned>(self, path: &str, is_wanted: impl FnMut() -> bool + 'static) -> Answer<T> {
        decode(&self.follow_text(path, Box::new(is_wanted)).await?)
    }

    /// As it was answered: what is the same for all types is compiled once.
    pub async fn follow_text(self, path: &str, is_wanted: Box<dyn FnMut() -> bool>) -> Answer<String> {
        self.repeat(Asked { path, body: None, within_ms: READ_WITHIN_MS }, is_wanted).await
    }

    /// What takes the server a while to find out: it fetches something before it answers, or is told much.
    async fn look<T: DeserializeOwned>(self, path: &str, body: Option<String>) -> Answer<T> {
        let asked = Asked { path, body, within_ms: LOOK_WITHIN_MS };
        decode(&self.repeat(asked, Box::new(some_tries())).await?)
    }

    async fn repeat(self, asked: Asked<'_>, mut is_wanted: Box<dyn FnMut() -> bool>) -> Answer<String> {
        let mut tries = 0;
        loop {
            match self.read(&asked).await {
                Err(Fault::Away) if is_wanted() => pause(pause_after(tries, js_sys::Math::random())).await,
                answer => return Ok(answer?),
            }
            tries += 1;
        }
    }

    async fn post<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.ask("POST", path).await
    }

    async fn ask<T: DeserializeOwned>(self, method: &str, path: &str) -> Answer<T> {
        decode(&self.call(method, path, None).await?)
    }

    async fn send<T: DeserializeOwned>(self, method: &str, path: &str, body: &impl Serialize) -> Answer<T> {
        decode(&self.call(method, path, Some(json(body)?)).await?)
    }

    async fn run(self, method: &str, path: &str) -> Answer<()> {
        self.call(method, path, None).await?;
        Ok(())
    }

    async fn call(self, method: &str, path: &str, body: Option<String>) -> Result<String, Fault> {
        let response = self.fetch(method, path, body, None).await?;
        text_of(&response).await.map_err(|_| self.lost())
    }

    async fn read(self, asked: &Asked<'_>) -> Result<String, Fault> {
        let method = if asked.body.is_some() { "POST" } else { "GET" };
        let response = self.fetch(method, asked.path, asked.body.clone(), Some(asked.within_ms)).await?;
        text_of(&response).await.map_err(|_| self.lost())
    }

    async fn fetch(
        self,
        method: &str,
        path: &str,
        body: Option<String>,
        within_ms: Option<u32>,
    ) -> Result<web_sys::Response, Fault> {
        let response = send_request(method, path, body, within_ms).await.map_err(|_| self.lost())?;
        if response.ok() {
            self.reach.find();
            return Ok(response);
        }
        match (response.status(), text_of(&response).await) {
            (status, Ok(text)) if !is_of_a_proxy(status, &text) => {
                self.reach.find();
                Err(Fault::Refused(self.note(error_of(status, &text))))
            }
            _ => Err(self.lost()),
        }
    }

    fn lost(self) -> Fault {
        self.reach.lose();
        Fault::Away
    }

    /// The one reaction to an ended session: the page asks to sign in and keeps its address.
    fn note(self, error: ErrorBody) -> ErrorBody {
        if error.kind == ErrorKind::Unauthenticated
            && self.gate.with_untracked(|gate| matches!(gate, Gate::SignedIn(_)))
        {
            self.pass(Gate::SignedOut);
        }
        error
    }
}

/// A deployment's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub project: ProjectName,
    pub deployment: DeploymentName,
}

impl Place {
    /// The address of a deployment.
    pub fn of(deployment: &Deployment) -> Self {
        Self { project: deployment.project.clone(), deployment: deployment.name.clone() }
    }

    /// Its path in the API.
    pub fn path(&self) -> String {
        path::deployment(&self.project, &self.deployment)
    }

    /// A path below it in the API.
    pub fn below(&self, rest: &str) -> String {
        format!("{}/{rest}", self.path())
    }

    /// Its page.
    pub fn page(&self) -> String {
        format!("/projects/{}/{}", self.project, self.deployment)
    }

    /// The page of one of its releases.
    pub fn release_page(&self, number: i64) -> String {
        format!("{}/releases/{number}", self.page())
    }
}

/// A path of the API by its end.
pub fn at(rest: &str) -> String {
    format!("{}{rest}", path::API)
}

fn user_path(name: &UserName) -> String {
    at(&format!("/users/{}", js_sys::encode_uri_component(name.as_str())))
}

async fn send_request(
    method: &str,
    path: &str,
    body: Option<String>,
    within_ms: Option<u32>,
) -> Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new()?;
    headers.set("Accept", "application/json")?;
    if method != "GET" {
        headers.set(CSRF_HEADER, "1")?;
    }
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    if let Some(body) = body {
        headers.set("Content-Type", "application/json")?;
        init.set_body(&JsValue::from_str(&body));
    }
    init.set_headers(&headers);
    if let Some(within_ms) = within_ms {
        init.set_signal(Some(&web_sys::AbortSignal::timeout_with_u32(within_ms)));
    }
    let response = JsFuture::from(window().fetch_with_str_and_init(path, &init)).await?;
    response.dyn_into()
}

/// Waits.
pub async fn pause(ms: u32) {
    let over = js_sys::Promise::new(&mut |resolve, _| {
        // Fails for no function and number: the pause is then over at once.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms.cast_signed());
    });
    let _ = JsFuture::from(over).await;
}

async fn text_of(response: &web_sys::Response) -> Result<String, JsValue> {
    Ok(JsFuture::from(response.text()?).await?.as_string().unwrap_or_default())
}

/// Before a server that starts or stops, the edge or a proxy answers in its place, and not in our words.
fn is_of_a_proxy(status: u16, text: &str) -> bool {
    matches!(status, 502..=504) && serde_json::from_str::<ApiError>(text).is_err()
}

fn json(body: &impl Serialize) -> Answer<String> {
    serde_json::to_string(body).map_err(|error| malformed(&error))
}

/// What an answer says.
pub fn decode<T: DeserializeOwned>(text: &str) -> Answer<T> {
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

fn error_of(status: u16, text: &str) -> ErrorBody {
    if let Ok(ApiError { error }) = serde_json::from_str(text) {
        return error;
    }
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.status() == status).unwrap_or(ErrorKind::Internal);
    ErrorBody {
        kind,
        message: format!("The server answered with status {status} and no explanation."),
        hint: Some("Look at the server's own log.".to_owned()),
    }
}

fn no_answer() -> ErrorBody {
    ErrorBody {
        kind: ErrorKind::Unavailable,
        message: "The server does not answer.".to_owned(),
        hint: Some("Whether this press has arrived is not known. Look at the page once it is connected again, then press again.".to_owned()),
    }
}

fn malformed(error: &serde_json::Error) -> ErrorBody {
    ErrorBody {
        kind: ErrorKind::Internal,
        message: format!("The server's answer cannot be read: {error}."),
        hint: Some("The console may be older than the server: reload the page.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_the_servers_words() {
        let error =
            error_of(409, r#"{"error":{"kind":"conflict","message":"shop exists","hint":"Choose another name"}}"#);
        assert_eq!(
            (error.kind, error.message.as_str(), error.hint.as_deref()),
            (ErrorKind::Conflict, "shop exists", Some("Choose another name"))
        );
        assert_eq!(error_of(413, "<html>").kind, ErrorKind::TooLarge);
        assert_eq!(error_of(500, "").kind, ErrorKind::Internal);
    }

    #[test]
    fn the_answers_of_proxies_are_none_of_the_servers() {
        assert!(is_of_a_proxy(502, "502 Bad gateway.") && is_of_a_proxy(504, ""));
        assert!(!is_of_a_proxy(503, r#"{"error":{"kind":"unavailable","message":"the engine does not answer"}}"#));
        assert!(!is_of_a_proxy(404, "404 Not found."));
    }
}
