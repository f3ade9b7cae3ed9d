//! What a container shall be, and (pure) the engine's configuration for it. Never privileged, no published port,
//! no restart by the engine: the supervisor restarts, the edge dials the container's own address.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};

/// Processes and threads that a container may have unless it says otherwise: a fork bomb stays inside.
const DEFAULT_PIDS: i64 = 2048;
/// What programs in containers commonly need: change owner and user at start, bind port 80. Everything else goes.
const KEPT_CAPABILITIES: [&str; 9] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"];
const NANO: f64 = 1e9;

/// A volume at a path of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The volume's name in the engine.
    pub volume: String,
    /// An absolute path in the container.
    pub path: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What the container may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory; swap is not added to it.
    pub memory: Option<u64>,
    /// Processors, for example 0.5.
    pub cpus: Option<f64>,
    /// Processes and threads; a safe number when absent.
    pub pids: Option<u32>,
}

/// How much the engine itself keeps of a container's output. Our own log store outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRotation {
    /// Size of one file in KiB.
    pub file_kib: u32,
    /// How many files.
    pub files: u32,
}

impl Default for LogRotation {
    fn default() -> Self {
        Self { file_kib: 10 * 1024, files: 3 }
    }
}

/// Everything about a container that is to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// Image id or digest; a name works too but may mean another image tomorrow.
    pub image: String,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Replaces the image's working directory.
    pub workdir: Option<String>,
    /// Environment, without duplicates.
    pub env: BTreeMap<String, String>,
    /// Labels; see [`super::labels`].
    pub labels: BTreeMap<String, String>,
    /// The one network it joins; none when absent.
    pub network: Option<String>,
    /// Its names on that network.
    pub aliases: Vec<String>,
    /// Volumes.
    pub mounts: Vec<Mount>,
    /// Limits.
    pub limits: Limits,
    /// User in the container, `uid:gid` or a name of the image.
    pub user: Option<String>,
    /// Root file system read-only.
    pub read_only: bool,
    /// The signal that asks it to end; the image's when absent.
    pub stop_signal: Option<String>,
    /// How long it has to end before it is killed.
    pub stop_grace: Option<Duration>,
    /// A tiny init as process 1, which reaps orphans and passes signals on.
    pub init: bool,
    /// Rotation of the engine's own log.
    pub log: LogRotation,
}

impl ContainerSpec {
    /// The engine's configuration.
    pub(super) fn to_engine(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: self.entrypoint.clone(),
            cmd: self.command.clone(),
            working_dir: self.workdir.clone(),
            env: Some(self.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
            labels: Some(self.labels.clone().into_iter().collect()),
            user: self.user.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_grace.map(|grace| i64::try_from(grace.as_secs()).unwrap_or(i64::MAX)),
            host_config: Some(self.host_config()),
            networking_config: self.networking(),
            ..Default::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let memory = self.limits.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        HostConfig {
            memory,
            // Equal to `memory` means: no swap on top, so the limit is the limit.
            memory_swap: memory,
            nano_cpus: self.limits.cpus.map(nano_cpus),
            pids_limit: Some(self.limits.pids.map_or(DEFAULT_PIDS, i64::from)),
            init: Some(self.init),
            log_config: Some(self.log.to_engine()),
            network_mode: Some(self.network.clone().unwrap_or_else(|| "none".to_owned())),
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
            mounts: Some(self.mounts.iter().map(Mount::to_engine).collect()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(KEPT_CAPABILITIES.map(str::to_owned).to_vec()),
            privileged: Some(false),
            publish_all_ports: Some(false),
            readonly_rootfs: Some(self.read_only),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..Default::default()
        }
    }

    fn networking(&self) -> Option<NetworkingConfig> {
        let network = self.network.clone()?;
        let endpoint = EndpointSettings { aliases: Some(self.aliases.clone()), ..Default::default() };
        Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) })
    }
}

impl Mount {
    fn to_engine(&self) -> EngineMount {
        EngineMount {
            typ: Some(MountType::VOLUME),
            source: Some(self.volume.clone()),
            target: Some(self.path.clone()),
            read_only: Some(self.read_only),
            ..Default::default()
        }
    }
}

impl LogRotation {
    fn to_engine(self) -> HostConfigLogConfig {
        let config = HashMap::from([
            ("max-size".to_owned(), format!("{}k", self.file_kib)),
            ("max-file".to_owned(), self.files.to_string()),
        ]);
        // Unlike `json-file` it keeps bytes that are not UTF-8; named, because the engine's default may be one that cannot be read back.
        HostConfigLogConfig { typ: Some("local".to_owned()), config: Some(config) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a number of processors times 1e9 is far below 2^63; `as` saturates"
)]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus * NANO) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> ContainerSpec {
        ContainerSpec {
            name: "bh-web".into(),
            image: "sha256:abc".into(),
            env: BTreeMap::from([("PORT".into(), "80".into())]),
            network: Some("bh-net".into()),
            aliases: vec!["web".into(), "app.web".into()],
            mounts: vec![Mount { volume: "bh-data".into(), path: "/data".into(), read_only: false }],
            limits: Limits { memory: Some(64 << 20), cpus: Some(0.5), pids: None },
            init: true,
            ..Default::default()
        }
    }

    #[test]
    fn nothing_is_published_and_nothing_is_privileged() {
        let body = web().to_engine();
        let host = body.host_config.unwrap();
        assert_eq!(host.port_bindings, None);
        assert_eq!(host.publish_all_ports, Some(false));
        assert_eq!(body.exposed_ports, None);
        assert_eq!(host.privileged, Some(false));
        assert_eq!(host.binds, None);
        assert_eq!(host.devices, None);
        assert_eq!(host.pid_mode, None);
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        let kept = host.cap_add.unwrap();
        for dangerous in ["SYS_ADMIN", "NET_ADMIN", "NET_RAW", "MKNOD", "SYS_PTRACE", "SETFCAP"] {
            assert!(!kept.iter().any(|kept| kept == dangerous), "{dangerous}");
        }
    }

    #[test]
    fn limits_and_log_rotation_are_always_set() {
        let host = web().to_engine().host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some(64 << 20)));
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.pids_limit, Some(DEFAULT_PIDS));
        let log = host.log_config.unwrap();
        assert_eq!(log.typ.as_deref(), Some("local"));
        let options = log.config.unwrap();
        assert_eq!(options.get("max-size").map(String::as_str), Some("10240k"));
        assert_eq!(options.get("max-file").map(String::as_str), Some("3"));
        assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
    }

    #[test]
    fn it_joins_exactly_its_network() {
        let body = web().to_engine();
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("bh-net"));
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints["bh-net"].aliases, Some(vec!["web".to_owned(), "app.web".to_owned()]));

        let alone = ContainerSpec { network: None, ..web() }.to_engine();
        assert_eq!(alone.host_config.unwrap().network_mode.as_deref(), Some("none"));
        assert_eq!(alone.networking_config, None);
    }
}
