//! `/system`, `/tasks`, `/healthz`, `/ca.pem`: the instance itself.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use boathouse_types::{System, TaskStatus};

use crate::db::setting;
use crate::disk::{guard, space};
use crate::error::{Result, not_found};
use crate::release::queue;
use crate::state::App;

/// The kernel's page size on the architectures that are built: x86-64, and arm64 as distributions configure it.
const PAGE: u64 = 4096;

pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

pub async fn show(app: Data<App>) -> Result<Json<System>> {
    let stored = app.db.read(|connection| setting::get(connection, setting::BASE_DOMAIN)).await?;
    let (systems, _) = guard::look(&app).await?;
    Ok(Json(System {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: app.started_at,
        engine: app.observed.engine(),
        disk: space::of(&app.paths.root)?,
        disk_state: guard::worst(&systems),
        builds: queue::status(&app),
        memory_bytes: resident_memory(),
        console_url: app.config.console_url(),
        base_domain: stored.unwrap_or_else(|| app.config.base_domain.to_string()),
    }))
}

pub async fn tasks(app: Data<App>) -> Json<Vec<TaskStatus>> {
    Json(app.tasks.status())
}

pub async fn ca(app: Data<App>) -> Result<HttpResponse> {
    let pem = tokio::fs::read(app.paths.ca()).await.map_err(|error| {
        not_found("the internal CA has no certificate yet").hint("Try again in a few seconds.").caused_by(error)
    })?;
    let name = ("content-disposition", "attachment; filename=\"boathouse-ca.pem\"");
    Ok(HttpResponse::Ok().content_type("application/x-pem-file").insert_header(name).body(pem))
}

/// The second number of /proc/self/statm: resident pages (proc(5)). 0 where there is no such file.
fn resident_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * PAGE
}
