//! Who may sign in.

use boathouse_types::{ChangeUser, NewUser, Role, User, UserName};
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

/// (value, words) of each role.
fn roles() -> Vec<(String, String)> {
    let words = |role| match role {
        Role::Viewer => "Viewer: sees, changes nothing",
        Role::Member => "Member: also deploys and changes projects",
        Role::Admin => "Administrator: also manages users and the instance",
    };
    [Role::Viewer, Role::Member, Role::Admin].map(|role| (role.as_str().to_owned(), words(role).to_owned())).to_vec()
}

#[component]
fn UserRow(user: User, live: Live<Vec<User>>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (promoting, changing, deleting) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let (is_self, role) = (account().name() == user.name.as_str(), user.role);
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
                {(!is_self).then(|| view! {
                    <button type="button" class="quiet" aria-label=format!("Change the role of {}", name.get_value()) on:click=move |_| promoting.set(true)>"Change role"</button>
                })}
                <button type="button" class="quiet" aria-label=format!("Set the password of {}", name.get_value()) on:click=move |_| changing.set(true)>"Set password"</button>
                {(!is_self).then(|| view! { <button type="button" class="quiet icon-only" aria-label=format!("Delete {}", name.get_value()) on:click=move |_| deleting.set(true)><Icon glyph=Glyph::TRASH/></button> })}
            </span>
            <Dialog open=promoting title=format!("What {} may do", name.get_value())><ChangeRole name role live open=promoting/></Dialog>
            <Dialog open=changing title=format!("New password for {}", name.get_value())><SetPassword name open=changing/></Dialog>
            {move || deleting.get().then(|| view! { <ConfirmDelete open=deleting noun="user" name=name.get_value().to_string() losses=losses.clone() attempt on_confirm=Callback::new(delete)/> })}
        </li>
    }
}

#[component]
fn ChangeRole(name: StoredValue<UserName>, role: Role, live: Live<Vec<User>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, role) = (api(), Attempt::new(), RwSignal::new(role.as_str().to_owned()));
    let change = move || {
        let (name, change) = (name.get_value(), ChangeUser { role: Role::parse(&role.get_untracked()) });
        attempt.run(async move {
            api.change_user(&name, &change).await?;
            live.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Change the role" glyph=Glyph::CHECK on_submit=change>
            <Choice label="Role" value=role options=Signal::stored(roles())/>
            <p class="hint">"It counts from their next press on. Their tokens never have more rights than they do."</p>
        </Form>
    }
}

#[component]
fn SetPassword(name: StoredValue<UserName>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt, password) = (api(), Attempt::new(), RwSignal::new(String::new()));
    let set = move || {
        let (name, password) = (name.get_value(), password.get_untracked());
        attempt.run(async move {
            api.set_password(&name, &password).await?;
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Set password" glyph=Glyph::CHECK on_submit=set>
            <Field label="Password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters. Their sessions end." required=true/>
        </Form>
    }
}

#[component]
fn AddUser(live: Live<Vec<User>>, open: RwSignal<bool>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let (name, password, role) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new("member".to_owned()));
    let add = move || {
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
        <Form attempt label="Add" glyph=Glyph::PLUS on_submit=add>
            <Field label="Name" value=name required=true focus=true/>
            <Choice label="Role" value=role options=Signal::stored(roles())/>
            <Field label="Password" value=password kind="password" autocomplete="new-password" hint="At least 12 characters." required=true/>
        </Form>
    }
}
