//! API tokens: for the command line on another machine and for CI. A token's secret is shown once.

use boathouse_types::{NewToken, Scope, Token, User};
use leptos::prelude::*;

use crate::api::{api, at};
use crate::components::*;
use crate::live::{Live, of_all, of_nothing};
use crate::session::{account, is_admin};

#[component]
pub fn Tokens() -> impl IntoView {
    let (live, adding) = (Live::<Vec<Token>>::new(at("/tokens"), of_all), RwSignal::new(false));
    view! {
        <header class="section-title">
            <p class="hint">"For "<code>"boathouse login"</code>" on another machine, and for CI."</p>
            <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Make a token"</span></button>
        </header>
        <Dialog open=adding title="Make a token"><AddToken live/></Dialog>
        {live.show(move |tokens| view! {
            <ul class="rows people">{move || tokens.get().into_iter().map(|token| view! { <TokenRow token live/> }).collect_view()}</ul>
            <Show when=move || tokens.with(Vec::is_empty)><Empty glyph=Glyph::KEY title="No tokens yet"><p>"A script needs one; a person signs in."</p></Empty></Show>
        }.into_any())}
    }
}

#[component]
fn TokenRow(token: Token, live: Live<Vec<Token>>) -> impl IntoView {
    let (api, attempt, revoking) = (api(), Attempt::new(), RwSignal::new(false));
    let (id, name) = (token.id, token.name.to_string());
    let revoke = move |()| {
        attempt.run(async move {
            api.delete_token(id).await?;
            revoking.try_set(false);
            live.refresh();
            Ok(())
        })
    };
    let owner = (account().name() != token.user.as_str()).then(|| format!("of {} · ", token.user));
    let used = match token.last_used_at {
        Some(at) => view! { "last used "<Moment at/> }.into_any(),
        None => "never used".into_any(),
    };
    view! {
        <li>
            <span class="main"><Icon glyph=Glyph::KEY/><strong>{name.clone()}</strong></span>
            <span>{token.scope.as_str()}</span>
            <span class="hint">{owner}"ends "<Moment at=token.expires_at/>" · "{used}</span>
            <span class="row-actions"><button type="button" class="quiet" aria-label=format!("Revoke {name}") on:click=move |_| revoking.set(true)>"Revoke"</button></span>
            <Confirm open=revoking title=format!("Revoke {name}?") verb="Revoke" attempt on_confirm=Callback::new(revoke)
                says="What uses this token stops working at once. It cannot be brought back."/>
        </li>
    }
}

#[component]
fn AddToken(live: Live<Vec<Token>>) -> impl IntoView {
    let (api, attempt, secret) = (api(), Attempt::new(), RwSignal::new(None::<String>));
    let (name, scope, days) =
        (RwSignal::new(String::new()), RwSignal::new("deploy".to_owned()), RwSignal::new("90".to_owned()));
    let scopes = [
        (Scope::Read, "Read: sees, changes nothing"),
        (Scope::Deploy, "Deploy: also deploys and changes projects"),
        (Scope::Admin, "Admin: everything"),
    ];
    let scopes = Signal::stored(scopes.map(|(scope, words)| (scope.as_str().to_owned(), words.to_owned())).to_vec());
    let user = RwSignal::new(account().name());
    let make = move || {
        let token = match (name.get_untracked().parse(), days.get_untracked().trim().parse()) {
            (Ok(name), Ok(days)) => NewToken {
                name,
                scope: Scope::parse(&scope.get_untracked()).unwrap_or(Scope::Read),
                expires_in_days: Some(days),
                user: user.get_untracked().parse().ok(),
            },
            (Err(problem), _) => return attempt.refuse(format!("{problem}.")),
            (_, Err(_)) => return attempt.refuse("The days until it ends must be a number from 1 to 3650."),
        };
        attempt.run(async move {
            secret.try_set(Some(api.create_token(&token).await?.secret));
            live.refresh();
            Ok(())
        });
    };
    let whose = is_admin().then(|| Live::<Vec<User>>::new(at("/users"), of_nothing));
    let whose = move || whose.map(|users| users.beside(move |users| view! { <Whose user users/> }.into_any()));
    move || {
        match secret.get() {
        Some(secret) => view! { <div class="stack"><p>"Copy it now: it is shown only this once."</p><CopyText text=secret label="token"/></div> }.into_any(),
        None => view! {
            <Form attempt label="Make" glyph=Glyph::KEY on_submit=make>
                <Field label="Name" value=name placeholder="laptop, CI of the shop" required=true focus=true/>
                {whose()}
                <Choice label="May" value=scope options=scopes/>
                <Field label="Days until it ends" value=days kind="number" required=true/>
            </Form>
        }
        .into_any(),
    }
    }
}

/// Administrators make tokens for others, too: for a CI that has a user of its own.
#[component]
fn Whose(user: RwSignal<String>, users: Signal<Vec<User>>) -> impl IntoView {
    let words = |user: User| (user.name.to_string(), format!("{}, {}", user.name, user.role.as_str()));
    let options = Signal::derive(move || users.get().into_iter().map(words).collect::<Vec<_>>());
    view! {
        <Choice label="For" value=user options/>
        <Show when=move || user.get() != account().name()><p class="hint">"It never has more rights than its user."</p></Show>
    }
}
