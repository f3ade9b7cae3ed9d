//! What a release would change.

use boathouse_types::{GitRef, NewPlan, Plan};

use super::{Answer, Api, Place, json};

impl Api {
    /// What a deploy of a branch, tag or commit would change.
    pub async fn plan(self, at: &Place, reference: &GitRef) -> Answer<Plan> {
        let escaped = String::from(js_sys::encode_uri_component(reference.as_str()));
        self.look(&at.below(&format!("plan?reference={escaped}")), None).await
    }

    /// What a release with another manifest would change.
    pub async fn plan_manifest(self, at: &Place, manifest: &NewPlan) -> Answer<Plan> {
        self.look(&at.below("plan"), Some(json(manifest)?)).await
    }
}
