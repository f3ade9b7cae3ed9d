//! What a release would change.

use boathouse_types::{GitRef, Plan};

use super::{Answer, Api, Place};

impl Api {
    /// What a deploy of a branch, tag or commit would change.
    pub async fn plan(self, at: &Place, reference: &GitRef) -> Answer<Plan> {
        let escaped = String::from(js_sys::encode_uri_component(reference.as_str()));
        self.look(&at.below(&format!("plan?reference={escaped}")), None).await
    }
}
