//! Images at the engine: which are ours, whose they are, and which nothing refers to any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use boathouse_types::DeploymentId;
use futures_util::{FutureExt, StreamExt, TryStreamExt};

use super::shares::{Owner, Shares, shares};
use crate::db::disk::Images;
use crate::db::object;
use crate::docker::{Containers, Layer, ListedImage, labels};
use crate::error::Result;
use crate::snapshot::engine_error;

/// Images that are looked at at the same time.
const LOOKS: usize = 8;

/// A name or an image that nothing refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The image.
    pub id: String,
    /// What is to be removed: a name of ours, or the id of one that has no name.
    pub remove: String,
}

/// What of the engine's images a crash, or a database from before them, has left behind: names that bear this instance's id and
/// images without a name that bear its label, where no release is recorded to have them. What a release in the making may be about
/// to record is none.
pub fn leftovers(instance: &str, listed: &[ListedImage], known: &Images) -> Vec<Leftover> {
    let expected: HashSet<String> = known.names.iter().map(|part| part.name(instance)).collect();
    let digests: HashSet<&str> = known.names.iter().map(|part| part.digest.as_str()).collect();
    let in_the_making: Vec<(String, String)> = known
        .unfinished
        .iter()
        .map(|(slug, number)| (format!("{}{slug}-", object::image_prefix(instance)), format!(":{number}")))
        .collect();
    let is_leftover = |name: &String| {
        let made = |(start, end): &(String, String)| name.starts_with(start) && name.ends_with(end);
        name.starts_with(&object::image_prefix(instance)) && !expected.contains(name) && !in_the_making.iter().any(made)
    };
    let mut found = Vec::new();
    for image in listed {
        let names = image.names.iter().filter(|name| is_leftover(name));
        found.extend(names.map(|name| Leftover { id: image.id.clone(), remove: name.clone() }));
        let is_ours = image.labels.get(labels::INSTANCE).is_some_and(|of| of == instance);
        // While something is built, an image may be without its name for a moment.
        if image.names.is_empty() && is_ours && !digests.contains(image.id.as_str()) && known.unfinished.is_empty() {
            found.push(Leftover { id: image.id.clone(), remove: image.id.clone() });
        }
    }
    found
}

/// Who has each image.
pub fn owners(instance: &str, listed: &[ListedImage], known: &Images) -> Vec<BTreeSet<Owner>> {
    let mut of: BTreeMap<&str, BTreeSet<DeploymentId>> = BTreeMap::new();
    for part in known.names.iter().filter(|part| !part.given_up) {
        of.entry(&part.digest).or_default().insert(part.deployment_id);
    }
    let prefix = object::image_prefix(instance);
    let is_ours = |name: &String| name.starts_with(&prefix) || known.pulled.contains(name);
    listed
        .iter()
        .map(|image| {
            let users = of.get(image.id.as_str()).into_iter().flatten().map(|id| Owner::Deployment(*id));
            let mut owners: BTreeSet<Owner> = users.collect();
            let is_labelled = image.labels.get(labels::INSTANCE).is_some_and(|of| of == instance);
            if image.names.iter().any(|name| !is_ours(name)) {
                owners.insert(Owner::Foreign);
            }
            if owners.is_empty() {
                let ours = !image.names.is_empty() || is_labelled;
                owners.insert(if ours { Owner::Nobody } else { Owner::Foreign });
            }
            owners
        })
        .collect()
}

/// What images take, by owner, each layer once.
pub async fn measure(engine: &dyn Containers, instance: &str, known: &Images) -> Result<Shares> {
    let listed = engine.images().await.map_err(engine_error)?;
    let owners = owners(instance, &listed, known);
    let layers = layers(engine, listed.iter().map(|image| image.id.clone())).await?;
    let of = |image: &ListedImage| layers.get(&image.id).map_or(&[][..], Vec::as_slice);
    Ok(shares(owners.iter().zip(&listed).map(|(owners, image)| (owners, of(image)))))
}

