//! The add-ons of a deployment: credentials shown and rotated, a port of this host opened and closed.

use boathouse_types::{Addon, AddonSecrets, Identifier, Release, SetPublicPort, UpgradeAddon};

use super::{Answer, Api, Place};

impl Api {
    /// Credentials and connection strings in the clear; the event log says who saw them.
    pub async fn reveal_addon(self, at: &Place, addon: &Identifier) -> Answer<AddonSecrets> {
        self.post(&at.below(&format!("addons/{addon}/reveal"))).await
    }

    pub async fn rotate_addon(self, at: &Place, addon: &Identifier) -> Answer<Addon> {
        self.post(&at.below(&format!("addons/{addon}/rotate"))).await
    }

    /// A release that brings an add-on to another version, with its data.
    pub async fn upgrade_addon(self, at: &Place, addon: &Identifier, to: &UpgradeAddon) -> Answer<Release> {
        self.send("POST", &at.below(&format!("addons/{addon}/upgrade")), to).await
    }

    pub async fn expose_addon(self, at: &Place, addon: &Identifier, wish: &SetPublicPort) -> Answer<Addon> {
        self.send("PUT", &at.below(&format!("addons/{addon}/public")), wish).await
    }

    /// Of a volume that nothing mounts any more, with its data.
    pub async fn delete_volume(self, at: &Place, volume: &Identifier) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("volumes/{volume}?confirm={volume}"))).await
    }

    pub async fn unexpose_addon(self, at: &Place, addon: &Identifier) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("addons/{addon}/public"))).await
    }
}
