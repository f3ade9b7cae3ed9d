//! Who takes what, where several use the same: each layer, tree and archive counts once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use boathouse_types::DeploymentId;

use crate::docker::Layer;

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A deployment's.
    Deployment(DeploymentId),
    /// Ours, and nothing refers to it.
    Nobody,
    /// Somebody else's: what he shares with us is his.
    Foreign,
}

/// Bytes by owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of one deployment alone: what goes with it.
    pub of: BTreeMap<DeploymentId, u64>,
    /// Of several deployments.
    pub several: u64,
    /// What nothing refers to.
    pub nobody: u64,
    /// Others'.
    pub foreign: u64,
}

/// Adds things up: who owns each, and what it is made of.
pub fn shares<'a>(things: impl IntoIterator<Item = (&'a BTreeSet<Owner>, &'a [Layer])>) -> Shares {
    let mut layers: HashMap<u64, (u64, BTreeSet<Owner>)> = HashMap::new();
    for (owners, made_of) in things {
        for layer in made_of {
            let known = layers.entry(layer.id).or_insert_with(|| (layer.bytes, BTreeSet::new()));
            known.1.extend(owners);
        }
    }
    let mut shares = Shares::default();
    for (bytes, owners) in layers.into_values() {
        let mut ours = owners.iter().filter_map(|owner| match owner {
            Owner::Deployment(id) => Some(*id),
            _ => None,
        });
        match (owners.contains(&Owner::Foreign), ours.next(), ours.next()) {
            (true, _, _) => shares.foreign += bytes,
            (false, None, _) => shares.nobody += bytes,
            (false, Some(one), None) => *shares.of.entry(one).or_default() += bytes,
            (false, Some(_), Some(_)) => shares.several += bytes,
        }
    }
    shares
}

/// Something that is whole or not there: a tree, an archive.
pub fn whole(name: &str, bytes: u64) -> Layer {
    let mut id = DefaultHasher::new();
    name.hash(&mut id);
    Layer { id: id.finish(), bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_counts_once_and_others_come_first() {
        let layer = |id, bytes| Layer { id, bytes };
        let (a, b) = (Owner::Deployment(DeploymentId(1)), Owner::Deployment(DeploymentId(2)));
        let set = |owners: &[Owner]| owners.iter().copied().collect::<BTreeSet<_>>();
        let things = [
            (set(&[a]), vec![layer(1, 1000), layer(2, 1)]),
            (set(&[a]), vec![layer(1, 1000), layer(2, 1), layer(3, 2)]),
            (set(&[b]), vec![layer(1, 1000), layer(4, 10)]),
            (set(&[a, b]), vec![layer(5, 20)]),
            (set(&[Owner::Nobody]), vec![layer(1, 1000), layer(4, 10), layer(6, 40)]),
            (set(&[Owner::Foreign]), vec![layer(1, 1000), layer(7, 80)]),
        ];
        let found = shares(things.iter().map(|(owners, layers)| (owners, layers.as_slice())));
        let of = BTreeMap::from([(DeploymentId(1), 3), (DeploymentId(2), 10)]);
        assert_eq!(found, Shares { of, several: 20, nobody: 40, foreign: 1080 });
    }
}
