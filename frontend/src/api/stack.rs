//! The stack builder: a choice of packages, seen as code, and made a project.

use boathouse_types::{Project, StackChoice, StackPreview};

use super::{Answer, Api, at};

impl Api {
    /// The code that a choice becomes; nothing is made.
    pub async fn preview_stack(self, choice: &StackChoice) -> Answer<StackPreview> {
        self.send("POST", &at("/stacks/preview"), choice).await
    }

    /// The code, a repository that holds it, and the project.
    pub async fn create_stack(self, choice: &StackChoice) -> Answer<Project> {
        self.send("POST", &at("/stacks"), choice).await
    }
}
