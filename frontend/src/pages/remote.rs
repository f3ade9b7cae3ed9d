//! Where the code of a new stack lives: on this server, or at a git remote that the user names.

use boathouse_types::{GitLogin, GitRef, InvalidName, Source, StackRemote};
use leptos::prelude::*;

use crate::components::*;
use crate::format;

const HERE: &str = "here";
const ELSEWHERE: &str = "elsewhere";
const PLACES: [Card; 2] = [
    (HERE, Glyph::SERVER, "On this server", "To clone and push here"),
    (ELSEWHERE, Glyph::GIT, "At your git host", "Pushed to an empty repository"),
];
/// The branch that new code is pushed to where nobody names one.
const BRANCH: &str = "main";

/// What the inputs hold.
#[derive(Clone, Copy)]
pub struct RemoteForm {
    place: RwSignal<String>,
    url: RwSignal<String>,
    branch: RwSignal<String>,
    pub login: LoginForm,
}

impl RemoteForm {
    pub fn new() -> Self {
        let empty = || RwSignal::new(String::new());
        Self { place: RwSignal::new(HERE.to_owned()), url: empty(), branch: empty(), login: LoginForm::new() }
    }

    pub fn is_elsewhere(self) -> bool {
        self.place.get() == ELSEWHERE
    }

    /// Over ssh the project's deploy key signs in, and the remote must know it first.
    pub fn needs_key(self) -> bool {
        self.is_elsewhere() && self.url.with(|url| format::is_ssh(url))
    }

    /// The remote, or the rule that an input breaks; none where the code lives here.
    pub fn remote(self) -> Result<Option<StackRemote>, String> {
        if !self.is_elsewhere() {
            return Ok(None);
        }
        let says = |problem: InvalidName| format!("{problem}.");
        let branch: GitRef = some_text(self.branch).as_deref().unwrap_or(BRANCH).parse().map_err(says)?;
        let login = if self.needs_key() { None } else { self.login.login() };
        let url = self.url.get().trim().parse().map_err(|problem| format!("Repository: {problem}."))?;
        Ok(Some(StackRemote { url, branch: Some(branch), login }))
    }
}

/// The source of a project whose code goes there.
pub fn source_of(remote: &StackRemote) -> Source {
    Source::Git { url: remote.url.clone(), branch: remote.branch.clone(), folder: None }
}

#[component]
pub fn RemoteFields(form: RemoteForm) -> impl IntoView {
    view! {
        <Cards legend="Where does its code live?" name="place" value=form.place cards=&PLACES/>
        <Show when=move || form.is_elsewhere()>
            <Field label="Repository" value=form.url required=true placeholder="https://git.example.com/team/shop.git" hint="An empty one, over https or ssh."/>
            <Field label="Branch" value=form.branch placeholder=BRANCH/>
            <Show when=move || !form.needs_key() fallback=|| view! { <p class="hint">"Over ssh the project's deploy key signs in. It is made with the project, and shown to you first."</p> }>
                <LoginFields form=form.login/>
            </Show>
        </Show>
    }
}

/// Who signs in at a remote over https.
#[derive(Clone, Copy)]
pub struct LoginForm {
    username: RwSignal<String>,
    token: RwSignal<String>,
}

impl LoginForm {
    pub fn new() -> Self {
        Self { username: RwSignal::new(String::new()), token: RwSignal::new(String::new()) }
    }

    /// Nobody where both are empty; what is wrong with half of it the server says.
    pub fn login(self) -> Option<GitLogin> {
        let (username, token) = (some_text(self.username), some_text(self.token));
        (username.is_some() || token.is_some())
            .then(|| GitLogin { username: username.unwrap_or_default(), token: token.unwrap_or_default() })
    }
}

#[component]
pub fn LoginFields(form: LoginForm) -> impl IntoView {
    view! {
        <div class="pair">
            <Field label="User name" value=form.username hint="Many hosts take any with a token."/>
            <Field label="Token" value=form.token kind="password" hint="Kept sealed; never shown again."/>
        </div>
    }
}
