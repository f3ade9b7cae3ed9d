//! `/catalog`: the packages that a stack can be made of.

use actix_web::web::{Data, Json, Path};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boathouse_types::{CatalogConnection, CatalogPackage, CatalogParameter, Starter};

use super::answer::read;
use crate::catalog::{self, Entry};
use crate::error::{Result, not_found};
use crate::release::packages;
use crate::stack::package::{PackageImage, PackageKind, Parameter, ParameterKind};
use crate::state::App;

pub async fn list(app: Data<App>) -> Result<Json<Vec<CatalogPackage>>> {
    read(&app, |c, _| Ok(packages::catalog(c)?.entries().map(show).collect())).await
}

pub async fn starters() -> Json<Vec<Starter>> {
    Json(catalog::starters().to_vec())
}

pub async fn get(app: Data<App>, name: Path<String>) -> Result<Json<CatalogPackage>> {
    read(&app, move |c, _| {
        packages::catalog(c)?.entry(&name).map(show).ok_or_else(|| {
            not_found(format!("the catalog has no package \"{}\"", name.escape_debug()))
                .hint("`boathouse catalog list` shows all.")
        })
    })
    .await
}

fn show(entry: &Entry) -> CatalogPackage {
    let package = &entry.package;
    let (image, versions) = match &package.image {
        PackageImage::Image { image, versions, .. } => (Some(image.to_string()), versions.clone()),
        PackageImage::Dockerfile { .. } => (None, Vec::new()),
    };
    let connection = |string: &crate::stack::package::ConnectionString| CatalogConnection {
        name: string.name.clone(),
        value: string.value.clone(),
        description: string.description.clone(),
    };
    CatalogPackage {
        identifier: package.identifier.clone(),
        kind: match package.kind {
            PackageKind::Component => "component".to_owned(),
            PackageKind::Addon => "addon".to_owned(),
        },
        name: package.name.clone(),
        description: package.description.clone(),
        category: entry.category.clone(),
        aliases: entry.aliases.clone(),
        icon: format!("data:image/svg+xml;base64,{}", STANDARD.encode(&entry.icon)),
        image,
        versions,
        port: package.port,
        parameters: package.parameters.iter().map(parameter).collect(),
        connection_strings: package.connection_strings.iter().map(connection).collect(),
        storage: package.storage.iter().map(|storage| storage.path.clone()).collect(),
        dependencies: package.dependencies.iter().map(|dependency| dependency.identifier.clone()).collect(),
        backup: package.backup.is_some(),
        rotates: package.rotate.as_ref().map(|rotate| rotate.key.clone()),
        readme: entry.readme.clone(),
        source: entry.origin.clone(),
    }
}

fn parameter(parameter: &Parameter) -> CatalogParameter {
    let kind = match parameter.kind {
        ParameterKind::String => "string",
        ParameterKind::Integer => "integer",
        ParameterKind::Boolean => "boolean",
        ParameterKind::Secret => "secret",
    };
    CatalogParameter {
        key: parameter.key.clone(),
        name: parameter.name.clone(),
        description: parameter.description.clone(),
        kind: kind.to_owned(),
        value: parameter.value.clone(),
    }
}