/// The layers of images; one that is gone meanwhile has none.
pub async fn layers(
    engine: &dyn Containers,
    images: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, Vec<Layer>>> {
    let looks: Vec<_> = images.into_iter().map(|id| look(engine, id).boxed()).collect();
    futures_util::stream::iter(looks).buffer_unordered(LOOKS).try_collect().await
}

async fn look(engine: &dyn Containers, id: String) -> Result<(String, Vec<Layer>)> {
    match engine.layers(&id).await {
        Err(error) if error.is_not_found() => Ok((id, Vec::new())),
        layers => Ok((id, layers.map_err(engine_error)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::disk::NamedImage;

    fn image(id: &str, names: &[&str], label: Option<&str>) -> ListedImage {
        let labels = label.map(|of| (labels::INSTANCE.to_owned(), of.to_owned())).into_iter().collect();
        ListedImage { id: id.into(), names: names.iter().map(|name| (*name).to_owned()).collect(), labels }
    }

    fn named(number: i64, digest: &str, given_up: bool) -> NamedImage {
        NamedImage {
            deployment_id: DeploymentId(7),
            slug: "shop-production".into(),
            identifier: "web".parse().unwrap(),
            number,
            digest: digest.into(),
            given_up,
            live: false,
        }
    }

    fn known(unfinished: &[(&str, i64)]) -> Images {
        Images {
            names: vec![named(1, "sha256:1", false), named(2, "sha256:2", true)],
            unfinished: unfinished.iter().map(|(slug, number)| ((*slug).to_owned(), *number)).collect(),
            pulled: HashSet::from(["nginx:1".to_owned()]),
        }
    }

    fn listed() -> Vec<ListedImage> {
        vec![
            image("sha256:1", &["boathouse-aa/shop-production-web:1", "theirs:keep"], Some("aa")),
            image("sha256:2", &["boathouse-aa/shop-production-web:2"], Some("aa")),
            image(
                "sha256:3",
                &["boathouse-aa/shop-production-web:3", "boathouse-aa/gone-production-web:9"],
                Some("aa"),
            ),
            image("sha256:4", &["boathouse-bb/shop-production-web:3"], Some("bb")),
            image("sha256:5", &[], Some("aa")),
            image("sha256:6", &[], Some("bb")),
            image("sha256:7", &["debian:bookworm-slim", "boathouse-aa:latest"], None),
            image("sha256:8", &["nginx:1"], None),
        ]
    }

    #[test]
    fn only_our_own_names_and_labels_without_a_release_are_left_over() {
        let of = |unfinished: &[(&str, i64)]| {
            leftovers("aa", &listed(), &known(unfinished)).into_iter().map(|one| one.remove).collect::<Vec<_>>()
        };
        let (third, gone) = ("boathouse-aa/shop-production-web:3", "boathouse-aa/gone-production-web:9");
        assert_eq!(of(&[]), [third, gone, "sha256:5"]);
        assert_eq!(of(&[("shop-production", 3)]), [gone], "that release is being made");
        assert_eq!(of(&[("other", 3)]), [third, gone], "something is being made, which may have no name yet");
    }

    #[test]
    fn an_image_with_a_name_of_somebody_elses_is_his_too() {
        let found = owners("aa", &listed(), &known(&[]));
        let (ours, nobody, foreign) = (Owner::Deployment(DeploymentId(7)), Owner::Nobody, Owner::Foreign);
        let expected = [
            BTreeSet::from([ours, foreign]),
            BTreeSet::from([nobody]),
            BTreeSet::from([nobody]),
            BTreeSet::from([foreign]),
            BTreeSet::from([nobody]),
            BTreeSet::from([foreign]),
            BTreeSet::from([foreign]),
            BTreeSet::from([nobody]),
        ];
        assert_eq!(found, expected);
    }
}
