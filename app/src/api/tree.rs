//! The status tree of a deployment, made of what is known of it. Pure: the same facts give the same tree.

use boathouse_types::{
    ContainerStatus, DeploymentName, Health, Host, Identifier, Millis, ProjectName, ReleaseComponent, Serves, Stage,
    StatusGroup, StatusKind, StatusNode, StatusTree, TlsMode, Volume,
};

use crate::observed::{Container, Phase};

/// Sizes for people; the same units as on the command line.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// What the tree is made of.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Its project.
    pub project: &'a ProjectName,
    /// Its name.
    pub deployment: &'a DeploymentName,
    /// The deployment's own health and why; `off` where nothing shall run.
    pub rolled: (Health, String),
    /// Its volumes.
    pub volumes: &'a [Volume],
    /// The release that serves.
    pub live: Option<Built<'a>>,
    /// The newest one that is not finished.
    pub pending: Option<Built<'a>>,
    /// The newest release, where it failed: number, stage, why.
    pub failed: Option<(i64, Stage, &'a str)>,
    /// Its containers, each with what was seen of it.
    pub containers: &'a [(ContainerStatus, Option<Container>)],
    /// Its public hosts.
    pub hosts: &'a [Host],
    /// Why the last backup of its data failed, where it did.
    pub backup_problem: Option<&'a str>,
}

/// A release and what it became.
#[derive(Debug, Clone, Copy)]
pub struct Built<'a> {
    /// Its number.
    pub number: i64,
    /// `live`, `building`, …
    pub state: &'static str,
    /// Its components.
    pub components: &'a [ReleaseComponent],
    /// When its images were complete, or it was asked for.
    pub since: Millis,
    /// Whether the edge routes to it.
    pub routed: bool,
}

/// Puts the tree together.
pub fn tree(facts: &Facts<'_>) -> StatusTree {
    let groups = vec![
        group(StatusKind::Storage, storage(facts), "no volume"),
        group(StatusKind::Images, images(facts), "nothing was built"),
        group(StatusKind::Containers, containers(facts), "no container"),
        group(StatusKind::Services, services(facts), "nothing listens"),
        group(StatusKind::Endpoints, endpoints(facts), "no public host"),
    ];
    let (health, reason) = root(&facts.rolled, &groups);
    StatusTree { project: facts.project.clone(), deployment: facts.deployment.clone(), health, reason, groups }
}

/// The worst group; the deployment's own sentence where no group is worse, or where nothing shall run.
fn root(rolled: &(Health, String), groups: &[StatusGroup]) -> (Health, String) {
    let worst = groups.iter().rev().max_by_key(|group| group.health);
    match worst {
        Some(worst) if !rolled.0.is_at_rest() && worst.health > rolled.0 => (worst.health, worst.reason.clone()),
        _ => rolled.clone(),
    }
}

fn group(kind: StatusKind, nodes: Vec<StatusNode>, none: &str) -> StatusGroup {
    // Of several that are equally bad the first is named.
    let worst = nodes.iter().filter(|node| node.counts).rev().max_by_key(|node| node.health);
    let (health, reason) = match worst {
        None => (Health::Off, none.to_owned()),
        Some(worst) if worst.health > Health::Healthy => (worst.health, format!("{}: {}", worst.name, worst.reason)),
        Some(worst) => (worst.health, summary(kind, &nodes)),
    };
    StatusGroup { kind, health, reason, nodes }
}

/// `2 volumes, 1.5 GiB`, `3 containers`.
fn summary(kind: StatusKind, nodes: &[StatusNode]) -> String {
    let number = nodes.iter().filter(|node| node.counts).count();
    let noun = match kind {
        StatusKind::Storage => "volume",
        StatusKind::Images => "image",
        StatusKind::Containers => "container",
        StatusKind::Services => "service",
        StatusKind::Endpoints => "endpoint",
    };
    let total: u64 = nodes.iter().filter_map(|node| node.size_bytes).sum();
    let size = if total > 0 { format!(", {}", size(total)) } else { String::new() };
    format!("{number} {noun}{}{size}", if number == 1 { "" } else { "s" })
}

