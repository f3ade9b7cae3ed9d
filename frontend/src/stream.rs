//! Server-sent events: one `EventSource` per stream, its connection as a signal, resumed by itself where it stopped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use boathouse_types::{Event, Gap, LogLine};
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{EventSource, MessageEvent};

use crate::reach::{Reach, pause_after, reach};

/// What is observed, not decided, has no event: all that is on screen is read again this often.
const REFRESH_EVERY: Duration = Duration::from_secs(10);

/// Whether a stream delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Opening,
    Connected,
    Lost,
    /// The server said that no more will come.
    Ended,
}

/// What a stream delivers.
pub enum Message {
    Log(LogLine),
    /// The JSON of what is new: an event, or the whole of what the stream is about.
    State(String),
    Gap(Gap),
    /// Connected, for the first time or again: what happened meanwhile may be unknown.
    Opened,
}

/// A stream that opens itself again until it ends or its component goes. The browser would do so too, but only after some faults,
/// only every few seconds, and never for a connection that hangs.
struct Stream {
    path: String,
    connection: RwSignal<Connection>,
    deliver: Box<dyn Fn(Message)>,
    reach: Reach,
    /// The id of the last message: a new `EventSource` does not know where the one before it stopped.
    last_id: RefCell<String>,
    /// Tries in vain since it was last open.
    tries: Cell<u32>,
    /// As [`Reach::outages`] when it was opened; nothing until then.
    opened_in: Cell<Option<u32>>,
    open: RefCell<Option<Open>>,
    timer: Cell<Option<TimeoutHandle>>,
    closed: Cell<bool>,
}

/// One `EventSource`; dropped, it closes.
struct Open {
    source: EventSource,
    _handlers: Vec<Closure<dyn Fn(MessageEvent)>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// Opens a stream that lives as long as the component that calls this.
pub fn open(path: String, connection: RwSignal<Connection>, deliver: impl Fn(Message) + 'static) {
    let stream = Rc::new(Stream {
        path,
        connection,
        deliver: Box::new(deliver),
        reach: reach(),
        last_id: RefCell::default(),
        tries: Cell::new(0),
        opened_in: Cell::new(None),
        open: RefCell::new(None),
        timer: Cell::new(None),
        closed: Cell::new(false),
    });
    stream.connect();
    // A page that was left is kept for "back" with all its connections; over HTTP/1.1 six of them are all that the next page has.
    let (left, entered) = (stream.clone(), stream.clone());
    let left = window_event_listener(leptos::ev::pagehide, move |_| left.rest());
    let entered = window_event_listener(leptos::ev::pageshow, move |event| {
        if event.persisted() {
            entered.connect();
        }
    });
    let owned = StoredValue::new_local(stream.clone());
    on_cleanup(move || {
        owned.try_with_value(|stream| stream.close());
        left.remove();
        entered.remove();
    });
    // The server is back: what waits need not wait on, and what has hung since before is opened anew.
    Effect::new(move |was_away: Option<bool>| {
        let is_away = stream.reach.is_away();
        if was_away == Some(true) && !is_away && stream.opened_in.get() != Some(stream.reach.outages()) {
            stream.connect();
        }
        is_away
    });
}

impl Stream {
    fn connect(self: &Rc<Self>) {
        self.stop_timer();
        if self.closed.get() {
            return;
        }
        // Closes the one before.
        self.open.replace(None);
        self.opened_in.set(None);
        let Ok(source) = EventSource::new(&resumed(&self.path, &self.last_id.borrow())) else { return };
        let handlers = vec![
            self.on(&source, "open", |stream, _| {
                stream.tries.set(0);
                stream.opened_in.set(Some(stream.reach.outages()));
                stream.connection.try_set(Connection::Connected);
                (stream.deliver)(Message::Opened);
            }),
            self.on_json(&source, "log", Message::Log),
            self.on_text(&source, "state", |stream, text| (stream.deliver)(Message::State(text))),
            self.on_json(&source, "gap", Message::Gap),
            self.on(&source, "end", |stream, _| {
                stream.close();
                stream.connection.try_set(Connection::Ended);
            }),
            self.on(&source, "error", |stream, source| {
                source.close();
                stream.connection.try_set(Connection::Lost);
                stream.connect_later();
            }),
        ];
        self.open.replace(Some(Open { source, _handlers: handlers }));
    }

    fn connect_later(self: &Rc<Self>) {
        self.stop_timer();
        let tries = self.tries.replace(self.tries.get() + 1);
        let pause = Duration::from_millis(u64::from(pause_after(tries, js_sys::Math::random())));
        let stream = self.clone();
        self.timer.set(set_timeout_with_handle(move || stream.connect(), pause).ok());
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.clear();
        }
    }

    /// Until it is connected again.
    fn rest(&self) {
        self.stop_timer();
        self.open.replace(None);
        self.opened_in.set(None);
    }

