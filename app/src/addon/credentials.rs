//! What the credentials of an add-on are now, and what they become next.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, EnvKey, Identifier};

use crate::db::release::ReleaseRow;
use crate::db::rotation;
use crate::error::{Result, internal};
use crate::secret::{self, SecretKey};
use crate::snapshot;
use crate::stack::package::Rotate;

/// Ends the login name of every other rotation: two names take turns, where the server knows one password per name.
const TURN: &str = "_b";
/// Letters and digits of a new password: about 190 bits.
const PASSWORD: u32 = 32;

/// Variables by key.
pub type Values = BTreeMap<EnvKey, String>;

/// The variables of an add-on of the live release. They are valid: a rotation ends the old ones once newer ones are live.
///
/// # Errors
/// A stored value cannot be opened.
pub fn current(key: &SecretKey, live: &ReleaseRow, addon: &Identifier) -> Result<Values> {
    Ok(snapshot::open(key, live)?.values().remove(addon).unwrap_or_default())
}

/// The credentials before and after a rotation; `None` where the add-on has no value for what rotates.
pub fn change(rotate: &Rotate, values: &Values) -> Option<(Values, Values)> {
    let mut old = Values::from([(rotate.key.clone(), values.get(&rotate.key)?.clone())]);
    let mut new = Values::from([(rotate.key.clone(), secret::random_password(PASSWORD))]);
    if let Some(user) = &rotate.user {
        let name = values.get(user)?.clone();
        new.insert(user.clone(), other_turn(&name));
        old.insert(user.clone(), name);
    }
    Some((old, new))
}

fn other_turn(name: &str) -> String {
    name.strip_suffix(TURN).map_or_else(|| format!("{name}{TURN}"), str::to_owned)
}

/// Seals values for the journal.
pub fn seal(key: &SecretKey, deployment: DeploymentId, addon: &Identifier, values: &Values) -> Result<Vec<u8>> {
    Ok(key.seal(&rotation::aad(deployment, addon), &serde_json::to_vec(values)?))
}

/// Opens values of the journal.
pub fn open(key: &SecretKey, deployment: DeploymentId, addon: &Identifier, sealed: Option<&Vec<u8>>) -> Result<Values> {
    let sealed = sealed.ok_or_else(|| internal("a rotation under way has no values"))?;
    Ok(serde_json::from_slice(&key.open(&rotation::aad(deployment, addon), sealed)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotate(user: Option<&str>) -> Rotate {
        Rotate {
            key: "PASSWORD".parse().unwrap(),
            user: user.map(|user| user.parse().unwrap()),
            begin: vec![],
            end: None,
        }
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(key, value)| (key.parse().unwrap(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_password_is_new_each_time_and_two_names_take_turns() {
        let now = values(&[("PASSWORD", "old"), ("USER", "app"), ("HOST", "db")]);
        let (old, new) = change(&rotate(Some("USER")), &now).unwrap();
        assert_eq!(old, values(&[("PASSWORD", "old"), ("USER", "app")]));
        assert_eq!(new[&"USER".parse().unwrap()], "app_b");
        let (_, again) = change(&rotate(Some("USER")), &new).unwrap();
        assert_eq!(again[&"USER".parse().unwrap()], "app");
        let key = "PASSWORD".parse().unwrap();
        assert!(new[&key] != again[&key] && new[&key].len() == PASSWORD as usize, "{new:?} {again:?}");
        assert_eq!(change(&rotate(None), &now).unwrap().1.len(), 1);
        assert!(change(&rotate(None), &values(&[])).is_none());
    }
}
