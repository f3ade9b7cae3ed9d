//! A log that follows its stream: lines go into the buffer at once, the page is told at most once per frame.

use leptos::prelude::*;

use crate::log_buffer::{Filter, LogBuffer};
use crate::stream::{self, Connection, Message};

/// A buffer that is fed by a stream.
#[derive(Clone, Copy)]
pub struct LogStore {
    buffer: StoredValue<LogBuffer>,
    /// Grows with each change that is worth drawing.
    pub version: RwSignal<u64>,
    pub connection: RwSignal<Connection>,
    frame_asked: StoredValue<bool>,
}

impl LogStore {
    /// Opens the stream at `path`; it closes with the calling component.
    pub fn open(path: String) -> Self {
        let store = Self {
            buffer: StoredValue::new(LogBuffer::default()),
            version: RwSignal::new(0),
            connection: RwSignal::new(Connection::Opening),
            frame_asked: StoredValue::new(false),
        };
        stream::open(path, store.connection, move |message| store.take(message));
        store
    }

    /// Shows other lines.
    pub fn set_filter(self, filter: Filter) {
        self.buffer.update_value(|buffer| buffer.set_filter(filter));
        self.draw();
    }

    /// Reads the buffer, reactively.
    pub fn with<R>(self, read: impl FnOnce(&LogBuffer) -> R) -> R {
        self.version.track();
        self.buffer.with_value(read)
    }

    fn take(self, message: Message) {
        let changed = self.buffer.try_update_value(|buffer| match message {
            Message::Log(line) => buffer.push(line),
            Message::Gap(gap) => buffer.push_gap(&gap, js_sys::Date::now() as i64),
            Message::State(_) | Message::Opened => {}
        });
        if changed.is_some() {
            self.ask_frame();
        }
    }

    fn ask_frame(self) {
        if self.frame_asked.get_value() {
            return;
        }
        self.frame_asked.set_value(true);
        request_animation_frame(move || {
            if self.frame_asked.try_update_value(|asked| *asked = false).is_some() {
                self.draw();
            }
        });
    }

    fn draw(self) {
        self.version.try_update(|version| *version += 1);
    }
}
