//! What a detector says of one folder.

use std::collections::BTreeSet;

use boathouse_types::{Evidence, Finding, Identifier, Topic};

use super::folder::Folder;
use super::needs::{self, Need};

/// A process of an application: a component of its own, made from the same folder.
#[derive(Debug, Clone)]
pub struct Process {
    /// What it is called.
    pub name: Identifier,
    /// Visitors reach it; otherwise it is a worker.
    pub is_web: bool,
    /// What starts it.
    pub line: String,
}

/// An application.
#[derive(Debug, Clone)]
pub struct App {
    /// Its folder inside the repository; empty for the root.
    pub folder: String,
    /// The word that its identifier is made from where its folder has no name.
    pub usual_name: &'static str,
    /// What it is, for people: `Next.js`.
    pub name: String,
    /// Whether something of it can be deployed: a library cannot.
    pub runs: bool,
    /// The Dockerfile that is proposed; absent where it has one, or needs none.
    pub dockerfile: Option<String>,
    /// What the Dockerfile's context leaves out.
    pub ignore: &'static str,
    /// The Dockerfile's context is the root of the repository: its packages are installed together.
    pub from_root: bool,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// It becomes files: a folder of the source, or an absolute path in the image.
    pub files: Option<String>,
    /// Unknown paths of these answer `index.html`.
    pub spa: bool,
    /// Its processes, where somebody has written them down; else it is one that its image starts.
    pub processes: Vec<Process>,
    /// The line that runs once before each release.
    pub before: Option<String>,
    /// Services that it uses.
    pub needs: BTreeSet<Need>,
    /// What is known of it, by topic.
    pub findings: Vec<Finding>,
    /// What it is concluded from.
    pub evidence: Vec<Evidence>,
    /// What could not be found out.
    pub warnings: Vec<String>,
}

impl App {
    /// An application of that folder about which nothing else is known.
    pub fn of(folder: &Folder<'_>, name: &str) -> Self {
        Self {
            folder: folder.path.clone(),
            usual_name: "web",
            name: name.to_owned(),
            runs: true,
            dockerfile: None,
            ignore: "",
            from_root: false,
            port: None,
            files: None,
            spa: false,
            processes: Vec::new(),
            before: None,
            needs: BTreeSet::new(),
            findings: Vec::new(),
            evidence: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes a fact.
    pub fn saw(&mut self, folder: &Folder<'_>, file: &str, fact: impl Into<String>) {
        self.evidence.push(Evidence { file: folder.full(file), fact: fact.into() });
    }

    /// Notes a fact that settles something: a later one of the same topic has nothing to add, unless there can be several.
    pub fn found(
        &mut self,
        topic: Topic,
        value: impl Into<String>,
        folder: &Folder<'_>,
        file: &str,
        fact: impl Into<String>,
    ) {
        let evidence = Evidence { file: folder.full(file), fact: fact.into() };
        if !self.evidence.contains(&evidence) {
            self.evidence.push(evidence.clone());
        }
        self.settle(topic, value, Some(evidence));
    }

    /// Notes what is usual where no file says otherwise.
    pub fn usually(&mut self, topic: Topic, value: impl Into<String>) {
        self.settle(topic, value, None);
    }

    fn settle(&mut self, topic: Topic, value: impl Into<String>, evidence: Option<Evidence>) {
        let value = value.into();
        let several = matches!(topic, Topic::Service | Topic::Variable);
        let known = self.findings.iter().any(|finding| finding.topic == topic && (!several || finding.value == value));
        if !known {
            self.findings.push(Finding { topic, value, evidence });
        }
    }

    /// Notes what somebody has to decide.
    pub fn warn(&mut self, text: impl Into<String>) {
        let place = if self.folder.is_empty() { String::new() } else { format!("{}: ", self.folder) };
        self.warnings.push(format!("{place}{}", text.into()));
    }

    /// Notes the services that a list of packages tells of.
    pub fn needs_of<'p>(&mut self, folder: &Folder<'_>, file: &str, packages: impl Iterator<Item = &'p str>) {
        for package in packages {
            if let Some(need) = needs::of_package(package)
                && self.needs.insert(need)
            {
                self.found(Topic::Service, need.package(), folder, file, format!("{package}: uses {}", need.package()));
            }
        }
    }
}
