//! Log lines: of a release's pipeline and of containers.

use serde::{Deserialize, Serialize};

use crate::{Identifier, Millis, container_mark};

/// One line. Text is valid UTF-8: other bytes were replaced by U+FFFD; ANSI colour codes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// Grows by one per line within one log; also the SSE event id.
    pub id: i64,
    /// When it was received.
    pub at: Millis,
    /// The component it comes from, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Identifier>,
    /// Which of several containers of it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// `stdout`, `stderr`, or the pipeline stage.
    pub stream: String,
    /// The line without its end.
    pub text: String,
}

impl LogLine {
    /// What the container is called that it comes from, where it comes from one: `web`, or `web.2` of several.
    pub fn mark(&self) -> Option<String> {
        self.component.as_ref().map(|component| container_mark(component, self.replica))
    }
}

/// `event: gap` of a stream: lines that this reader missed and cannot get any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gap {
    /// How many lines are missing, where known.
    pub missed: Option<i64>,
    /// The next id that will be sent.
    pub resumes_at: i64,
}
