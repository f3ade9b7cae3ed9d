//! Who may sign in.

use boathouse_types::{NewUser, Role, User};
use leptos::prelude::*;

use crate::api::{api, at};
use crate::components::*;
use crate::live::{Live, of_all};
use crate::session::account;

#[component]
pub fn Users() -> impl IntoView {
    let (live, adding) = (Live::<Vec<User>>::new(at("/users"), of_all), RwSignal::new(false));
    view! {
        <header class="section-title">
            <p class="hint">"Viewers see everything but secrets, members also deploy, administrators also manage this page."</p>
            <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a user"</span></button>
        </header>
        <Dialog open=adding title="Add a user"><AddUser live open=adding/></Dialog>
        {live.show(move |users| view! { <ul class="rows people">{move || users.get().into_iter().map(|user| view! { <UserRow user live/> }).collect_view()}</ul> }.into_any())}
    }
}

#[component]
fn UserRow(user: User, live: Live<Vec<User>>) -> impl IntoView {
    let (api, attempt, changing, deleting) = (api(), Attempt::new(), RwSignal::new(false), RwSignal::new(false));
    let is_self = account().name() == user.name.as_str();
    let name = StoredValue::new(user.name.clone());
    let delete = move |()| {
        let name = name.get_value();
        attempt.run(async move {
            api.delete_user(&name).await?;
            deleting.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    let losses = vec![
        "their sessions: they are signed out at once".to_owned(),
        "their API tokens: what uses one stops working".to_owned(),
    ];
    view! {
        <li>
            <span class="main"><Icon glyph=Glyph::USER/><strong>{user.name.to_string()}</strong>{is_self.then_some(" (you)")}</span>
            <span>{user.role.as_str()}</span>
            <span class="hint">"since "<Moment at=user.created_at/></span>
            <span class="row-actions">
                <button type="button" class="quiet" on:click=move |_| changing.set(true)>"Set password"</button>
                {(!is_self).then(|| view! { <button type="button" class="quiet icon-only" aria-label=format!("Delete {}", name.get_value()) on:click=move |_| deleting.set(true)><Icon glyph=Glyph::TRASH/></button> })}
            </span>
            <Dialog open=changing title=format!("New password for {}", name.get_value())><SetPassword name open=changing/></Dialog>
            {move || deleting.get().then(|| view! { <ConfirmDelete open=deleting noun="user" name=name.get_value().to_string() losses=losses.clone() attempt on_confirm=Callback::new(delete)/> })}
        </li>
    }
}

#[component]
fn SetPassword(name: StoredValue<boathouse_types::UserName>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, password) = (api(), Attempt::new(), RwSignal::new(String::new()));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (name, password) = (name.get_value(), password.get_untracked());
        attempt.run(async move {
            api.set_password(&name, &password).await?;
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <form class="stack" on:submit=submit>
            <Field label="Password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters. Their sessions end." required=true/>
            <AttemptProblem attempt/>
            <div class="actions"><Button attempt label="Set password" glyph=Glyph::CHECK class="primary"/></div>
        </form>
    }
}

#[component]
fn AddUser(live: Live<Vec<User>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (name, password, role) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new("member".to_owned()));
    let roles = [Role::Viewer, Role::Member, Role::Admin]
        .map(|role| (role.as_str().to_owned(), role.as_str().to_owned()))
        .to_vec();
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let user = match name.get_untracked().trim().parse() {
            Ok(name) => NewUser {
                name,
                role: Role::parse(&role.get_untracked()).unwrap_or(Role::Viewer),
                password: password.get_untracked(),
            },
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        attempt.run(async move {
            api.create_user(&user).await?;
            live.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <form class="stack" on:submit=submit>
            <Field label="Name" value=name required=true focus=true/>
            <Choice label="Role" value=role options=Signal::stored(roles)/>
            <Field label="Password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters." required=true/>
            <AttemptProblem attempt/>
            <div class="actions"><Button attempt label="Add" glyph=Glyph::PLUS class="primary"/></div>
        </form>
    }
}
