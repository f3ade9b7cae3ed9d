//! The effective configuration of a container in our own words. Values of variables are as the engine has them: who shows
//! them masks what is secret first.

use std::collections::HashMap;

use boathouse_types::{ContainerConfig, ContainerMount, ContainerNetwork, ContainerVariable};
use bollard::models::{ContainerInspectResponse, EndpointSettings, HostConfig, MountPoint};

use super::logs::parse_time_ms;
use super::spec::ContainerSpec;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// From the engine's answer.
pub(super) fn from_engine(answer: &ContainerInspectResponse) -> ContainerConfig {
    let config = answer.config.clone().unwrap_or_default();
    let host = answer.host_config.clone().unwrap_or_default();
    let state = answer.state.clone().unwrap_or_default();
    let networks = answer.network_settings.clone().and_then(|settings| settings.networks).unwrap_or_default();
    let mut labels: Vec<String> =
        config.labels.unwrap_or_default().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort_unstable();
    let time = |text: Option<String>| text.as_deref().and_then(parse_time_ms);
    ContainerConfig {
        id: answer.id.clone().unwrap_or_default(),
        image: config.image.unwrap_or_default(),
        image_id: answer.image.clone().unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        env: config.env.unwrap_or_default().iter().map(|line| variable(line)).collect(),
        mounts: answer.mounts.clone().unwrap_or_default().into_iter().map(mount).collect(),
        memory_bytes: positive(host.memory),
        cpu_millis: positive(host.nano_cpus.map(|nanos| nanos / NANOS_PER_MILLI)),
        pids: positive(host.pids_limit),
        networks: networks_of(networks),
        exposed_ports: super::inspected::tcp_ports(config.exposed_ports.unwrap_or_default()),
        labels,
        capabilities: capabilities(&host),
        security: host.security_opt.unwrap_or_default(),
        read_only: host.readonly_rootfs.unwrap_or_default(),
        stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
        stop_grace_s: positive(config.stop_timeout),
        created_at: answer.created.map(|at| (at.unix_timestamp_nanos() / 1_000_000) as i64),
        started_at: time(state.started_at),
        finished_at: time(state.finished_at),
        error: state.error.filter(|error| !error.is_empty()),
    }
}

/// What the engine in memory makes of a specification.
pub(super) fn from_spec(spec: &ContainerSpec) -> ContainerConfig {
    let network = |name: &String| ContainerNetwork { name: name.clone(), address: None, aliases: spec.aliases.clone() };
    ContainerConfig {
        image: spec.image.clone(),
        image_id: spec.image.clone(),
        entrypoint: spec.entrypoint.clone().unwrap_or_default(),
        command: spec.command.clone().unwrap_or_default(),
        env: spec.env.iter().map(|(key, value)| variable(&format!("{key}={value}"))).collect(),
        mounts: spec
            .mounts
            .iter()
            .map(|one| ContainerMount { source: one.volume.clone(), path: one.path.clone(), read_only: one.read_only })
            .collect(),
        memory_bytes: spec.limits.memory,
        networks: spec.network.iter().map(network).collect(),
        labels: spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        read_only: spec.read_only,
        ..ContainerConfig::default()
    }
}

/// `KEY=value`; a value may hold further equal signs.
fn variable(line: &str) -> ContainerVariable {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    ContainerVariable { key: key.to_owned(), value: Some(value.to_owned()), secret: false }
}

/// A named volume by its name, anything else by its folder.
fn mount(point: MountPoint) -> ContainerMount {
    let source = point.name.filter(|name| !name.is_empty()).or(point.source);
    ContainerMount {
        source: source.unwrap_or_default(),
        path: point.destination.unwrap_or_default(),
        read_only: !point.rw.unwrap_or(true),
    }
}

fn networks_of(networks: HashMap<String, EndpointSettings>) -> Vec<ContainerNetwork> {
    let one = |(name, endpoint): (String, EndpointSettings)| ContainerNetwork {
        name,
        address: endpoint.ip_address.filter(|address| !address.is_empty()),
        aliases: endpoint.aliases.unwrap_or_default(),
    };
    let mut all: Vec<ContainerNetwork> = networks.into_iter().map(one).collect();
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    all
}

fn capabilities(host: &HostConfig) -> Vec<String> {
    let dropped_all = host.cap_drop.iter().flatten().any(|name| name == "ALL");
    let mut kept = if dropped_all { Vec::new() } else { vec!["the engine's own".to_owned()] };
    kept.extend(host.cap_add.iter().flatten().cloned());
    kept
}

/// The engine writes 0 and -1 for "no limit".
fn positive(number: Option<i64>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_equal_signs_and_no_limit_is_none() {
        assert_eq!(variable("A=b=c").value.as_deref(), Some("b=c"));
        assert_eq!((variable("A").key.as_str(), variable("A").value.as_deref()), ("A", Some("")));
        assert_eq!([Some(0), Some(-1), None, Some(5)].map(positive), [None, None, None, Some(5)]);
    }

    #[test]
    fn a_volume_goes_by_its_name() {
        let point = |name: Option<&str>| MountPoint {
            name: name.map(str::to_owned),
            source: Some("/var/lib/x".into()),
            destination: Some("/data".into()),
            rw: Some(false),
            ..MountPoint::default()
        };
        let shown = [mount(point(Some("v"))), mount(point(None))];
        assert_eq!(shown.clone().map(|one| one.source), ["v", "/var/lib/x"]);
        assert!(shown.iter().all(|one| one.read_only));
    }
}
