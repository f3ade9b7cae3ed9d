//! From rows and observations to a table: pure but for reading sites from the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use boathouse_edge::asleep::{Asleep, Door, Waking, WokenBy};
use boathouse_edge::files::Site;
use boathouse_edge::routes::{Address, Policy, Route, Table, Target, Upstream};
use boathouse_edge::rules::Rules;
use boathouse_edge::site;
use boathouse_types::{
    DeploymentId, Identifier, Intent as Wanted, Lifetime, ReleaseComponent, ReleaseId, Serves, Sleep, TlsMode,
    USUAL_WAIT_S, Wake,
};

use super::ca;
use super::rules::{self, Throttles, Users};
use crate::db::certificate::CertificateRow;
use crate::db::deployment::DeploymentRow;
use crate::db::host::HostRow;
use crate::db::release::ReleaseRow;
use crate::db::{Connection, certificate, deployment, host, release, sleep};
use crate::error::Result;
use crate::observed::{Container, InFlight, Observed, Phase};
use crate::secret::SecretKey;
use crate::task::Poke;

/// So many trees of earlier releases answer for the files that pages of their time ask for.
const EARLIER_TREES: usize = 3;

/// What the database wants of the edge.
#[derive(Debug)]
pub struct Intent {
    hosts: Vec<HostRow>,
    live: BTreeMap<DeploymentId, (ReleaseRow, Vec<ReleaseComponent>)>,
    /// Of a static component the trees of earlier releases, newest first.
    earlier: BTreeMap<(DeploymentId, Identifier), Vec<String>>,
    /// Deployments that are to run and are awake.
    running: BTreeSet<DeploymentId>,
    /// Deployments that are to run and sleep.
    asleep: BTreeSet<DeploymentId>,
    /// Deployments that can be woken where nothing of them runs, and what wakes them.
    sleepers: BTreeMap<DeploymentId, WokenBy>,
    /// Who may sign in at the components that ask for it.
    users: BTreeMap<DeploymentId, BTreeMap<Identifier, Users>>,
    /// Every stored certificate.
    pub certificates: Vec<CertificateRow>,
}

/// What one run remembers for the next.
#[derive(Debug)]
pub struct Memory {
    console_host: String,
    console: Arc<Upstream>,
    sites: PathBuf,
    /// An upstream that did not change stays the same object, and so do the connections to it.
    upstreams: Vec<Arc<Upstream>>,
    loaded: HashMap<SiteKey, Arc<Site>>,
    asleep: BTreeMap<DeploymentId, Arc<Asleep>>,
    throttles: Throttles,
    /// One per deployment, so that neither a ring nor whoever is held is lost with a table.
    doors: BTreeMap<DeploymentId, Arc<Door>>,
    poke: Poke,
}

/// Digest, prefix, single-page, digests of earlier trees.
type SiteKey = (String, String, bool, Vec<String>);

impl Memory {
    /// Nothing remembered yet.
    pub fn new(console_host: String, console: Arc<Upstream>, sites: PathBuf, poke: Poke) -> Self {
        Self {
            console_host,
            console,
            sites,
            upstreams: Vec::new(),
            loaded: HashMap::new(),
            asleep: BTreeMap::new(),
            throttles: Throttles::default(),
            doors: BTreeMap::new(),
            poke,
        }
    }

    /// Sleeping deployments that visitors have woken since the last look.
    pub fn woken(&self) -> Vec<DeploymentId> {
        self.doors.iter().filter(|(_, door)| door.take_ring()).map(|(deployment, _)| *deployment).collect()
    }

    /// Whoever is held looks at the table that is in place now.
    pub fn tell_held(&self) {
        self.doors.values().for_each(|door| door.tell());
    }

