//! Sources of the catalog besides what is in the binary.

use boathouse_types::{CatalogSource, Identifier, NewCatalogSource};

use super::{Answer, Api, at};

impl Api {
    pub async fn add_source(self, source: &NewCatalogSource) -> Answer<CatalogSource> {
        self.send("POST", &at("/catalog/sources"), source).await
    }

    pub async fn refresh_source(self, name: &Identifier) -> Answer<CatalogSource> {
        self.post(&at(&format!("/catalog/sources/{name}/refresh"))).await
    }

    pub async fn remove_source(self, name: &Identifier) -> Answer<()> {
        self.run("DELETE", &at(&format!("/catalog/sources/{name}"))).await
    }
}
