//! A port of this host that leads to an add-on, for the networks that are named.

use boathouse_types::{Cidr, PublicPort, SetPublicPort, plural};
use leptos::prelude::*;

use super::addons::One;
use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

#[component]
pub fn PublicAccess(one: One) -> impl IntoView {
    let public = Memo::new(move |_| one.addon.with(|addon| addon.public.clone()));
    let (opening, closing) = (RwSignal::new(false), RwSignal::new(false));
    let name = StoredValue::new(one.identifier.with_value(ToString::to_string));
    let words = move || if public.with(Option::is_some) { "Change the public port" } else { "Open a public port" };
    view! {
        <div class="public-port">
            {move || match public.get() {
                Some(port) => view! { <Port port/> }.into_any(),
                None => view! { <p class="hint">"Not reachable from outside this deployment."</p> }.into_any(),
            }}
            <Show when=may_change>
                <p class="actions left">
                    <button type="button" on:click=move |_| opening.set(true)><Icon glyph=Glyph::GLOBE/><span>{words}</span></button>
                    <Show when=move || public.with(Option::is_some)><button type="button" on:click=move |_| closing.set(true)>"Close it"</button></Show>
                </p>
            </Show>
            <Dialog open=opening title=format!("A public port for {}", name.get_value())><PortForm one open=opening/></Dialog>
            <ClosePort one open=closing/>
        </div>
    }
}

#[component]
fn Port(port: PublicPort) -> impl IntoView {
    let (glyph, class, word) = match (port.open, &port.problem) {
        (true, _) => (Glyph::HEALTHY, "mark good", "open"),
        (false, Some(_)) => (Glyph::DOWN, "mark bad", "closed"),
        (false, None) => (Glyph::OFF, "mark", "closed"),
    };
    let allow = port.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let counts = format!(
        "{} open now, {} forwarded, {} refused",
        plural(port.connections, "connection"),
        port.forwarded,
        port.refused
    );
    view! {
        <p><strong>"Port "{port.port}" of this host"</strong>" "<span class=class><Icon glyph/>{word}</span></p>
        <p class="hint">"For "{allow}" · "{counts}</p>
        {port.problem.map(|problem| view! { <p>{problem}</p> })}
        {port.warning.map(|warning| view! { <p class="mark warn"><Icon glyph=Glyph::DEGRADED/><span>{warning}</span></p> })}
    }
}

#[component]
fn PortForm(one: One, open: RwSignal<bool>) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let known = one.addon.with_untracked(|addon| addon.public.clone());
    let port = RwSignal::new(known.as_ref().map_or_else(String::new, |known| known.port.to_string()));
    let allow =
        RwSignal::new(known.map_or_else(String::new, |known| {
            known.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }));
    let save = move || {
        let wish = match wish(&port.get_untracked(), &allow.get_untracked()) {
            Ok(wish) => wish,
            Err(problem) => return attempt.refuse(problem),
        };
        let (place, addon) = (place.clone(), one.identifier.get_value());
        attempt.run(async move {
            api.expose_addon(&place, &addon, &wish).await?;
            one.all.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Open the port" glyph=Glyph::GLOBE on_submit=save>
            <Field label="Port of this host" value=port kind="number" placeholder="15432" required=true focus=true hint="From 1024 on, one that nothing else listens on."/>
            <label class="field"><span>"Networks that may use it"</span>
                <textarea rows="3" placeholder="203.0.113.0/24" spellcheck="false" autocapitalize="off" autocomplete="off" required=true bind:value=allow></textarea>
                <small>"One per line. Everybody is 0.0.0.0/0 and ::/0; then only the password stands between the world and your data."</small>
            </label>
        </Form>
    }
}

/// What the inputs ask for, or the rule that one breaks.
fn wish(port: &str, allow: &str) -> Result<SetPublicPort, String> {
    let port = port.trim().parse().map_err(|_| "The port must be a number from 1024 to 65535.".to_owned())?;
    let words = allow.split([',', '\n', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let allow = words
        .map(|word| word.parse::<Cidr>().map_err(|problem| format!("{word}: {problem}.")))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(SetPublicPort { port, allow })
}

#[component]
fn ClosePort(one: One, open: RwSignal<bool>) -> impl IntoView {
    let Here { place, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let close = Callback::new(move |()| {
        let (place, addon) = (place.clone(), one.identifier.get_value());
        attempt.run(async move {
            api.unexpose_addon(&place, &addon).await?;
            one.all.refresh();
            open.try_set(false);
            Ok(())
        });
    });
    view! {
        <Confirm open title="Close the public port?" verb="Close" glyph=Glyph::CLOSE attempt on_confirm=close
            says="Connections that use it are cut at once. The components of the deployment go on reaching the add-on."/>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_however_they_are_listed() {
        let made = wish(" 15432", "203.0.113.0/24, 10.0.0.1\n::1").unwrap();
        assert_eq!((made.port, made.allow.len()), (15432, 3));
        assert!(wish("99999", "").unwrap_err().contains("65535"));
        assert!(wish("15432", "home").unwrap_err().starts_with("home: "));
    }
}