    fn asleep(&mut self, deployment: DeploymentId, by: WokenBy, waking: Waking) -> Target {
        let door = self.doors.entry(deployment).or_insert_with(|| Arc::new(Door::new(self.poke.bell())));
        let known = self.asleep.get(&deployment).filter(|known| known.is(by, waking)).cloned();
        let asleep = known.unwrap_or_else(|| Arc::new(Asleep::new(deployment, by, waking, Arc::clone(door))));
        self.asleep.insert(deployment, Arc::clone(&asleep));
        Target::Asleep(asleep)
    }

    fn upstream(&self, address: SocketAddr, in_flight: &Arc<InFlight>) -> Arc<Upstream> {
        let address = Address::Tcp(address);
        let known = self
            .upstreams
            .iter()
            .find(|upstream| Arc::ptr_eq(&upstream.in_flight, in_flight) && upstream.address == address);
        known.map_or_else(|| Upstream::new(address, Arc::clone(in_flight)), Arc::clone)
    }
}

impl Intent {
    /// The names whose certificates the internal CA makes.
    pub fn internal_names(&self, memory: &Memory) -> BTreeSet<String> {
        let console = Some(memory.console_host.clone()).filter(|name| ca::is_private(name));
        self.names(TlsMode::Internal).chain(console).collect()
    }

    /// The names whose certificates an ACME CA makes. It cannot make those of wildcards by TLS-ALPN-01.
    pub fn acme_names(&self, memory: &Memory) -> BTreeSet<String> {
        let console = Some(memory.console_host.clone()).filter(|name| !ca::is_private(name));
        self.names(TlsMode::Acme).chain(console).filter(|name| !name.starts_with("*.")).collect()
    }

    fn names(&self, mode: TlsMode) -> impl Iterator<Item = String> + '_ {
        self.hosts.iter().filter(move |host| host.tls == mode).map(|host| host.name.to_string())
    }
}

/// Reads everything in one transaction's view.
pub fn read(connection: &Connection, key: &SecretKey) -> Result<Intent> {
    let mut intent = Intent {
        hosts: host::all(connection)?,
        live: BTreeMap::new(),
        earlier: BTreeMap::new(),
        running: BTreeSet::new(),
        asleep: BTreeSet::new(),
        sleepers: BTreeMap::new(),
        users: BTreeMap::new(),
        certificates: certificate::all(connection)?,
    };
    for row in deployment::all(connection)? {
        if row.is_awake() {
            intent.running.insert(row.id);
        } else if row.intent == Wanted::Running {
            intent.asleep.insert(row.id);
        }
        let live = release::live(connection, row.id)?;
        let manifest = live.as_ref().and_then(|live| live.manifest.as_ref()?.sleep);
        if let Some(by) = woken_by(&row, sleep::counts(&row, manifest)) {
            intent.sleepers.insert(row.id, by);
        }
        if let Some(live) = live {
            let components = release::components(connection, live.id)?;
            intent.users.insert(row.id, users(key, &live));
            for files in components.iter().filter(|component| component.serves == Serves::Files) {
                let trees = release::earlier_trees(connection, row.id, files, EARLIER_TREES)?;
                intent.earlier.insert((row.id, files.identifier.clone()), trees);
            }
            intent.live.insert(row.id, (live, components));
        }
    }
    Ok(intent)
}

/// Where a password cannot be opened nobody signs in, and the others are served.
fn users(key: &SecretKey, live: &ReleaseRow) -> BTreeMap<Identifier, Users> {
    let users = live.manifest.as_ref().map_or_else(|| Ok(BTreeMap::new()), |stack| rules::users(key, live, stack));
    users.unwrap_or_else(|error| {
        tracing::error!(release = live.id.0, %error, "the passwords of a release cannot be opened: nobody can sign in");
        BTreeMap::new()
    })
}

/// What wakes a deployment where nothing of it runs. Any request does where it sleeps or may fall asleep, or is just being woken; who
/// may start one that was stopped is another matter.
fn woken_by(row: &DeploymentRow, sleep: Option<Sleep>) -> Option<WokenBy> {
    if row.recycled.is_some() {
        return None;
    }
    let sleeps = sleep.is_some() || row.asleep_at.is_some() || row.woken_at.is_some();
    if row.intent == Wanted::Running && sleeps {
        let wait = sleep.map_or(USUAL_WAIT_S, |sleep| sleep.wait_s);
        return Some(WokenBy::Request(Duration::from_secs(wait.into())));
    }
    match row.wake {
        Wake::Visitors => Some(WokenBy::Button),
        Wake::Owner => (row.lifetime != Lifetime::Forever).then_some(WokenBy::Owner),
    }
}

