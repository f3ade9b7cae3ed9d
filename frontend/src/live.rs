//! A value of the API that follows the server: read at once, read again when an event concerns it or the server is back, kept
//! meanwhile.

use boathouse_types::{ErrorBody, ErrorKind, Event};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::de::DeserializeOwned;

use crate::api::{Answer, Api, api, decode};
use crate::components::{Gone, Problem, Skeleton};
use crate::stream::{self, Connection, Events, Message, Notice};

/// What may be shown live.
pub trait Value: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {}
impl<T: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static> Value for T {}

/// The value, once it has been read, and the problem of the last attempt.
pub struct Live<T: 'static> {
    value: RwSignal<Option<T>>,
    source: Source,
}

/// Where it comes from: the same for values of all types, and so compiled once.
#[derive(Clone, Copy)]
struct Source {
    problem: RwSignal<Option<ErrorBody>>,
    path: StoredValue<String>,
    reading: StoredValue<Reading>,
    api: Api,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Live<T> {}

/// Takes an answer of the server, or says why it cannot.
type Take = Box<dyn Fn(&str) -> Answer<()>>;

/// At most one request is under way; what is asked for meanwhile is done once, after it.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    Idle,
    Once,
    Again,
}

impl<T: Value> Live<T> {
    /// Reads `path` now, and again on each event that `concerns` it.
    pub fn new(path: String, concerns: impl Fn(&Event) -> bool + 'static) -> Self {
        let live = Self::read_once(path);
        expect_context::<Events>().listen(move |notice| match notice {
            Notice::Event(event) if !concerns(event) => {}
            _ => live.refresh(),
        });
        live
    }

    /// Reads `path` now, and follows it as a stream: each of its messages is the whole value.
    pub fn streamed(path: String) -> Self {
        let live = Self::read_once(path.clone());
        stream::open(path, RwSignal::new(Connection::Opening), move |message| {
            if let Message::State(text) = message
                && let Ok(value) = serde_json::from_str(&text)
            {
                live.put(value);
            }
        });
        live
    }

    fn read_once(path: String) -> Self {
        let source = Source {
            problem: RwSignal::new(None),
            path: StoredValue::new(path),
            reading: StoredValue::new(Reading::Idle),
            api: api(),
        };
        let live = Self { value: RwSignal::new(None), source };
        live.refresh();
        live
    }

    /// Reads it again.
    pub fn refresh(self) {
        match self.source.reading.try_get_value() {
            Some(Reading::Idle) => {
                self.source.reading.set_value(Reading::Once);
                spawn_local(self.source.read(Box::new(move |answer| self.take(answer))));
            }
            Some(_) => self.source.reading.set_value(Reading::Again),
            None => {}
        }
    }

    /// Puts in what an answer to a change has brought along.
    pub fn put(self, value: T) {
        if self.value.try_with_untracked(|known| known.as_ref() != Some(&value)) == Some(true) {
            self.value.set(Some(value));
        }
    }

    /// The value, once it has been read.
    pub fn get(self) -> Option<T> {
        self.value.get()
    }

    /// The value, without following it.
    pub fn get_untracked(self) -> Option<T> {
        self.value.get_untracked()
    }

    /// Whether somebody still waits for it to be read at all.
    pub fn is_missing(self) -> bool {
        self.value.try_with_untracked(Option::is_none) == Some(true)
    }

    /// What went wrong in the last attempt to read it.
    pub fn problem(self) -> Option<ErrorBody> {
        self.source.problem.get()
    }

    fn take(self, answer: &str) -> Answer<()> {
        decode(answer).map(|value| self.put(value))
    }

    /// As [`Live::show`] where the page is about this value alone: where it does not exist (any more), the page says only that.
    pub fn page(self, view: impl Fn(Signal<T>) -> AnyView + Clone + Send + Sync + 'static) -> AnyView {
        self.source.page(Box::new(move || self.show(view.clone())))
    }

    /// As [`Live::show`], but takes no room before the value is here: for what stands beside the thing that a page is about.
    pub fn beside(self, view: impl Fn(Signal<T>) -> AnyView + Clone + Send + Sync + 'static) -> AnyView {
        let is_settled = Memo::new(move |_| self.value.with(Option::is_some) || self.problem().is_some());
        let body = move || is_settled.get().then(|| self.show(view.clone()));
        view! { {body} }.into_any()
    }

    /// Shows the value by `view` once it is here; a problem before that is shown in its place, after that above it.
    pub fn show(self, view: impl Fn(Signal<T>) -> AnyView + Send + Sync + 'static) -> AnyView {
        let is_here = Memo::new(move |_| self.value.with(Option::is_some));
        self.source.show(Box::new(move || {
            let first = is_here.get().then(|| self.value.get_untracked()).flatten()?;
            Some(view(Signal::derive(move || self.value.get().unwrap_or_else(|| first.clone()))))
        }))
    }
}

impl Source {
    async fn read(self, take: Take) {
        loop {
            let Some(path) = self.path.try_get_value() else { return };
            let is_wanted = move || self.path.try_get_value().is_some();
            let answer = self.api.follow_text(&path, Box::new(is_wanted)).await;
            self.note(answer.and_then(|text| take(&text)).err());
            match self.reading.try_get_value() {
                Some(Reading::Again) => self.reading.set_value(Reading::Once),
                Some(_) => return self.reading.set_value(Reading::Idle),
                None => return,
            }
        }
    }

    fn page(self, shown: Box<dyn Fn() -> AnyView + Send + Sync>) -> AnyView {
        let gone = Memo::new(move |_| self.problem.get().filter(|problem| problem.kind == ErrorKind::NotFound));
        let body = move || match gone.get() {
            Some(problem) => view! { <Gone problem/> }.into_any(),
            None => shown(),
        };
        view! { {body} }.into_any()
    }

    fn show(self, made: Box<dyn Fn() -> Option<AnyView> + Send + Sync>) -> AnyView {
        let problem = move || self.problem.get().map(|problem| view! { <Problem problem/> });
        let waits =
            move || view! { <Show when=move || self.problem.with(Option::is_none)><Skeleton/></Show> }.into_any();
        let body = move || made().unwrap_or_else(waits);
        view! { {problem} {body} }.into_any()
    }

    fn note(self, problem: Option<ErrorBody>) {
        if self.problem.try_with_untracked(|known| *known != problem) == Some(true) {
            self.problem.set(problem);
        }
    }
}

/// Concerns what belongs to a project.
pub fn of_project(project: String) -> impl Fn(&Event) -> bool {
    move |event| event.project.as_ref().is_some_and(|own| own.as_str() == project)
}

/// Is read once.
pub fn of_nothing(_: &Event) -> bool {
    false
}

/// Concerns everything.
pub fn of_all(_: &Event) -> bool {
    true
}
