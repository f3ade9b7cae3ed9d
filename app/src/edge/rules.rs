//! What a manifest says of a component's requests and answers becomes rules of its routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use boathouse_edge::edits::Edits;
use boathouse_edge::rules::Rules;
use boathouse_edge::sign_in::SignIn;
use boathouse_edge::throttle::Throttle;
use boathouse_types::{DeploymentId, Identifier};

use crate::db::release::ReleaseRow;
use crate::error::Result;
use crate::secret::SecretKey;
use crate::snapshot;
use crate::stack::policy::{EdgePolicy, HeaderEdits};
use crate::stack::{Component, Stack};

/// Users and their passwords.
pub type Users = Vec<(String, String)>;

/// A component of a deployment.
pub type Place = (DeploymentId, Identifier);

/// The users of a stack's components. One whose password is not there cannot come in.
pub fn users(key: &SecretKey, row: &ReleaseRow, stack: &Stack) -> Result<BTreeMap<Identifier, Users>> {
    if stack.components.iter().all(|part| part.edge.auth.is_none()) {
        return Ok(BTreeMap::new());
    }
    let values = snapshot::open(key, row)?.values();
    let of = |part: &Component| {
        let auth = part.edge.auth.as_ref()?;
        let password = |name| values.get(&part.identifier)?.get(name).filter(|value| !value.is_empty()).cloned();
        let users = auth.users.iter().filter_map(|(user, name)| Some((user.clone(), password(name)?)));
        Some((part.identifier.clone(), users.collect()))
    };
    Ok(stack.components.iter().filter_map(of).collect())
}

/// What one run remembers for the next: who has asked how often.
#[derive(Debug, Default)]
pub struct Throttles(BTreeMap<Place, Arc<Throttle>>);

impl Throttles {
    /// The rules of a component, none where it has no policy. `users` are those of its sign-in.
    pub fn rules(&mut self, place: Place, policy: &EdgePolicy, users: Option<&Users>) -> Option<Arc<Rules>> {
        if policy.is_empty() {
            self.0.remove(&place);
            return None;
        }
        let realm = policy.auth.as_ref().and_then(|auth| auth.realm.clone()).unwrap_or_else(|| place.1.to_string());
        let sign_in = policy.auth.as_ref().map(|auth| {
            let users = users.into_iter().flatten().map(|(user, password)| (user.as_str(), password.as_str()));
            SignIn::new(&realm, users, auth.pass_on)
        });
        Some(Arc::new(Rules {
            allow: policy.limits.allow.clone(),
            throttle: self.throttle(place, policy),
            redirects: policy.redirects.clone(),
            sign_in,
            request: edits(&policy.headers.request),
            response: edits(&policy.headers.response),
        }))
    }

    /// What did not change stays the same object: who has asked too often has done so after a release, too.
    fn throttle(&mut self, place: Place, policy: &EdgePolicy) -> Option<Arc<Throttle>> {
        let Some(rate) = policy.limits.rate else {
            self.0.remove(&place);
            return None;
        };
        let burst = policy.limits.burst(rate);
        let known = self.0.get(&place).filter(|known| known.is(rate, burst)).cloned();
        let throttle = known.unwrap_or_else(|| Arc::new(Throttle::new(rate, burst)));
        self.0.insert(place, Arc::clone(&throttle));
        Some(throttle)
    }

    /// Forgets the deployments that are gone.
    pub fn keep(&mut self, lives: impl Fn(DeploymentId) -> bool) {
        self.0.retain(|(deployment, _), _| lives(*deployment));
    }
}

fn edits(edits: &HeaderEdits) -> Edits {
    let set = edits.set.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Edits::new(set, edits.remove.iter().map(|name| name.as_str()))
}