/// The table for `intent`, and the live releases that it leads to.
pub async fn table(intent: &Intent, observed: &Observed, memory: &mut Memory) -> (Table, BTreeSet<ReleaseId>) {
    let mut table = Table::default();
    // First, so that no component can have it.
    let console = Route {
        id: "console".to_owned(),
        target: Target::Console(Arc::clone(&memory.console)),
        policy: Policy { https: true, ..Policy::default() },
    };
    insert(&mut table, &memory.console_host, "/", console);
    let mut upstreams = Vec::new();
    let (mut sites, mut ruled) = (HashMap::new(), BTreeMap::new());
    for host in &intent.hosts {
        let target = target(intent, host, observed, memory, &mut sites).await;
        if let Target::Upstreams(used) = &target {
            upstreams.extend(used.iter().cloned());
        }
        let (max_body, rules) = rules_of(intent, host, &mut memory.throttles, &mut ruled);
        let policy = Policy { https: host.tls != TlsMode::Off, max_body, rules, ..Policy::default() };
        let route = Route { id: format!("{}{}", host.name, host.path), target, policy };
        insert(&mut table, host.name.as_str(), &host.path, route);
    }
    (memory.upstreams, memory.loaded) = (upstreams, sites);
    memory.throttles.keep(|deployment| intent.live.contains_key(&deployment));
    memory.asleep.retain(|deployment, _| intent.sleepers.contains_key(deployment));
    memory.doors.retain(|deployment, _| intent.sleepers.contains_key(deployment));
    let routed = intent.live.iter().filter(|(deployment, _)| intent.running.contains(deployment));
    (table, routed.map(|(_, (row, _))| row.id).collect())
}

/// The rules of a host's component, made once for all of its hosts; and the most that a body may have.
fn rules_of(
    intent: &Intent,
    host: &HostRow,
    throttles: &mut Throttles,
    made: &mut BTreeMap<rules::Place, Option<Arc<Rules>>>,
) -> (Option<u64>, Option<Arc<Rules>>) {
    let stack = intent.live.get(&host.deployment_id).and_then(|(row, _)| row.manifest.as_ref());
    let Some(part) = stack.and_then(|stack| stack.find(&host.component)) else { return (None, None) };
    let place = (host.deployment_id, host.component.clone());
    let users = intent.users.get(&host.deployment_id).and_then(|of| of.get(&host.component));
    let rules = made.entry(place.clone()).or_insert_with(|| throttles.rules(place, &part.edge, users));
    (part.edge.limits.body_bytes, rules.clone())
}

/// A host that cannot be routed hurts itself only.
fn insert(table: &mut Table, host: &str, path: &str, route: Route) {
    if let Err(error) = table.insert(host, path, Arc::new(route)) {
        tracing::error!(host, path, %error, "a host cannot be routed");
    }
}

