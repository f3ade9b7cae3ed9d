//! The time now as a signal, and moments and spans that follow it.

use boathouse_types::Millis;
use leptos::prelude::*;
use std::time::Duration;

use crate::format;

const TICK: Duration = Duration::from_secs(1);

/// The browser's clock, read once per second.
#[derive(Clone, Copy)]
pub struct Clock(pub ReadSignal<Millis>);

impl Clock {
    /// Starts it; it stops with the calling component.
    pub fn start() -> Self {
        let (now, set_now) = signal(read());
        let timer = set_interval_with_handle(move || set_now.set(read()), TICK);
        on_cleanup(move || drop(timer.map(|timer| timer.clear())));
        Self(now)
    }
}

fn read() -> Millis {
    js_sys::Date::now() as Millis
}

/// A moment as a distance from now, the full date on hover.
#[component]
pub fn Moment(at: Millis) -> impl IntoView {
    let clock = expect_context::<Clock>().0;
    let text = Memo::new(move |_| format::relative(at, clock.get()));
    view! { <time datetime=format::utc(at) title=format::utc(at)>{text}</time> }
}
