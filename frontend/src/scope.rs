//! Whose variables: the scopes of a project from the widest to the narrowest, and which of several values each deployment gets.

use boathouse_types::{DeploymentName, DeploymentStage, EnvKey, EnvVar, Identifier, ProjectName, path};

use crate::api::Place;

/// Who has a variable. The narrowest wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Instance,
    Project(ProjectName),
    Stage(ProjectName, DeploymentStage),
    Deployment(Place),
}

impl Scope {
    /// Where the API has its variables.
    pub fn path(&self) -> String {
        match self {
            Self::Instance => format!("{}/env", path::API),
            Self::Project(project) => format!("{}/env", path::project(project)),
            Self::Stage(project, stage) => format!("{}/stages/{}/env", path::project(project), stage.as_str()),
            Self::Deployment(place) => place.below("env"),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Instance => "all projects".to_owned(),
            Self::Project(project) => format!("all of {project}"),
            Self::Stage(_, stage) => format!("stage {}", stage.as_str()),
            Self::Deployment(place) => place.deployment.to_string(),
        }
    }

    fn reaches(&self, name: &DeploymentName, stage: DeploymentStage) -> bool {
        match self {
            Self::Instance | Self::Project(_) => true,
            Self::Stage(_, own) => *own == stage,
            Self::Deployment(place) => place.deployment == *name,
        }
    }
}

/// A scope, or one component of a deployment: the narrowest there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub scope: Scope,
    pub component: Option<Identifier>,
}

impl Target {
    pub fn all_of(scope: Scope) -> Self {
        Self { scope, component: None }
    }

    /// "all of shop", "production, only api".
    pub fn words(&self) -> String {
        match &self.component {
            Some(component) => format!("{}, only {component}", self.scope.words()),
            None => self.scope.words(),
        }
    }

    /// Where the API has one of its variables, or what can be done with it.
    pub fn path_of(&self, key: &EnvKey, action: &str) -> String {
        let component = self.component.as_ref().map_or_else(String::new, |own| format!("?component={own}"));
        format!("{}/{key}{action}{component}", self.scope.path())
    }
}

/// All values of one variable, the widest scope first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    pub key: EnvKey,
    pub steps: Vec<Step>,
}

/// One of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub target: Target,
    pub variable: EnvVar,
    /// The deployments that get it, where no narrower scope has another value for them.
    pub used_by: Vec<String>,
}

/// The variables of all scopes by key. `scopes` are the widest first.
pub fn ladders(scopes: &[(Scope, Vec<EnvVar>)], deployments: &[(DeploymentName, DeploymentStage)]) -> Vec<Ladder> {
    let mut all: Vec<Ladder> = Vec::new();
    for (scope, variables) in scopes {
        for variable in variables {
            let target = Target { scope: scope.clone(), component: variable.component.clone() };
            let step = Step { target, variable: variable.clone(), used_by: Vec::new() };
            match all.iter_mut().find(|ladder| ladder.key == variable.key) {
                Some(ladder) => ladder.steps.push(step),
                None => all.push(Ladder { key: variable.key.clone(), steps: vec![step] }),
            }
        }
    }
    all.iter_mut().for_each(|ladder| ladder.find_users(deployments));
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}

impl Ladder {
    fn find_users(&mut self, deployments: &[(DeploymentName, DeploymentStage)]) {
        for (name, stage) in deployments {
            let of_all = |step: &&mut Step| step.target.component.is_none() && step.target.scope.reaches(name, *stage);
            if let Some(step) = self.steps.iter_mut().rfind(of_all) {
                step.used_by.push(name.to_string());
            }
        }
        for step in &mut self.steps {
            if let (Scope::Deployment(place), Some(component)) = (&step.target.scope, &step.target.component) {
                step.used_by.push(format!("{component} of {}", place.deployment));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(of: &[(&str, Option<&str>)]) -> Vec<EnvVar> {
        let variable = |(key, component): &(&str, Option<&str>)| EnvVar {
            key: key.parse().unwrap(),
            component: component.map(|name| name.parse().unwrap()),
            value: None,
            secret: true,
            updated_at: 0,
        };
        of.iter().map(variable).collect()
    }

    fn place(deployment: &str) -> Place {
        Place { project: "shop".parse().unwrap(), deployment: deployment.parse().unwrap() }
    }

    #[test]
    fn the_narrowest_scope_wins_and_says_for_whom() {
        let project: ProjectName = "shop".parse().unwrap();
        let scopes = [
            (Scope::Instance, variables(&[("A", None), ("B", None)])),
            (Scope::Project(project.clone()), variables(&[("A", None)])),
            (Scope::Stage(project, DeploymentStage::Staging), variables(&[("A", None)])),
            (Scope::Deployment(place("production")), variables(&[("A", Some("api")), ("B", None)])),
        ];
        let deployments = [
            ("production".parse().unwrap(), DeploymentStage::Production),
            ("test".parse().unwrap(), DeploymentStage::Staging),
        ];
        let all = ladders(&scopes, &deployments);
        let used = |key: &str| {
            let ladder = all.iter().find(|ladder| ladder.key.as_str() == key).unwrap();
            ladder
                .steps
                .iter()
                .map(|step| format!("{}: {}", step.target.words(), step.used_by.join(", ")))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            used("A"),
            [
                "all projects: ",
                "all of shop: production",
                "stage staging: test",
                "production, only api: api of production"
            ]
        );
        assert_eq!(used("B"), ["all projects: test", "production: production"]);
    }

    #[test]
    fn each_scope_has_its_path() {
        let key: EnvKey = "KEY".parse().unwrap();
        let of = |scope| Target::all_of(scope).path_of(&key, "/reveal");
        let project: ProjectName = "shop".parse().unwrap();
        assert_eq!(of(Scope::Instance), "/api/v1/env/KEY/reveal");
        assert_eq!(
            of(Scope::Stage(project, DeploymentStage::Preview)),
            "/api/v1/projects/shop/stages/preview/env/KEY/reveal"
        );
        let narrow = Target { scope: Scope::Deployment(place("test")), component: Some("api".parse().unwrap()) };
        assert_eq!(narrow.path_of(&key, ""), "/api/v1/projects/shop/deployments/test/env/KEY?component=api");
    }
}
