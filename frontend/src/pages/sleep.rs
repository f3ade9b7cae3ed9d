//! Sleep: when a deployment falls asleep, and the button that does not wait for that.

use boathouse_types::{Deployment, Intent, Millis, SleepStatus};
use leptos::prelude::*;

use super::deployment::Here;
use crate::api::api;
use crate::components::*;
use crate::session::may_change;

/// What is ahead of one that falls asleep by itself; nothing where it does not, or sleeps.
#[component]
pub fn Sleepiness(deployment: Signal<Deployment>) -> impl IntoView {
    let clock = expect_context::<Clock>().0;
    let ahead = Memo::new(move |_| {
        deployment.with(|one| {
            let runs = one.intent == Intent::Running && one.live.is_some();
            if runs { ahead(&one.sleep, clock.get()) } else { None }
        })
    });
    move || ahead.get().map(|(words, at)| view! { <Ahead words at/> })
}

/// In words, and when.
fn ahead(status: &SleepStatus, now: Millis) -> Option<(String, Option<Millis>)> {
    let sleep = status.sleep.filter(|_| status.asleep_at.is_none())?;
    Some(match (&status.awake_for, status.sleeps_at.filter(|at| *at > now)) {
        (Some(why), _) => (format!("Stays awake: {why}"), None),
        (None, Some(at)) => ("Sleeps, unless somebody comes, ".to_owned(), Some(at)),
        (None, None) => (format!("Sleeps {}", sleep.words()), None),
    })
}

#[component]
fn Ahead(words: String, at: Option<Millis>) -> impl IntoView {
    let Here { place, live, .. } = expect_context();
    let (api, attempt) = (api(), Attempt::new());
    let sleep = Callback::new(move |()| {
        let place = place.clone();
        attempt.run(async move {
            live.put(api.sleep(&place).await?);
            Ok(())
        });
    });
    view! {
        <p class="timer">
            <Icon glyph=Glyph::ASLEEP/><span>{words}{at.map(|at| view! { <Moment at/> })}</span>
            <Show when=may_change><Button attempt label="Sleep now" glyph=Glyph::ASLEEP class="quiet" on_press=sleep/></Show>
            <AttemptProblem attempt/>
        </p>
    }
}

#[cfg(test)]
mod tests {
    use boathouse_types::Sleep;

    use super::*;

    #[test]
    fn what_is_ahead_is_never_past() {
        let idle = SleepStatus { sleep: Some(Sleep::after(900)), sleeps_at: Some(100), ..SleepStatus::default() };
        assert_eq!(ahead(&idle, 50).unwrap().1, Some(100));
        assert_eq!(ahead(&idle, 100).unwrap().0, "Sleeps after 15m without a request");
        let busy = SleepStatus { awake_for: Some("run 3 goes on".to_owned()), ..idle };
        assert_eq!(ahead(&busy, 50), Some(("Stays awake: run 3 goes on".to_owned(), None)));
        assert_eq!(ahead(&SleepStatus { asleep_at: Some(1), ..idle }, 50), None);
        assert_eq!(ahead(&SleepStatus::default(), 50), None);
    }
}
