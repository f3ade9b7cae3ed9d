//! The pipeline log of one release as its task writes it: redacted, and marked with the stage.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boathouse_types::{Identifier, Stage};

use crate::docker::{Line, Stream};
use crate::logs::{Entry, Journal, Redactor, readable};

/// Where a release's task writes what it does.
pub struct PipelineLog {
    journal: Arc<Journal>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    redactor: Redactor,
}

impl PipelineLog {
    /// Writes to this journal.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, state: Mutex::new(State { stage: Stage::Source, redactor: Redactor::default() }) }
    }

    /// What follows belongs to this stage.
    pub fn enter(&self, stage: Stage) {
        self.lock().stage = stage;
    }

    /// Hides these values from now on.
    pub fn hide(&self, redactor: Redactor) {
        self.lock().redactor = redactor;
    }

    /// The text without secrets.
    pub fn redacted(&self, text: String) -> String {
        let redactor = self.lock().redactor.clone();
        redactor.apply(text)
    }

    /// A sentence of our own.
    pub fn say(&self, text: impl Into<String>) {
        self.write(None, text.into());
    }

    /// A sentence of our own about a component.
    pub fn about(&self, component: &Identifier, text: impl Into<String>) {
        self.write(Some(component), text.into());
    }

    /// A line that a build, a registry or a container printed; what the builder says of a step names the step.
    pub fn line(&self, component: &Identifier, line: &Line) {
        let text = readable(&line.bytes);
        match &line.step {
            Some(step) if line.stream == Stream::Progress => self.write(Some(component), format!("{step}: {text}")),
            _ => self.write(Some(component), text),
        }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.journal.close();
    }

    fn write(&self, component: Option<&Identifier>, text: String) {
        let (stage, redactor) = {
            let state = self.lock();
            (state.stage, state.redactor.clone())
        };
        for line in redactor.apply(text).lines() {
            let (component, stream) = (component.cloned(), stage.as_str().to_owned());
            self.journal.append(Entry {
                at: None,
                component,
                replica: None,
                stream,
                text: line.to_owned(),
                container: None,
            });
        }
    }

    // A panic while holding this lock leaves plain data behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
