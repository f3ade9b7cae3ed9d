//! The stack builder: a choice of packages, seen as code, and made a project.

use boathouse_types::{Project, PushStack, StackChoice, StackPreview};

use super::{Answer, Api, at, json};

impl Api {
    /// The code that a choice becomes; nothing is made.
    pub async fn preview_stack(self, choice: &StackChoice) -> Answer<StackPreview> {
        self.look(&at("/stacks/preview"), Some(json(choice)?)).await
    }

    /// The code, a repository that holds it, and the project.
    pub async fn create_stack(self, choice: &StackChoice) -> Answer<Project> {
        self.send("POST", &at("/stacks"), choice).await
    }
    /// The same, with the code at a remote of the user's own.
    pub async fn push_stack(self, push: &PushStack) -> Answer<Project> {
        self.send("POST", &at("/stacks/push"), push).await
    }
}
