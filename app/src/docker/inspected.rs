//! What a container is right now, in our own words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use boathouse_types::ContainerConfig;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
    HealthStatusEnum,
};

/// Whether it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running,
    /// Frozen by somebody.
    Paused,
    /// Its process has ended. From a list the code is unknown; inspect the container for it.
    Exited {
        /// Exit code; 128 + signal when killed.
        code: Option<i64>,
        /// Whether the kernel killed it for its memory limit.
        out_of_memory: bool,
    },
    /// The engine is removing it.
    Removing,
}

/// The result of the image's own health check, if it has one. Shown, never relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not decided yet.
    Starting,
    /// The check passes.
    Healthy,
    /// The check fails.
    Unhealthy,
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The engine's id.
    pub id: String,
    /// Its name, without the engine's leading slash.
    pub name: String,
    /// Id of its image.
    pub image_id: String,
    /// Whether it runs.
    pub state: RunState,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Address per network; only while it runs.
    pub addresses: BTreeMap<String, IpAddr>,
}

/// A container in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The engine's id.
    pub id: String,
    /// Its name, without the engine's leading slash.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// Id of its image.
    pub image_id: String,
    /// Whether it runs.
    pub state: RunState,
    /// Why the engine could not start it, if it said so.
    pub error: Option<String>,
    /// When it was last started, in milliseconds since 1970 UTC.
    pub started_at_ms: Option<i64>,
    /// When it last ended, in milliseconds since 1970 UTC.
    pub finished_at_ms: Option<i64>,
    /// Its process in the host's numbering; for reading `/proc`.
    pub pid: Option<u32>,
    /// Address per network.
    pub addresses: BTreeMap<String, IpAddr>,
    /// TCP ports that the image declares, ascending.
    pub exposed_ports: Vec<u16>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The image's own health check.
    pub health: Option<Health>,
    /// Its effective configuration, with secrets in the clear: mask before showing.
    pub config: ContainerConfig,
}

impl Summary {
    pub(super) fn from_engine(summary: ContainerSummary) -> Self {
        let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Self {
            id: summary.id.unwrap_or_default(),
            name: name.trim_start_matches('/').to_owned(),
            image_id: summary.image_id.unwrap_or_default(),
            state: listed_state(summary.state),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            addresses: addresses(networks),
        }
    }
}

impl Inspected {
    pub(super) fn from_engine(answer: ContainerInspectResponse) -> Self {
        let effective = super::config::from_engine(&answer);
        let state = answer.state.unwrap_or_default();
        let config = answer.config.unwrap_or_default();
        let networks = answer.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Self {
            id: answer.id.unwrap_or_default(),
            name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            image_id: answer.image.unwrap_or_default(),
            error: state.error.filter(|error| !error.is_empty()),
            started_at_ms: state.started_at.as_deref().and_then(super::logs::parse_time_ms),
            finished_at_ms: state.finished_at.as_deref().and_then(super::logs::parse_time_ms),
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
            health: state.health.and_then(|health| health.status).and_then(own_health),
            state: run_state(state.status, state.exit_code, state.oom_killed),
            addresses: addresses(networks),
            exposed_ports: tcp_ports(config.exposed_ports.unwrap_or_default()),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            config: effective,
        }
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.state == RunState::Running
    }
}

fn listed_state(state: Option<ContainerSummaryStateEnum>) -> RunState {
    use ContainerSummaryStateEnum as S;
    match state {
        Some(S::RUNNING | S::RESTARTING) => RunState::Running,
        Some(S::PAUSED) => RunState::Paused,
        Some(S::CREATED) => RunState::Created,
        Some(S::REMOVING) => RunState::Removing,
        _ => RunState::Exited { code: None, out_of_memory: false },
    }
}

fn run_state(status: Option<ContainerStateStatusEnum>, code: Option<i64>, oom: Option<bool>) -> RunState {
    use ContainerStateStatusEnum as S;
    match status {
        Some(S::RUNNING | S::RESTARTING) => RunState::Running,
        Some(S::PAUSED) => RunState::Paused,
        Some(S::CREATED) => RunState::Created,
        Some(S::REMOVING) => RunState::Removing,
        _ => RunState::Exited { code, out_of_memory: oom.unwrap_or(false) },
    }
}

fn own_health(status: HealthStatusEnum) -> Option<Health> {
    match status {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        _ => None,
    }
}

fn addresses(networks: std::collections::HashMap<String, EndpointSettings>) -> BTreeMap<String, IpAddr> {
    let address = |endpoint: EndpointSettings| endpoint.ip_address.and_then(|address| address.parse().ok());
    networks.into_iter().filter_map(|(name, endpoint)| Some((name, address(endpoint)?))).collect()
}

/// `80/tcp` → 80; other protocols are not ours to probe.
pub(super) fn tcp_ports(exposed: Vec<String>) -> Vec<u16> {
    let mut ports: Vec<u16> = exposed.iter().filter_map(|port| port.strip_suffix("/tcp")?.parse().ok()).collect();
    ports.sort_unstable();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcp_ports_count() {
        assert_eq!(
            tcp_ports(vec!["8080/tcp".into(), "53/udp".into(), "80/tcp".into(), "x/tcp".into()]),
            vec![80, 8080]
        );
    }

    #[test]
    fn an_exit_keeps_code_and_reason() {
        let state = run_state(Some(ContainerStateStatusEnum::EXITED), Some(137), Some(true));
        assert_eq!(state, RunState::Exited { code: Some(137), out_of_memory: true });
        assert_eq!(run_state(Some(ContainerStateStatusEnum::RUNNING), Some(0), None), RunState::Running);
    }
}