    /// For ever. The handlers stay until the stream is dropped: one of them may be calling.
    fn close(&self) {
        self.closed.set(true);
        self.stop_timer();
        if let Some(open) = self.open.borrow().as_ref() {
            open.source.close();
        }
    }

    fn on(
        self: &Rc<Self>,
        source: &EventSource,
        name: &str,
        handle: impl Fn(&Rc<Self>, &EventSource) + 'static,
    ) -> Closure<dyn Fn(MessageEvent)> {
        let (stream, own) = (Rc::downgrade(self), source.clone());
        listen(source, name, move |_| {
            if let Some(stream) = stream.upgrade() {
                handle(&stream, &own);
            }
        })
    }

    fn on_json<T: DeserializeOwned + 'static>(
        self: &Rc<Self>,
        source: &EventSource,
        name: &str,
        wrap: fn(T) -> Message,
    ) -> Closure<dyn Fn(MessageEvent)> {
        self.on_text(source, name, move |stream, text| {
            if let Ok(value) = serde_json::from_str(&text) {
                (stream.deliver)(wrap(value));
            }
        })
    }

    fn on_text(
        self: &Rc<Self>,
        source: &EventSource,
        name: &str,
        handle: impl Fn(&Rc<Self>, String) + 'static,
    ) -> Closure<dyn Fn(MessageEvent)> {
        let stream = Rc::downgrade(self);
        listen(source, name, move |event| {
            let Some(stream) = stream.upgrade() else { return };
            stream.last_id.replace(event.last_event_id());
            if let Some(text) = event.data().as_string() {
                handle(&stream, text);
            }
        })
    }
}

/// The stream from after the message with this id; from its beginning where there was none.
fn resumed(path: &str, last_id: &str) -> String {
    match (last_id, path.contains('?')) {
        ("", _) => path.to_owned(),
        (id, true) => format!("{path}&after={id}"),
        (id, false) => format!("{path}?after={id}"),
    }
}

fn listen(source: &EventSource, name: &str, handle: impl Fn(MessageEvent) + 'static) -> Closure<dyn Fn(MessageEvent)> {
    let closure = Closure::<dyn Fn(MessageEvent)>::new(handle);
    // Fails for no name that is used here: the listener is a function.
    let _ = source.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    closure
}

/// What a change on the server means for what is on screen.
#[derive(Clone)]
pub enum Notice {
    /// This happened.
    Event(Event),
    /// Anything may have happened.
    Anything,
}

type Listener = Rc<dyn Fn(&Notice)>;

/// The one stream of events, shared by all that is on screen.
#[derive(Clone, Copy)]
pub struct Events {
    listeners: StoredValue<Vec<(u32, Listener)>, LocalStorage>,
    next: StoredValue<u32>,
    /// Shown in the header where it is lost.
    pub connection: RwSignal<Connection>,
}

impl Events {
    /// Opens the stream; it closes with the calling component.
    pub fn open() -> Self {
        let events = Self {
            listeners: StoredValue::new_local(Vec::new()),
            next: StoredValue::new(0),
            connection: RwSignal::new(Connection::Opening),
        };
        open(crate::api::at("/events"), events.connection, move |message| match message {
            Message::State(text) => events.tell(&serde_json::from_str(&text).map_or(Notice::Anything, Notice::Event)),
            Message::Opened | Message::Gap(_) => events.tell(&Notice::Anything),
            Message::Log(_) => {}
        });
        let look = move || {
            if document().visibility_state() == web_sys::VisibilityState::Visible {
                events.tell(&Notice::Anything);
            }
        };
        let timer = set_interval_with_handle(look, REFRESH_EVERY);
        // A page that was in the background is old until it is read again.
        let shown = window_event_listener(leptos::ev::visibilitychange, move |_| look());
        on_cleanup(move || {
            drop(timer.map(|timer| timer.clear()));
            shown.remove();
        });
        events
    }

    /// Calls `listener` for each notice as long as the calling component lives.
    pub fn listen(self, listener: impl Fn(&Notice) + 'static) {
        let id = self
            .next
            .try_update_value(|next| {
                *next += 1;
                *next
            })
            .unwrap_or_default();
        self.listeners.try_update_value(|listeners| listeners.push((id, Rc::new(listener))));
        on_cleanup(move || {
            self.listeners.try_update_value(|listeners| listeners.retain(|(known, _)| *known != id));
        });
    }

    fn tell(self, notice: &Notice) {
        // A listener may end others, so the list is copied first.
        let listeners = self.listeners.try_with_value(|listeners| listeners.clone()).unwrap_or_default();
        for (_, listener) in listeners {
            listener(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resumed;

    #[test]
    fn a_stream_goes_on_where_it_stopped() {
        assert_eq!(resumed("/log", ""), "/log");
        assert_eq!(resumed("/log", "7"), "/log?after=7");
        assert_eq!(resumed("/logs?tail=5", "7"), "/logs?tail=5&after=7");
    }
}
