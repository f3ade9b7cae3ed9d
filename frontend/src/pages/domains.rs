//! The domains of a deployment and the state of their certificates.

use std::collections::BTreeMap;

use boathouse_types::{Addon, Deployment, Host, NewHost, TlsMode};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::{Place, api};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_nothing, of_project};
use crate::session::may_change;

#[component]
pub fn Domains() -> impl IntoView {
    let Here { place, deployment, .. } = expect_context();
    let live = Live::<Vec<Host>>::new(place.below("hosts"), of_project(place.project.to_string()));
    let (place, adding) = (StoredValue::new(place), RwSignal::new(false));
    view! {
        <header class="section-title">
            <p class="hint">"Point the name's DNS record at this server first; its certificate is then made by itself."</p>
            <Show when=may_change>
                <button type="button" class="primary" on:click=move |_| adding.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a domain"</span></button>
                <Dialog open=adding title="Add a domain"><AddHost place live deployment open=adding/></Dialog>
            </Show>
        </header>
        {live.show(move |hosts| view! {
            <ul class="rows hosts">{move || hosts.get().into_iter().map(|host| view! { <HostRow place host live/> }).collect_view()}</ul>
            <Show when=move || hosts.with(Vec::is_empty)>
                <Empty glyph=Glyph::GLOBE title="No domain yet"><p>"The first release makes one up for each component; your own come here."</p></Empty>
            </Show>
            {move || rules(&hosts.get()).map(|(component, rules)| view! { <Rules component rules/> }).collect_view()}
        }.into_any())}
    }
}

/// What the edge does for each component besides passing requests on.
fn rules(hosts: &[Host]) -> impl Iterator<Item = (String, Vec<String>)> + use<> {
    let by_component: BTreeMap<_, _> =
        hosts.iter().map(|host| (host.component.to_string(), host.rules.clone())).collect();
    by_component.into_iter().filter(|(_, rules)| !rules.is_empty())
}

#[component]
fn Rules(component: String, rules: Vec<String>) -> impl IntoView {
    view! {
        <section class="option-section">
            <h2>"Rules of "{component}</h2>
            <ul class="rows">{rules.into_iter().map(|rule| view! { <li><span class="main">{rule}</span></li> }).collect_view()}</ul>
            <p class="hint">"From the manifest: they are changed there."</p>
        </section>
    }
}

/// Which certificate serves, or what stands in its way.
#[component]
pub fn CertificateMark(host: Host) -> impl IntoView {
    match (host.problem, host.certificate, host.tls) {
        (Some(problem), certificate, _) => {
            let serves = certificate.map(|certificate| format::day(certificate.not_after));
            let words = format::obstacle(&problem, serves.as_deref(), host.retry_at.map(format::moment).as_deref());
            view! { <span class="mark warn"><Icon glyph=Glyph::DEGRADED/><span>{words}</span></span> }.into_any()
        }
        (None, Some(certificate), tls) => {
            let title = format!(
                "Issued by {}, {} to {}",
                certificate.issuer,
                format::day(certificate.not_before),
                format::day(certificate.not_after)
            );
            let issuer = if tls == TlsMode::Internal { "internal CA".to_owned() } else { certificate.issuer.clone() };
            view! { <span class="mark good" title=title><Icon glyph=Glyph::LOCK/><span>{issuer}", until "{format::day(certificate.not_after)}</span></span> }.into_any()
        }
        (None, None, TlsMode::Off) => {
            view! { <span class="mark off"><Icon glyph=Glyph::OFF/><span>"plain HTTP"</span></span> }.into_any()
        }
        (None, None, TlsMode::Acme) => {
            view! { <span class="mark busy"><Icon glyph=Glyph::CLOCK/><span>"certificate on its way"</span></span> }
                .into_any()
        }
        (None, None, TlsMode::Internal) => {
            view! { <span class="mark good"><Icon glyph=Glyph::LOCK/><span>"internal CA"</span></span> }.into_any()
        }
    }
}