async fn target(
    intent: &Intent,
    host: &HostRow,
    observed: &Observed,
    memory: &mut Memory,
    sites: &mut HashMap<SiteKey, Arc<Site>>,
) -> Target {
    let unavailable = |reason: &str| Target::Unavailable(reason.to_owned());
    let (id, sleeper) = (host.deployment_id, intent.sleepers.get(&host.deployment_id).copied());
    let is_asleep = intent.asleep.contains(&id);
    if !intent.running.contains(&id) && !is_asleep {
        return sleeper
            .map_or_else(|| unavailable("the deployment is stopped"), |by| memory.asleep(id, by, Waking::No));
    }
    let Some((release, components)) = intent.live.get(&host.deployment_id) else {
        return unavailable("the deployment has no live release");
    };
    let Some(component) = components.iter().find(|component| component.identifier == host.component) else {
        return unavailable("the live release has no such component");
    };
    if component.serves == Serves::Files {
        let earlier = intent.earlier.get(&(id, component.identifier.clone())).cloned().unwrap_or_default();
        return match static_site(release, component, earlier, host, memory, sites).await {
            Ok(site) => Target::Files(site),
            Err(reason) => {
                tracing::error!(host = %host.name, reason, "a static component cannot be served");
                Target::Unavailable(reason)
            }
        };
    }
    // Files need nothing that runs, so they are served all the while.
    if let (true, Some(by)) = (is_asleep, sleeper) {
        return memory.asleep(id, by, Waking::No);
    }
    let all: Vec<_> = observed.of_release(release.id).into_iter().map(|(_, container)| container).collect();
    let containers: Vec<_> = all.iter().filter(|container| container.identifier == host.component).cloned().collect();
    let soon = is_coming(&containers);
    match (answering(containers, host.port, component.port), sleeper) {
        // It was just woken: whoever wants it is held, or told why it does not come.
        (found, Some(by @ WokenBy::Request(_))) if found.is_empty() => {
            memory.asleep(id, by, failure(&all, &host.component).map_or(Waking::Yes, Waking::Failed))
        }
        // A page that looks again is better than a browser that waits.
        (found, Some(by)) if found.is_empty() && soon => memory.asleep(id, by, Waking::Yes),
        // Without an upstream a request waits a moment for one, as in the middle of a switch.
        (found, _) if found.is_empty() && soon => Target::Upstreams(Vec::new()),
        (found, _) if found.is_empty() => unavailable("no container answers"),
        (found, _) => {
            Target::Upstreams(found.iter().map(|(address, in_flight)| memory.upstream(*address, in_flight)).collect())
        }
    }
}

/// Whether one may answer in a moment: it starts, is being restarted, or nobody has looked since this process did.
fn is_coming(containers: &[Container]) -> bool {
    containers.is_empty()
        || containers.iter().any(|container| {
            matches!(container.phase, Phase::Missing | Phase::Asleep | Phase::Starting | Phase::Draining)
        })
}

/// Why a component does not come, or what it needs, in words that every visitor may read. What has ended once is started again at once,
/// and may come yet.
fn failure(containers: &[Container], component: &Identifier) -> Option<&'static str> {
    let own = containers.iter().filter(|container| container.identifier == *component);
    let ended = |container: &Container| match container.phase {
        _ if container.restarts < 2 => None,
        Phase::Exited { out_of_memory: true, .. } => Some("It ran out of memory."),
        Phase::Exited { code: 125..=127, .. } => Some("It cannot be started."),
        Phase::Exited { .. } => Some("It ends as soon as it has started."),
        _ => None,
    };
    own.clone().find_map(ended).or_else(|| {
        let waits = own.clone().all(|container| matches!(container.phase, Phase::Missing | Phase::Asleep));
        let needs = waits && containers.iter().any(|container| ended(container).is_some());
        needs.then_some("A service that it needs does not start.")
    })
}

/// Where the healthy containers of a component listen; those that run but fail their probes only where there is no
/// healthy one, because an answer that is perhaps an error is better than none.
///
/// A host's own port wins over the one that was found, and that over the component's.
fn answering(containers: Vec<Container>, own: Option<u16>, port: Option<u16>) -> Vec<(SocketAddr, Arc<InFlight>)> {
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for container in containers {
        let list = match container.phase {
            Phase::Healthy => &mut healthy,
            Phase::Unhealthy => &mut unhealthy,
            _ => continue,
        };
        if let (Some(address), Some(port)) = (container.address, own.or(container.port).or(port))
            && !container.in_flight.is_closed()
        {
            list.push((SocketAddr::new(address, port), container.in_flight));
        }
    }
    if healthy.is_empty() { unhealthy } else { healthy }
}