fn storage(facts: &Facts<'_>) -> Vec<StatusNode> {
    let one = |volume: &Volume| {
        let (health, reason) = volume_words(volume);
        StatusNode {
            component: volume.mounts.first().map(|mount| mount.component.clone()),
            subject: Some(volume.name.clone()),
            size_bytes: volume.size_bytes,
            since: volume.measured_at,
            ..node(volume.identifier.as_str(), health, reason)
        }
    };
    let failed =
        facts.backup_problem.map(|why| node("backup", Health::Degraded, format!("the last one failed: {why}")));
    facts.volumes.iter().map(one).chain(failed).collect()
}

fn volume_words(volume: &Volume) -> (Health, String) {
    let used = match volume.mounts.as_slice() {
        [] => "kept, used by nothing that is live".to_owned(),
        mounts => format!(
            "at {}",
            mounts.iter().map(|m| format!("{}:{}", m.component, m.path)).collect::<Vec<_>>().join(", ")
        ),
    };
    match (&volume.problem, volume.size_bytes, volume.expected_bytes) {
        (Some(problem), ..) => (Health::Degraded, problem.clone()),
        (None, None, _) => (Health::Healthy, format!("not counted yet, {used}")),
        (None, Some(bytes), Some(expected)) if bytes > expected => (
            Health::Degraded,
            format!("{} of the {} that were expected to be enough, {used}", size(bytes), size(expected)),
        ),
        (None, Some(bytes), _) => (Health::Healthy, format!("{}, {used}", size(bytes))),
    }
}

fn images(facts: &Facts<'_>) -> Vec<StatusNode> {
    let mut nodes = Vec::new();
    for built in facts.live.iter().chain(&facts.pending) {
        let is_live = facts.live.is_some_and(|live| live.number == built.number);
        nodes.extend(built.components.iter().map(|part| image(built, part, is_live || facts.live.is_none())));
    }
    if let Some((number, stage @ (Stage::Source | Stage::Build), why)) = facts.failed {
        nodes.push(StatusNode {
            release: Some(number),
            counts: facts.live.is_none(),
            ..node("release", Health::Down, format!("failed at {}: {why}", stage.as_str()))
        });
    }
    nodes
}

fn image(built: &Built<'_>, part: &ReleaseComponent, counts: bool) -> StatusNode {
    let what = if part.serves == Serves::Files { "static files" } else { "image" };
    let (health, reason) = match &part.digest {
        Some(_) => (Health::Healthy, format!("{what} of release #{}", built.number)),
        None => (Health::Degraded, format!("release #{} is {}", built.number, built.state)),
    };
    StatusNode {
        component: Some(part.identifier.clone()),
        release: Some(built.number),
        counts,
        subject: part.digest.clone(),
        since: Some(built.since),
        ..node(part.identifier.as_str(), health, reason)
    }
}

fn containers(facts: &Facts<'_>) -> Vec<StatusNode> {
    let one = |(status, seen): &(ContainerStatus, Option<Container>)| {
        // On its way out, as it should be: that is nobody's trouble.
        let leaves = !counts(facts, status) && seen.as_ref().is_some_and(|one| one.phase == Phase::Draining);
        StatusNode {
            component: Some(status.identifier.clone()),
            release: Some(status.release),
            counts: counts(facts, status),
            subject: Some(status.name.clone()),
            replica: status.replica,
            since: status.started_at,
            ..node(&status.mark(), if leaves { Health::Off } else { status.health }, status.reason.clone())
        }
    };
    facts.containers.iter().map(one).collect()
}

/// What serves colours its parent; before anything serves, what is on its way does.
fn counts(facts: &Facts<'_>, status: &ContainerStatus) -> bool {
    let serves = facts.live.or(facts.pending).map(|built| built.number);
    serves == Some(status.release)
}

