//! Server-sent events: one `EventSource` per stream, its connection as a signal, resumed by itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use boathouse_types::{Event, Gap, LogLine};
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{EventSource, MessageEvent};

/// The browser reconnects by itself after a network fault, but gives up after an error answer: then we try again.
const REOPEN_AFTER: Duration = Duration::from_secs(2);
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
    State(Event),
    Gap(Gap),
    /// Connected, for the first time or again: what happened meanwhile may be unknown.
    Opened,
}

/// An open stream; dropped, it closes.
struct Stream {
    source: Option<EventSource>,
    handlers: Vec<Closure<dyn Fn(MessageEvent)>>,
    closed: bool,
    last_id: LastId,
}

/// The id of the last message: a new `EventSource` does not know where the one before it stopped.
type LastId = Rc<RefCell<String>>;

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

impl Stream {
    fn close(&mut self) {
        self.closed = true;
        if let Some(source) = self.source.take() {
            source.close();
        }
        self.handlers.clear();
    }
}

/// Opens a stream that lives as long as the component that calls this.
pub fn open(path: String, connection: RwSignal<Connection>, deliver: impl Fn(Message) + 'static) {
    let stream =
        Rc::new(RefCell::new(Stream { source: None, handlers: Vec::new(), closed: false, last_id: LastId::default() }));
    connect(&stream, path, connection, Rc::new(deliver));
    let owned = StoredValue::new_local(stream);
    on_cleanup(move || {
        owned.try_with_value(|stream| stream.borrow_mut().close());
    });
}

type Deliver = Rc<dyn Fn(Message)>;

fn connect(stream: &Rc<RefCell<Stream>>, path: String, connection: RwSignal<Connection>, deliver: Deliver) {
    let last_id = stream.borrow().last_id.clone();
    let Ok(source) = EventSource::new(&resumed(&path, &last_id.borrow())) else { return };
    let handlers = vec![
        on(&source, "open", {
            let deliver = deliver.clone();
            move |_| {
                connection.try_set(Connection::Connected);
                deliver(Message::Opened);
            }
        }),
        on_json(&source, "log", &last_id, &deliver, Message::Log),
        on_json(&source, "state", &last_id, &deliver, Message::State),
        on_json(&source, "gap", &last_id, &deliver, Message::Gap),
        on(&source, "end", {
            let source = source.clone();
            move |_| {
                source.close();
                connection.try_set(Connection::Ended);
            }
        }),
        on(&source, "error", {
            let (source, stream) = (source.clone(), Rc::downgrade(stream));
            move |_| {
                connection.try_set(Connection::Lost);
                if source.ready_state() == EventSource::CLOSED
                    && let Some(stream) = stream.upgrade()
                {
                    reopen(stream, path.clone(), connection, deliver.clone());
                }
            }
        }),
    ];
    let mut stream = stream.borrow_mut();
    stream.source = Some(source);
    stream.handlers = handlers;
}

/// The stream from after the message with this id; from its beginning where there was none.
fn resumed(path: &str, last_id: &str) -> String {
    match (last_id, path.contains('?')) {
        ("", _) => path.to_owned(),
        (id, true) => format!("{path}&after={id}"),
        (id, false) => format!("{path}?after={id}"),
    }
}

fn reopen(stream: Rc<RefCell<Stream>>, path: String, connection: RwSignal<Connection>, deliver: Deliver) {
    set_timeout(
        move || {
            if !stream.borrow().closed {
                connect(&stream, path, connection, deliver);
            }
        },
        REOPEN_AFTER,
    );
}

fn on(source: &EventSource, name: &str, handle: impl Fn(MessageEvent) + 'static) -> Closure<dyn Fn(MessageEvent)> {
    let closure = Closure::<dyn Fn(MessageEvent)>::new(handle);
    // Fails for no name that is used here: the listener is a function.
    let _ = source.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    closure
}

fn on_json<T: DeserializeOwned + 'static>(
    source: &EventSource,
    name: &str,
    last_id: &LastId,
    deliver: &Deliver,
    wrap: fn(T) -> Message,
) -> Closure<dyn Fn(MessageEvent)> {
    let (deliver, last_id) = (deliver.clone(), last_id.clone());
    on(source, name, move |event| {
        *last_id.borrow_mut() = event.last_event_id();
        if let Some(value) = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok()) {
            deliver(wrap(value));
        }
    })
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
            Message::State(event) => events.tell(&Notice::Event(event)),
            Message::Opened | Message::Gap(_) => events.tell(&Notice::Anything),
            Message::Log(_) => {}
        });
        let timer = set_interval_with_handle(
            move || {
                if document().visibility_state() == web_sys::VisibilityState::Visible {
                    events.tell(&Notice::Anything);
                }
            },
            REFRESH_EVERY,
        );
        on_cleanup(move || drop(timer.map(|timer| timer.clear())));
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
