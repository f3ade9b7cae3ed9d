//! What the engine's objects take on its disk, and its build cache.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bollard::query_parameters::ListImagesOptions;
use hyper::Method;
use serde::Deserialize;

use super::connection::{Engine, QUERY_DEADLINE};
use super::{Result, plain};

/// The engine walks all its volumes and containers for the answer.
const USAGE_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// Removing gigabytes of small files.
const PRUNE_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// An image as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// `sha256:…`.
    pub id: String,
    /// Names that it has here.
    pub names: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A layer of images: the same id in two images is the same bytes, once on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Made of everything that led to it.
    pub id: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What objects that are no images take, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineUse {
    /// The build cache; what it shares with images is theirs.
    pub cache_bytes: u64,
    /// Bytes of it that no build uses now.
    pub cache_unused_bytes: u64,
    /// Volumes by name, as far as the engine can tell.
    pub volumes: BTreeMap<String, u64>,
    /// Each container's labels, and what it has written outside of volumes.
    pub containers: Vec<(BTreeMap<String, String>, u64)>,
}

/// What of the build cache goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheCut {
    /// What was not used for longest, until no more bytes than this are left.
    Above(u64),
    /// What was not used for so long.
    UnusedFor(Duration),
    /// Everything that no build uses now.
    All,
}

impl CacheCut {
    fn path(self) -> String {
        match self {
            Self::Above(bytes) => format!("/build/prune?keep-storage={bytes}&max-used-space={bytes}"),
            // {"until":["3600s"]}
            Self::UnusedFor(age) => {
                format!("/build/prune?filters=%7B%22until%22%3A%5B%22{}s%22%5D%7D", age.as_secs())
            }
            Self::All => "/build/prune?all=1".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    build_cache: Option<Vec<Record>>,
    #[serde(default)]
    volumes: Option<Vec<Volume>>,
    #[serde(default)]
    containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    #[serde(default)]
    in_use: bool,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    #[serde(default)]
    usage_data: Option<VolumeUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUse {
    size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    size_rw: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pruned {
    #[serde(default)]
    space_reclaimed: u64,
}

impl From<Answer> for EngineUse {
    fn from(answer: Answer) -> Self {
        let cache = answer.build_cache.unwrap_or_default();
        let sum = |wanted: fn(&Record) -> bool| cache.iter().filter(|one| wanted(one)).map(|one| bytes(one.size)).sum();
        // A driver that cannot tell says -1.
        let volumes = answer.volumes.unwrap_or_default().into_iter();
        let volumes = volumes.filter_map(|one| Some((one.name, one.usage_data.filter(|used| used.size >= 0)?)));
        let containers = answer.containers.unwrap_or_default().into_iter();
        Self {
            cache_bytes: sum(|one| !one.shared),
            cache_unused_bytes: sum(|one| !one.shared && !one.in_use),
            volumes: volumes.map(|(name, used)| (name, bytes(used.size))).collect(),
            containers: containers
                .map(|one| (one.labels.unwrap_or_default(), bytes(one.size_rw.unwrap_or(0))))
                .collect(),
        }
    }
}

fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

pub(super) async fn images(engine: &Engine) -> Result<Vec<ListedImage>> {
    let listed = engine.call("list images".into(), QUERY_DEADLINE, |docker| async move {
        docker.list_images(None::<ListImagesOptions>).await
    });
    // One without a name is listed as `<none>:<none>`.
    let is_name = |name: &String| !name.starts_with("<none>");
    let listed = listed.await?.into_iter();
    Ok(listed
        .map(|image| ListedImage {
            id: image.id,
            names: image.repo_tags.into_iter().filter(is_name).collect(),
            labels: image.labels.into_iter().collect(),
        })
        .collect())
}

/// Its history, from the base on: a layer is what it is by all that led to it.
pub(super) async fn layers(engine: &Engine, image: &str) -> Result<Vec<Layer>> {
    let history = engine.call(format!("look at the layers of {image}"), QUERY_DEADLINE, |docker| async move {
        docker.image_history(image).await
    });
    let mut so_far = DefaultHasher::new();
    let mut layers = Vec::new();
    for step in history.await?.into_iter().rev() {
        (&step.created_by, step.created, step.size).hash(&mut so_far);
        if step.size > 0 {
            layers.push(Layer { id: so_far.finish(), bytes: bytes(step.size) });
        }
    }
    Ok(layers)
}

pub(super) async fn usage(engine: &Engine) -> Result<EngineUse> {
    let what = "ask the container engine what uses its disk";
    let answer: Answer = plain::ask(engine, what, (Method::GET, "/system/df"), USAGE_DEADLINE).await?;
    Ok(answer.into())
}

pub(super) async fn prune_build_cache(engine: &Engine, cut: CacheCut) -> Result<u64> {
    let what = "free the build cache";
    let pruned: Pruned = plain::ask(engine, what, (Method::POST, &cut.path()), PRUNE_DEADLINE).await?;
    Ok(pruned.space_reclaimed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_is_counted_once() {
        // As Engine 20.10 answers, shortened.
        let said = r#"{"LayersSize":9,"Images":[],"BuilderSize":0,
            "BuildCache":[{"ID":"a","InUse":false,"Shared":true,"Size":100},{"ID":"b","InUse":true,"Shared":false,"Size":20},
                          {"ID":"c","InUse":false,"Shared":false,"Size":3}],
            "Volumes":[{"Name":"v","UsageData":{"RefCount":1,"Size":7}},{"Name":"nfs","UsageData":{"RefCount":1,"Size":-1}},{"Name":"w","UsageData":null}],
            "Containers":[{"Id":"1","Labels":{"k":"v"},"SizeRw":5},{"Id":"2","Labels":null}]}"#;
        let used: EngineUse = serde_json::from_str::<Answer>(said).unwrap().into();
        assert_eq!((used.cache_bytes, used.cache_unused_bytes), (23, 3));
        assert_eq!(used.volumes, BTreeMap::from([("v".to_owned(), 7)]));
        assert_eq!(used.containers, [(BTreeMap::from([("k".to_owned(), "v".to_owned())]), 5), (BTreeMap::new(), 0)]);
        let none: EngineUse = serde_json::from_str::<Answer>(r#"{"BuildCache":null}"#).unwrap().into();
        assert_eq!(none, EngineUse::default());
    }

    #[test]
    fn a_cut_is_said_in_the_words_of_old_and_new_engines() {
        let above = CacheCut::Above(5).path();
        assert!(above.contains("keep-storage=5") && above.contains("max-used-space=5"), "{above}");
        let day = CacheCut::UnusedFor(Duration::from_secs(86_400)).path();
        assert!(day.contains("86400s") && !day.contains(['{', '"']), "{day}");
    }
}