fn services(facts: &Facts<'_>) -> Vec<StatusNode> {
    let one = |(status, seen): &(ContainerStatus, Option<Container>)| {
        let (health, reason) = match seen {
            None if facts.rolled.0.is_at_rest() => facts.rolled.clone(),
            seen => service_words(seen.as_ref()),
        };
        StatusNode {
            component: Some(status.identifier.clone()),
            release: Some(status.release),
            subject: address(seen.as_ref()),
            replica: status.replica,
            since: status.started_at,
            ..node(&status.mark(), health, reason)
        }
    };
    facts.containers.iter().filter(|(status, _)| counts(facts, status)).map(one).collect()
}

fn address(seen: Option<&Container>) -> Option<String> {
    let one = seen?;
    Some(std::net::SocketAddr::new(one.address?, one.port?).to_string())
}

fn service_words(seen: Option<&Container>) -> (Health, String) {
    let Some(one) = seen else { return (Health::Degraded, "not looked at yet".to_owned()) };
    let because = one.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
    match one.phase {
        Phase::Healthy => {
            // A worker listens on no port.
            let words = one.port.map_or_else(|| "runs".to_owned(), |port| format!("answers on port {port}"));
            (Health::Healthy, words)
        }
        Phase::Starting => (Health::Degraded, format!("is not healthy yet{because}")),
        Phase::Unhealthy => (Health::Down, format!("does not answer any more{because}")),
        Phase::Draining => (Health::Degraded, "takes no new requests".to_owned()),
        Phase::Asleep => (Health::Asleep, "asleep".to_owned()),
        Phase::Missing | Phase::Exited { .. } => (Health::Down, "its container does not run".to_owned()),
    }
}

fn endpoints(facts: &Facts<'_>) -> Vec<StatusNode> {
    let one = |host: &Host| {
        let (health, reason) = endpoint_words(facts, host);
        StatusNode {
            component: Some(host.component.clone()),
            release: facts.live.map(|live| live.number),
            subject: Some(host.url.clone()),
            since: host.certificate.as_ref().map(|certificate| certificate.not_before),
            ..node(host.url.split_once("://").map_or(host.name.as_str(), |(_, rest)| rest), health, reason)
        }
    };
    facts.hosts.iter().map(one).collect()
}

fn endpoint_words(facts: &Facts<'_>, host: &Host) -> (Health, String) {
    let (to, rolled) = (&host.component, &facts.rolled);
    if rolled.0.is_at_rest() {
        return (*rolled).clone();
    }
    let Some(live) = facts.live else { return (Health::Down, "leads nowhere: no release is live".to_owned()) };
    if !live.routed {
        return (Health::Degraded, format!("waits for the routes of release #{}", live.number));
    }
    let Some(part) = live.components.iter().find(|part| part.identifier == *to) else {
        return (Health::Down, format!("leads to {to}, which release #{} does not have", live.number));
    };
    if part.serves == Serves::Container && !answers(facts, to) {
        return (Health::Down, format!("leads to {to}, which does not answer"));
    }
    match (host.tls, &host.certificate, &host.problem) {
        (TlsMode::Off, ..) => (Health::Healthy, format!("leads to {to}, without TLS")),
        (_, _, Some(problem)) => (Health::Degraded, format!("certificate: {problem}")),
        (_, None, None) => (Health::Degraded, "its certificate is being made".to_owned()),
        (_, Some(certificate), None) => {
            (Health::Healthy, format!("leads to {to}, certificate by {}", certificate.issuer))
        }
    }
}

fn answers(facts: &Facts<'_>, component: &Identifier) -> bool {
    let is_it = |status: &ContainerStatus| status.identifier == *component && counts(facts, status);
    let answers = |one: &Container| matches!(one.phase, Phase::Healthy | Phase::Unhealthy);
    let mut all = facts.containers.iter().filter(|(status, _)| is_it(status));
    all.any(|(_, seen)| seen.as_ref().is_some_and(answers))
}

fn node(name: &str, health: Health, reason: String) -> StatusNode {
    StatusNode {
        name: name.to_owned(),
        health,
        reason,
        component: None,
        replica: None,
        release: None,
        counts: true,
        subject: None,
        size_bytes: None,
        since: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people has two digits that matter")]
fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
