//! Networks: bridges of their own with subnets from our pool.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    EndpointSettings, Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::connection::{CHANGE_DEADLINE, Engine, QUERY_DEADLINE, gone_is_fine};
use super::subnet::{self, Subnet};
use super::{DockerError, ErrorKind, Label, Result};

/// Where Linux lists its IPv4 routes.
const ROUTES: &str = "/proc/net/route";
/// Somebody else may take the subnet between our choice and the engine's; then we choose again.
const ATTEMPTS: usize = 5;

/// A network that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// Its range; when absent, a free one of our pool.
    pub subnet: Option<Subnet>,
    /// Nothing outside is reached through it.
    pub internal: bool,
    /// Labels; see [`super::labels`].
    pub labels: BTreeMap<String, String>,
}

/// A network as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its IPv4 ranges.
    pub subnets: Vec<Subnet>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl NetworkInfo {
    fn from_engine(network: Network) -> Self {
        let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Self {
            id: network.id.unwrap_or_default(),
            name: network.name.unwrap_or_default(),
            subnets: ranges.into_iter().filter_map(|range| range.subnet?.parse().ok()).collect(),
            labels: network.labels.unwrap_or_default().into_iter().collect(),
        }
    }
}

/// A network of this name that exists is returned as it is, whatever its range.
pub(super) async fn create(engine: &Engine, spec: &NetworkSpec) -> Result<NetworkInfo> {
    let what = format!("create network {}", spec.name);
    let mut refused = Vec::new();
    for _ in 0..ATTEMPTS {
        let existing = list(engine, None).await?;
        if let Some(found) = existing.iter().find(|network| network.name == spec.name) {
            return Ok(found.clone());
        }
        let subnet = match spec.subnet {
            Some(subnet) => subnet,
            None => choose(engine, existing, &refused, &what).await?,
        };
        match request(engine, spec, subnet, what.clone()).await {
            Err(error) if is_overlap(&error) && spec.subnet.is_none() => refused.push(subnet),
            Err(error) if is_overlap(&error) => {
                return Err(DockerError::new(ErrorKind::NoSubnet, error.what, error.why));
            }
            Err(error) if error.kind == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
            Ok(id) => {
                return Ok(NetworkInfo {
                    id,
                    name: spec.name.clone(),
                    subnets: vec![subnet],
                    labels: spec.labels.clone(),
                });
            }
        }
    }
    Err(DockerError::new(ErrorKind::NoSubnet, what, "each subnet that seemed free was taken by another network"))
}

/// A range of our pool that overlaps no network of the engine, no route of the host and none of `reserved`.
pub(super) async fn free_subnet(engine: &Engine, reserved: &[Subnet]) -> Result<Subnet> {
    choose(engine, list(engine, None).await?, reserved, "choose a subnet").await
}

async fn choose(engine: &Engine, existing: Vec<NetworkInfo>, reserved: &[Subnet], what: &str) -> Result<Subnet> {
    let mut taken: Vec<Subnet> = existing.into_iter().flat_map(|network| network.subnets).collect();
    taken.extend(host_routes().await);
    taken.extend(reserved);
    let full =
        || format!("every network of {} overlaps another network or a route of this machine", engine.pool().range);
    engine.pool().choose(&taken).ok_or_else(|| DockerError::new(ErrorKind::NoSubnet, what, full()))
}

fn is_overlap(error: &DockerError) -> bool {
    error.why.contains("overlaps")
}

async fn request(engine: &Engine, spec: &NetworkSpec, subnet: Subnet, what: String) -> Result<String> {
    let range = IpamConfig {
        subnet: Some(subnet.to_string()),
        gateway: Some(subnet.gateway().to_string()),
        ..Default::default()
    };
    let body = NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        internal: Some(spec.internal),
        ipam: Some(Ipam { driver: Some("default".to_owned()), config: Some(vec![range]), options: None }),
        labels: Some(spec.labels.clone().into_iter().collect()),
        ..Default::default()
    };
    let created = engine.call(what, CHANGE_DEADLINE, |docker| async move { docker.create_network(body).await }).await?;
    Ok(created.id)
}

/// No table, no conflicts that we could know of: the engine still refuses what overlaps its own networks.
async fn host_routes() -> Vec<Subnet> {
    tokio::fs::read_to_string(ROUTES).await.map(|text| subnet::routes(&text)).unwrap_or_default()
}

pub(super) async fn connect(engine: &Engine, network: &str, container: &str, aliases: &[String]) -> Result<()> {
    let endpoint = EndpointSettings { aliases: Some(aliases.to_vec()), ..Default::default() };
    let body = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
    let what = format!("join container {container} to network {network}");
    let joined =
        engine.call(what, CHANGE_DEADLINE, |docker| async move { docker.connect_network(network, body).await }).await;
    match joined {
        Err(error) if error.why.contains("already exists in network") => Ok(()),
        other => other,
    }
}

pub(super) async fn disconnect(engine: &Engine, network: &str, container: &str) -> Result<()> {
    let body = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
    let what = format!("part container {container} from network {network}");
    let parted = engine
        .call(what, CHANGE_DEADLINE, |docker| async move { docker.disconnect_network(network, body).await })
        .await;
    match parted {
        Err(error) if error.is_not_found() || error.why.contains("is not connected to") => Ok(()),
        other => other,
    }
}

pub(super) async fn remove(engine: &Engine, network: &str) -> Result<()> {
    let removed = engine.call(format!("remove network {network}"), CHANGE_DEADLINE, |docker| async move {
        docker.remove_network(network).await
    });
    gone_is_fine(removed.await)
}

pub(super) async fn list(engine: &Engine, label: Option<&Label>) -> Result<Vec<NetworkInfo>> {
    let mut filters = HashMap::new();
    if let Some(label) = label {
        filters.insert("label", vec![label.filter()]);
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let listed = engine.call("list networks".into(), QUERY_DEADLINE, |docker| async move {
        docker.list_networks(Some(options)).await
    });
    Ok(listed.await?.into_iter().map(NetworkInfo::from_engine).collect())
}
