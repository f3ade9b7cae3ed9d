//! How the server signs in where a project's code is: with a deploy key over ssh, with a login over https.

use boathouse_types::{Project, ProjectName, Source};
use leptos::prelude::*;

use super::remote::{LoginFields, LoginForm};
use crate::api::api;
use crate::components::*;
use crate::format;
use crate::live::Live;
use crate::session::may_change;

/// Nothing where there is nothing to sign in at.
#[component]
pub fn SignIn(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let way = Memo::new(move |_| project.with(|project| Way::of(&project.source)));
    move || match way.get() {
        Some(Way::Key) => view! { <DeployKey project live/> }.into_any(),
        Some(Way::Login) => view! { <Login project live/> }.into_any(),
        None => ().into_any(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Key,
    Login,
}

impl Way {
    /// A path on the server and what is no git repository ask for nothing.
    fn of(source: &Source) -> Option<Self> {
        match source {
            Source::Git { url, .. } if format::is_ssh(url.as_str()) => Some(Self::Key),
            Source::Git { url, .. } if url.as_str().contains("://") => Some(Self::Login),
            _ => None,
        }
    }
}

/// The public half of the key, or the button that makes one.
#[component]
fn DeployKey(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let key = Memo::new(move |_| project.with(|project| project.deploy_key.clone()));
    let make = move |()| {
        let name = name_of(project);
        attempt.run(async move {
            live.put(api.make_deploy_key(&name).await?);
            Ok(())
        });
    };
    move || {
        match key.get() {
        Some(key) => view! { <p class="hint">"Deploy key: give it read access at the git server."</p><CopyText text=key label="deploy key"/> }.into_any(),
        None if may_change() => view! {
            <p class="hint">"A private repository over ssh needs a deploy key."</p>
            <AttemptProblem attempt/>
            <Button attempt label="Make a deploy key" glyph=Glyph::KEY on_press=Callback::new(make)/>
        }
        .into_any(),
        None => ().into_any(),
    }
    }
}

/// Whether there is a login, and the buttons that set and forget it.
#[component]
fn Login(project: Signal<Project>, live: Live<Project>) -> impl IntoView {
    let (setting, forgetting) = (RwSignal::new(false), RwSignal::new(false));
    let origin = Memo::new(move |_| project.with(|project| project.git_login.clone()));
    let words = move || match origin.get() {
        Some(origin) => format!("The server signs in at {origin} with a login that was set here."),
        None => "A private repository over https needs a login.".to_owned(),
    };
    let (api, attempt) = (api(), Attempt::new());
    let forget = Callback::new(move |()| {
        let name = name_of(project);
        attempt.run(async move {
            api.forget_git_login(&name).await?;
            live.refresh();
            forgetting.try_set(false);
            Ok(())
        });
    });
    view! {
        <p class="hint">{words}</p>
        <Show when=may_change>
            <div class="actions left">
                <button type="button" on:click=move |_| setting.set(true)><Icon glyph=Glyph::KEY/><span>{move || if origin.get().is_some() { "Replace the login" } else { "Set a login" }}</span></button>
                <Show when=move || origin.get().is_some()><button type="button" class="quiet" on:click=move |_| forgetting.set(true)>"Forget it"</button></Show>
            </div>
        </Show>
        <Dialog open=setting title="Sign in at the git server"><LoginDialog project live open=setting/></Dialog>
        <Confirm open=forgetting title="Forget the login?" verb="Forget it" attempt on_confirm=forget
            says="Releases can no longer fetch a private repository. What runs goes on running, and rollbacks need no repository."/>
    }
}

#[component]
fn LoginDialog(project: Signal<Project>, live: Live<Project>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, form) = (api(), Attempt::new(), LoginForm::new());
    let save = move || {
        let Some(login) = form.login() else { return attempt.refuse("Put in a user name and a token.") };
        let name = name_of(project);
        attempt.run(async move {
            api.set_git_login(&name, &login).await?;
            live.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Save" glyph=Glyph::CHECK on_submit=save>
            <p class="hint">"For fetching this project's code. It is given to that host alone, and needs no more than the right to read."</p>
            <LoginFields form/>
        </Form>
    }
}

fn name_of(project: Signal<Project>) -> ProjectName {
    project.with_untracked(|project| project.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_says_how_to_sign_in() {
        let of = |url: &str| Way::of(&Source::Git { url: url.parse().unwrap(), branch: None, folder: None });
        assert_eq!(of("https://git.example.com/shop.git"), Some(Way::Login));
        assert_eq!(of("git@git.example.com:team/shop.git"), Some(Way::Key));
        assert_eq!(of("ssh://git@git.example.com/shop.git"), Some(Way::Key));
        assert_eq!((of("/srv/shop.git"), Way::of(&Source::Upload)), (None, None));
    }
}
