//! From rows and observations to a table: pure but for reading sites from the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use boathouse_edge::asleep::Asleep;
use boathouse_edge::files::Site;
use boathouse_edge::routes::{Address, Policy, Route, Table, Target, Upstream};
use boathouse_edge::site;
use boathouse_types::{DeploymentId, Intent as Wanted, Lifetime, ReleaseComponent, ReleaseId, Serves, TlsMode, Wake};

use super::ca;
use crate::db::certificate::CertificateRow;
use crate::db::host::HostRow;
use crate::db::release::ReleaseRow;
use crate::db::{Connection, certificate, deployment, host, release};
use crate::error::Result;
use crate::observed::{Container, InFlight, Observed, Phase};
use crate::task::Poke;

/// What the database wants of the edge.
#[derive(Debug)]
pub struct Intent {
    hosts: Vec<HostRow>,
    live: BTreeMap<DeploymentId, (ReleaseRow, Vec<ReleaseComponent>)>,
    /// Deployments that are to run.
    running: BTreeSet<DeploymentId>,
    /// Deployments that sleep where they do not run, and whether visitors may wake them.
    sleepers: BTreeMap<DeploymentId, bool>,
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
    /// One per deployment, so that a ring is not lost with a table.
    asleep: BTreeMap<DeploymentId, Arc<Asleep>>,
    poke: Poke,
}

/// Digest, prefix, single-page.
type SiteKey = (String, String, bool);

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
            poke,
        }
    }

    /// Sleeping deployments that visitors have woken since the last look.
    pub fn woken(&self) -> Vec<DeploymentId> {
        self.asleep.values().filter(|asleep| asleep.take_ring()).map(|asleep| asleep.deployment).collect()
    }

    fn asleep(&mut self, deployment: DeploymentId, visitors: bool, waking: bool) -> Target {
        let known = self.asleep.get(&deployment).filter(|known| known.is(visitors, waking)).cloned();
        let asleep = known.unwrap_or_else(|| Arc::new(Asleep::new(deployment, visitors, waking, self.poke.bell())));
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
pub fn read(connection: &Connection) -> Result<Intent> {
    let mut intent = Intent {
        hosts: host::all(connection)?,
        live: BTreeMap::new(),
        running: BTreeSet::new(),
        sleepers: BTreeMap::new(),
        certificates: certificate::all(connection)?,
    };
    for row in deployment::all(connection)? {
        if row.intent == Wanted::Running {
            intent.running.insert(row.id);
        }
        let sleeps = row.wake == Wake::Visitors || row.lifetime != Lifetime::Forever;
        if sleeps && row.recycled.is_none() {
            intent.sleepers.insert(row.id, row.wake == Wake::Visitors);
        }
        if let Some(live) = release::live(connection, row.id)? {
            let components = release::components(connection, live.id)?;
            intent.live.insert(row.id, (live, components));
        }
    }
    Ok(intent)
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
    let mut sites = HashMap::new();
    for host in &intent.hosts {
        let target = target(intent, host, observed, memory, &mut sites).await;
        if let Target::Upstreams(used) = &target {
            upstreams.extend(used.iter().cloned());
        }
        let policy = Policy { https: host.tls != TlsMode::Off, ..Policy::default() };
        let route = Route { id: format!("{}{}", host.name, host.path), target, policy };
        insert(&mut table, host.name.as_str(), &host.path, route);
    }
    (memory.upstreams, memory.loaded) = (upstreams, sites);
    memory.asleep.retain(|deployment, _| intent.sleepers.contains_key(deployment));
    let routed = intent.live.iter().filter(|(deployment, _)| intent.running.contains(deployment));
    (table, routed.map(|(_, (row, _))| row.id).collect())
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
    let sleeper = intent.sleepers.get(&host.deployment_id).copied();
    if !intent.running.contains(&host.deployment_id) {
        if let Some(visitors) = sleeper {
            return memory.asleep(host.deployment_id, visitors, false);
        }
        return unavailable("the deployment is stopped");
    }
    let Some((release, components)) = intent.live.get(&host.deployment_id) else {
        return unavailable("the deployment has no live release");
    };
    let Some(component) = components.iter().find(|component| component.identifier == host.component) else {
        return unavailable("the live release has no such component");
    };
    if component.serves == Serves::Files {
        return match static_site(release, component, host, memory, sites).await {
            Ok(site) => Target::Files(site),
            Err(reason) => {
                tracing::error!(host = %host.name, reason, "a static component cannot be served");
                Target::Unavailable(reason)
            }
        };
    }
    let mut containers: Vec<_> = observed.of_release(release.id).into_iter().map(|(_, container)| container).collect();
    containers.retain(|container| container.identifier == host.component);
    let soon = is_coming(&containers);
    match answering(containers, host.port, component.port) {
        // It was just woken: a page that looks again is better than a browser that waits.
        found if found.is_empty() && soon && sleeper.is_some() => {
            memory.asleep(host.deployment_id, sleeper.unwrap_or_default(), true)
        }
        // Without an upstream a request waits a moment for one, as in the middle of a switch.
        found if found.is_empty() && soon => Target::Upstreams(Vec::new()),
        found if found.is_empty() => unavailable("no container answers"),
        found => {
            Target::Upstreams(found.iter().map(|(address, in_flight)| memory.upstream(*address, in_flight)).collect())
        }
    }
}

/// Whether one may answer in a moment: it starts, is being restarted, or nobody has looked since this process did.
fn is_coming(containers: &[Container]) -> bool {
    containers.is_empty()
        || containers
            .iter()
            .any(|container| matches!(container.phase, Phase::Missing | Phase::Starting | Phase::Draining))
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
    host: &HostRow,
    memory: &Memory,
    sites: &mut HashMap<SiteKey, Arc<Site>>,
) -> Result<Arc<Site>, String> {
    let digest = component.digest.clone().ok_or("the release has no files for it")?;
    let manifest = release.manifest.as_ref().and_then(|stack| stack.find(&component.identifier));
    let spa = manifest.and_then(|component| component.files.as_ref()).is_some_and(|files| files.spa);
    let key = (digest, host.path.clone(), spa);
    if let Some(known) = memory.loaded.get(&key).or_else(|| sites.get(&key)) {
        let known = Arc::clone(known);
        sites.insert(key, Arc::clone(&known));
        return Ok(known);
    }
    let (root, base) = (site::folder(&memory.sites, &key.0), key.1.clone());
    let loaded = tokio::task::spawn_blocking(move || Site::load(&root, &base, spa)).await;
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
        ] {
            assert_eq!(is_coming(&containers), coming);
            let found = answering(containers, None, Some(3000));
            let found: Vec<_> = found.iter().map(|(address, _)| address.to_string()).collect();
            assert_eq!(found, expected);
        }
        let closed = container(Healthy, 6, Some(80));
        closed.in_flight.close();
        assert!(answering(vec![closed], None, None).is_empty());
    }
}
