//! How a container is found healthy: it answers on a port, or, where it listens on none, it has run for a while.

use serde::{Deserialize, Serialize};

use super::Component;
use super::manifest::Health;

/// Seconds that a new container has to become healthy, unless the manifest says otherwise.
pub const HEALTH_TIMEOUT_S: u32 = 120;
/// A worker is asked for at most so many seconds of running.
pub const MAX_RUNNING_S: u32 = 600;

/// How a container is found healthy, probed from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// HTTP path that must answer 2xx or 3xx; where absent any HTTP answer, else an accepted connection.
    pub path: Option<String>,
    /// The package says so of code that others write: an app that has no such path, or keeps it to itself, is healthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
    /// Port to probe; the component's where absent.
    pub port: Option<u16>,
    /// A worker, which listens on no port: it is healthy once it has run for so many seconds without ending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_s: Option<u32>,
    /// Seconds that a new container has to become healthy.
    pub timeout_s: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self { path: None, presumed: false, port: None, running_s: None, timeout_s: HEALTH_TIMEOUT_S }
    }
}

impl HealthCheck {
    /// Seconds that a release waits for it. A worker's seconds of running come on top: however short the time is that
    /// it has, a worker that starts at once must be able to become healthy in it.
    pub fn limit_s(&self) -> u32 {
        self.timeout_s.saturating_add(self.running_s.unwrap_or(0))
    }

    /// In words, as in `GET /healthz on port 8081 answers 2xx or 3xx`.
    pub fn words(&self) -> String {
        if let Some(seconds) = self.running_s {
            return format!("a worker: it has run for {seconds} s without ending; no port is probed");
        }
        let on = self.port.map_or_else(|| "its port".to_owned(), |port| format!("port {port}"));
        match &self.path {
            Some(path) if self.presumed => format!("GET {path} on {on} answers, if only that there is no such path"),
            Some(path) => format!("GET {path} on {on} answers 2xx or 3xx"),
            None => format!("{on} takes a connection"),
        }
    }

    /// What the manifest says wins over what the package said. A package knows the port of the server that is usual for it; a worker is none.
    pub(super) fn write_over(&mut self, given: &Health) {
        if let Some((seconds, _)) = given.running {
            *self = Self { running_s: Some(seconds), timeout_s: self.timeout_s, ..Self::default() };
        }
        if let Some(path) = &given.path {
            self.path = Some(path.clone());
            self.presumed = false;
        }
        self.port = given.port.or(self.port);
        self.timeout_s = given.timeout_s.unwrap_or(self.timeout_s);
    }
}

/// What else a worker cannot be, in words.
pub(super) fn worker_problem(component: &Component) -> Option<String> {
    let identifier = &component.identifier;
    if component.files.is_some() {
        return Some(format!(
            "running: \"{identifier}\" is files that are served, it has no process that could run: remove `running`"
        ));
    }
    let (has, instead) = match (component.domains.first(), component.hosts.first()) {
        (Some(domain), _) => (format!("domain {}", domain.name), "remove it"),
        (None, Some(host)) => (format!("host \"{}\"", host.identifier), "add `hosts: []`"),
        (None, None) => return None,
    };
    Some(format!(
        "running: \"{identifier}\" has the {has}, whose visitors would be sent to a process of which nobody knows whether it listens: {instead}, or remove `running` so that its port is probed"
    ))
}

#[cfg(test)]
mod tests {
    use crate::stack::{HealthCheck, parse, print, read_manifest, resolve};

    fn of(text: &str) -> Result<HealthCheck, String> {
        let text = format!("components:\n  - identifier: w\n    {text}\n");
        let stack = parse("boathouse.yaml", &text).map_err(|error| error.message)?;
        Ok(stack.components[0].health.clone())
    }

    #[test]
    fn a_worker_is_asked_for_its_seconds_and_gets_them_on_top_of_its_time() {
        let worker = of("hosts: []\n    health: {running: 30, timeout: 5}").unwrap();
        assert_eq!((worker.running_s, worker.timeout_s, worker.limit_s()), (Some(30), 5, 35));
        assert_eq!(of("hosts: []").unwrap().words(), "its port takes a connection");
        assert_eq!(of("health: {path: /a, port: 1}").unwrap().words(), "GET /a on port 1 answers 2xx or 3xx");
        let kept = serde_json::to_string(&worker).unwrap();
        assert_eq!(serde_json::from_str::<HealthCheck>(&kept).unwrap(), worker);
        assert!(!serde_json::to_string(&HealthCheck::default()).unwrap().contains("running"), "older servers read it");
    }

    #[test]
    fn what_listens_is_no_worker_and_the_place_is_told() {
        for (text, expected) in [
            ("health: {running: 5}", "boathouse.yaml:3:23: running: \"w\" has the host \"w\""),
            ("hosts: [{port: 80}]\n    health: {running: 5}", "4:23: running: \"w\" has the host"),
            (
                "hosts: []\n    domains: [{name: a.test}]\n    health: {running: 5}",
                "5:23: running: \"w\" has the domain a.test, ",
            ),
            ("hosts: []\n    health: {running: 5, path: /up}", "4:23: `running` is for what listens on no port"),
            ("hosts: []\n    health: {port: 1, running: 5}", "4:32: `running` is for what listens on no port"),
            ("hosts: []\n    health: {running: 0}", "4:23: running: \"0\" is not a number from 1 to 600"),
            ("hosts: []\n    health: {running: 601}", "is not a number from 1 to 600"),
            ("static: x\n    hosts: []\n    health: {running: 5}", "5:23: running: \"w\" is files that are served"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_package_tells_nothing_of_a_worker_and_print_is_the_way_back() {
        let text =
            "components:\n  - identifier: w\n    package: nodejs\n    hosts: []\n    health:\n      running: 5\n";
        let manifest = read_manifest("m", text).unwrap();
        let stack = resolve(&manifest, &|url| crate::catalog::find(&url.to_string())).unwrap();
        let health = &stack.components[0].health;
        assert_eq!(*health, HealthCheck { running_s: Some(5), timeout_s: health.timeout_s, ..HealthCheck::default() });
        assert_eq!(read_manifest("m", &print::manifest(&manifest)).unwrap(), manifest);
    }
}
