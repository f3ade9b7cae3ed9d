//! What hooks have told, and what became of it: newest first, each with its reason.

use boathouse_types::{Decision, Delivery, DeliveryState, Happening, HookEvent, Provider};
use leptos::prelude::*;

use super::hooks::Hooked;
use crate::api::{Place, api};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_project};
use crate::session::may_change;

#[component]
pub fn Deliveries(hooked: Hooked) -> impl IntoView {
    let name = hooked.project.get_value();
    let path = format!("{}/deliveries?limit=50", boathouse_types::path::project(&name));
    let live = Live::<Vec<Delivery>>::new(path, of_project(name.to_string()));
    let list = move |deliveries: Signal<Vec<Delivery>>| {
        view! {
            <ul class="rows deliveries">{move || deliveries.get().into_iter().map(|delivery| view! { <Row hooked delivery live/> }).collect_view()}</ul>
            <Show when=move || deliveries.with(Vec::is_empty)>
                <Empty glyph=Glyph::GIT title="Nothing was delivered yet"><p>"The first push or ping is here at once, also one that is refused."</p></Empty>
            </Show>
        }
        .into_any()
    };
    let again = move |_| live.refresh();
    view! {
        <section>
            <header class="section-title"><h2>"Deliveries"</h2><button type="button" class="quiet" on:click=again>"Look again"</button></header>
            {live.show(list)}
        </section>
    }
}

#[component]
fn Row(hooked: Hooked, delivery: Delivery, live: Live<Vec<Delivery>>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let id = delivery.id;
    let redeliver = Callback::new(move |()| {
        attempt.run(async move {
            let name = hooked.project.get_value();
            api.redeliver(&name, id).await?;
            live.refresh();
            Ok(())
        });
    });
    let (glyph, class) = mark(&delivery);
    let (what, told) = (what(&delivery), delivery.happening.clone());
    let is_again = told
        .as_ref()
        .is_some_and(|told| matches!(told.event, HookEvent::Push | HookEvent::Tag | HookEvent::PullRequest));
    let by = told.and_then(|told| told.author).map(|author| format!(" by {author}"));
    let repeats = delivery.redelivery_of.map(|of| format!(", repeats {of}"));
    let project = hooked.project.get_value();
    let decisions = delivery.decisions.iter().map(|one| {
        let place = Place { project: project.clone(), deployment: one.deployment.clone() };
        view! { <Decided place decision=one.clone()/> }
    });
    let turning = if delivery.state == DeliveryState::Waiting { "turning" } else { "" };
    let waits = (delivery.state == DeliveryState::Waiting).then_some("Waits for the commits.");
    view! {
        <li class="delivery">
            <span class="main"><span class=class><Icon glyph class=turning/></span><strong>{what}</strong></span>
            <span class="hint">{delivery.provider.name()}{by}" · "<Moment at=delivery.at/>" · "{format!("delivery {id}")}{repeats}</span>
            <div class="reason">
                {waits}
                {delivery.reason.clone().map(|reason| view! { <p>{sentence(&reason)}</p> })}
                {decisions.collect_view()}
                <AttemptProblem attempt/>
            </div>
            {(is_again && may_change()).then(|| view! { <span class="row-actions"><Button attempt label="Redeliver" glyph=Glyph::ROLL_BACK class="quiet" on_press=redeliver/></span> })}
        </li>
    }
}

#[component]
fn Decided(place: Place, decision: Decision) -> impl IntoView {
    let name = decision.deployment.to_string();
    let reason = sentence(&decision.reason);
    match decision.release {
        Some(number) => {
            view! { <p>{name}": "<a href=place.release_page(number)>"release #"{number}</a>". "{reason}</p> }.into_any()
        }
        None => view! { <p>{name}": not deployed. "{reason}</p> }.into_any(),
    }
}

fn mark(delivery: &Delivery) -> (Glyph, &'static str) {
    let is_deployed = delivery.decisions.iter().any(|decision| decision.release.is_some());
    match delivery.state {
        DeliveryState::Waiting => (Glyph::SPINNER, "mark busy"),
        DeliveryState::Refused => (Glyph::DOWN, "mark bad"),
        DeliveryState::Done if is_deployed => (Glyph::HEALTHY, "mark good"),
        DeliveryState::Done => (Glyph::OFF, "mark"),
    }
}

/// What happened, in a line.
fn what(delivery: &Delivery) -> String {
    let Some(told) = &delivery.happening else { return "Not believed".to_owned() };
    match (&told.pull_request, delivery.provider) {
        (Some(request), _) => format!("Pull request #{} {}", request.number, request.action),
        (None, Provider::Ci) => {
            format!("Call{}", told.reference.as_ref().map_or(String::new(), |name| format!(" for {name}")))
        }
        (None, _) => format!("{} {}", title(told.event), range(told)).trim_end().to_owned(),
    }
}

fn title(event: HookEvent) -> String {
    sentence(event.name()).trim_end_matches('.').to_owned()
}

fn range(told: &Happening) -> String {
    let short = |sha: &Option<String>| sha.as_ref().map(|sha| format::short_sha(sha));
    let name = told.reference.clone().unwrap_or_else(|| told.name.clone());
    match (short(&told.before), short(&told.after)) {
        (Some(before), Some(after)) => format!("{name} {before}..{after}"),
        (None, Some(after)) => format!("{name} {after}"),
        _ => name,
    }
}

/// Begins with a capital letter and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_in_a_line() {
        let told = |event, reference: Option<&str>, before: Option<&str>| Happening {
            event,
            name: "x".into(),
            reference: reference.map(str::to_owned),
            before: before.map(|sha| sha.repeat(40)),
            after: reference.map(|_| "b".repeat(40)),
            commits: None,
            author: None,
            repository: Vec::new(),
            pull_request: None,
        };
        assert_eq!(range(&told(HookEvent::Push, Some("main"), Some("a"))), "main aaaaaaaa..bbbbbbbb");
        assert_eq!(range(&told(HookEvent::Tag, Some("v1"), None)), "v1 bbbbbbbb");
        assert_eq!(range(&told(HookEvent::Other, None, None)), "x");
        assert_eq!((sentence("it is stopped"), sentence("Why?")), ("It is stopped.".into(), "Why?".into()));
        assert_eq!(title(HookEvent::PullRequest), "Pull request");
    }
}
