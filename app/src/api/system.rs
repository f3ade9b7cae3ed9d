//! `/system`, `/tasks`, `/healthz`, `/ca.pem`: the instance itself.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use boathouse_types::{Disk, System, TaskStatus};

use crate::db::setting;
use crate::error::{Result, not_found};
use crate::state::App;

/// The kernel's page size on the architectures that are built: x86-64, and arm64 as distributions configure it.
const PAGE: u64 = 4096;

pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

pub async fn show(app: Data<App>) -> Result<Json<System>> {
    let stored = app.db.read(|connection| setting::get(connection, setting::BASE_DOMAIN)).await?;
    Ok(Json(System {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: app.started_at,
        engine: app.observed.engine(),
        disk: disk(&app)?,
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

fn disk(app: &App) -> Result<Disk> {
    let stat = rustix::fs::statvfs(&app.paths.root).map_err(std::io::Error::from)?;
    Ok(counted(stat.f_blocks, stat.f_bfree, stat.f_bavail, stat.f_frsize))
}

/// As `df` counts: what is kept for others (the administrator's share, what the host lends elsewhere) is neither used nor free, so a
/// disk is full when nothing is left for this process.
fn counted(blocks: u64, free: u64, available: u64, block_bytes: u64) -> Disk {
    let used = blocks.saturating_sub(free);
    Disk { total_bytes: (used + available) * block_bytes, free_bytes: available * block_bytes }
}

/// The second number of /proc/self/statm: resident pages (proc(5)). 0 where there is no such file.
fn resident_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_others_is_not_in_the_count() {
        for (blocks, free, available, total) in [(100, 40, 40, 100), (100, 40, 30, 90), (100, 0, 0, 100), (0, 0, 0, 0)]
        {
            let disk = counted(blocks, free, available, 4096);
            assert_eq!((disk.total_bytes, disk.free_bytes), (total * 4096, available * 4096));
        }
    }
}