async fn static_site(
    release: &ReleaseRow,
    component: &ReleaseComponent,
    earlier: Vec<String>,
    host: &HostRow,
    memory: &Memory,
    sites: &mut HashMap<SiteKey, Arc<Site>>,
) -> Result<Arc<Site>, String> {
    let digest = component.digest.clone().ok_or("the release has no files for it")?;
    let manifest = release.manifest.as_ref().and_then(|stack| stack.find(&component.identifier));
    let spa = manifest.and_then(|component| component.files.as_ref()).is_some_and(|files| files.spa);
    let key = (digest, host.path.clone(), spa, earlier);
    if let Some(known) = memory.loaded.get(&key).or_else(|| sites.get(&key)) {
        let known = Arc::clone(known);
        sites.insert(key, Arc::clone(&known));
        return Ok(known);
    }
    let (root, base) = (site::folder(&memory.sites, &key.0), key.1.clone());
    let earlier: Vec<PathBuf> = key.3.iter().map(|digest| site::folder(&memory.sites, digest)).collect();
    let loaded = tokio::task::spawn_blocking(move || Site::load(&root, &base, spa, &earlier)).await;
    let site = Arc::new(loaded.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?);
    sites.insert(key, Arc::clone(&site));
    Ok(site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(phase: Phase, last: u8, port: Option<u16>) -> Container {
        let address = Some([10, 0, 0, last].into());
        Container { phase, address, port, ..crate::observed::tests::healthy("web") }
    }

    #[test]
    fn requests_go_where_someone_answers() {
        use Phase::{Draining, Healthy, Starting, Unhealthy};
        for (containers, expected, coming) in [
            (vec![], vec![], true),
            (vec![container(Healthy, 1, Some(80)), container(Unhealthy, 2, Some(80))], vec!["10.0.0.1:80"], false),
            (vec![container(Unhealthy, 2, Some(80)), container(Starting, 3, Some(80))], vec!["10.0.0.2:80"], true),
            (vec![container(Starting, 3, Some(80))], vec![], true),
            (vec![container(Draining, 4, Some(80))], vec![], true),
            (vec![container(Healthy, 5, None)], vec!["10.0.0.5:3000"], false),
            (
                vec![container(Healthy, 1, None), container(Starting, 2, None), container(Healthy, 3, None)],
                vec!["10.0.0.1:3000", "10.0.0.3:3000"],
                true,
            ),
        ] {
            assert_eq!(is_coming(&containers), coming);
            let found = answering(containers, None, Some(3000));
            let found: Vec<_> = found.iter().map(|(address, _)| address.to_string()).collect();
            assert_eq!(found, expected);
        }
        for (phases, restarts, why) in [
            (vec![], 0, None),
            (vec![("web", Starting)], 9, None),
            (vec![("web", Phase::Exited { code: 1, out_of_memory: false })], 1, None),
            (
                vec![("web", Phase::Exited { code: 1, out_of_memory: false })],
                2,
                Some("It ends as soon as it has started."),
            ),
            (vec![("web", Phase::Exited { code: 137, out_of_memory: true })], 2, Some("It ran out of memory.")),
            (vec![("web", Phase::Exited { code: 125, out_of_memory: false })], 2, Some("It cannot be started.")),
            (
                vec![("web", Phase::Asleep), ("db", Phase::Exited { code: 1, out_of_memory: false })],
                3,
                Some("A service that it needs does not start."),
            ),
            (vec![("web", Starting), ("db", Phase::Exited { code: 1, out_of_memory: false })], 3, None),
        ] {
            let seen = |(name, phase): &(&str, Phase)| Container {
                phase: *phase,
                restarts,
                ..crate::observed::tests::healthy(name)
            };
            let all: Vec<_> = phases.iter().map(seen).collect();
            assert_eq!(failure(&all, &"web".parse().unwrap()), why, "{phases:?}");
        }
        let closed = container(Healthy, 6, Some(80));
        closed.in_flight.close();
        assert!(answering(vec![closed], None, None).is_empty());
    }
}