#[component]
fn HostRow(place: StoredValue<Place>, host: Host, live: Live<Vec<Host>>) -> impl IntoView {
    let (api, attempt, removing) = (api(), Attempt::new(), RwSignal::new(false));
    let (name, url) = (StoredValue::new(host.name.clone()), host.url.clone());
    let remove = move |()| {
        let (place, name) = (place.get_value(), name.get_value());
        attempt.run(async move {
            api.remove_host(&place, &name).await?;
            removing.try_set(false);
            live.refresh();
            Ok(())
        });
    };
    let retrying = Attempt::new();
    let retry = move |()| {
        let (place, name) = (place.get_value(), name.get_value());
        retrying.run(async move {
            api.retry_host(&place, &name).await?;
            live.refresh();
            Ok(())
        });
    };
    let waits = host.tls == TlsMode::Acme && host.problem.is_some();
    let path = (host.path != "/").then(|| host.path.clone());
    let port = host.port.map_or_else(String::new, |port| format!(" port {port}"));
    let origin = match (host.generated, host.of_manifest) {
        (true, _) => " · made up by Boathouse",
        (_, true) => " · of the manifest",
        _ => "",
    };
    let facts = format!("to {}{port}{origin}", host.component);
    view! {
        <li>
            <a class="open main" href=url target="_blank" rel="noopener noreferrer"><Icon glyph=Glyph::OPEN/>{host.name.to_string()}{path}</a>
            <CertificateMark host/>
            <span class="hint">{facts}</span>
            <Show when=may_change>
                <span class="row-actions">
                    {waits.then(|| view! { <Button attempt=retrying label="Try now" glyph=Glyph::START on_press=Callback::new(retry)/> })}
                    <button type="button" class="quiet icon-only" aria-label=format!("Remove {}", name.get_value()) on:click=move |_| removing.set(true)><Icon glyph=Glyph::TRASH/></button>
                </span>
            </Show>
            <AttemptProblem attempt=retrying/>
            <Confirm open=removing title=format!("Remove {}?", name.get_value()) verb="Remove" attempt on_confirm=Callback::new(remove)
                says="Visitors of this address get an error page at once. Its certificate is kept, so adding it again is quick."/>
        </li>
    }
}

#[component]
fn AddHost(
    place: StoredValue<Place>,
    live: Live<Vec<Host>>,
    deployment: Signal<Deployment>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let known = Live::<Vec<Addon>>::new(place.with_value(|place| place.below("addons")), of_nothing);
    let addons = Signal::derive(move || known.get().unwrap_or_default());
    let text = || RwSignal::new(String::new());
    let (name, component, path, port, tls) = (text(), text(), text(), text(), text());
    let modes = [
        ("", "By the name: ACME for public ones, internal for others"),
        ("acme", "ACME"),
        ("internal", "Internal CA"),
        ("off", "None: plain HTTP"),
    ];
    let modes = modes.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec();
    let add = move || {
        let port = match some_text(port).map(|port| port.parse::<u16>()).transpose() {
            Ok(port) => port,
            Err(_) => return attempt.refuse("The port is a number between 1 and 65535."),
        };
        let host = match name.get_untracked().trim().parse() {
            Ok(name) => NewHost {
                name,
                component: component.get_untracked().parse().ok(),
                path: some_text(path),
                port,
                tls: TlsMode::parse(&tls.get_untracked()),
            },
            Err(problem) => return attempt.refuse(format!("{problem}.")),
        };
        let place = place.get_value();
        attempt.run(async move {
            api.add_host(&place, &host).await?;
            live.refresh();
            open.try_set(false);
            Ok(())
        });
    };
    view! {
        <Form attempt label="Add" glyph=Glyph::PLUS on_submit=add>
            <Field label="Domain" value=name placeholder="shop.example.com" required=true focus=true/>
            <ComponentChoice label="Component" value=component deployment addons/>
            <Field label="Path" value=path placeholder="/" hint="Only requests below it; empty for all."/>
            <Field label="Port" value=port placeholder="the component's" hint="Of its container, where that listens on several."/>
            <Choice label="Certificate" value=tls options=Signal::stored(modes)/>
        </Form>
    }
}
