//! Public ports: opened, led and closed as the database wants it and as the containers move. A port that cannot be opened
//! hurts itself only, is shown with the reason and tried again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use boathouse_edge::tcp::{Lead, Port};

use crate::db::public_port::{self, PublicPortRow};
use crate::db::{Connection, release};
use crate::error::Result;
use crate::observed::{Observed, Phase, PublicPort};
use crate::port;
use crate::state::App;

/// Also without a change: what stood in the way of a port may be gone.
const PERIOD: Duration = Duration::from_secs(15);

/// The open ports. Dropping it closes them.
type Open = Mutex<BTreeMap<u16, Port>>;

/// Starts what keeps the ports right.
pub fn start(app: &App) {
    let open = Arc::<Open>::default();
    let (handles, mut changes) = (app.clone(), app.observed.subscribe());
    app.tasks.run("public ports", "opens and closes public ports of add-ons", |stop| async move {
        loop {
            changes.mark_unchanged();
            if let Err(error) = reconcile(&handles, &open).await {
                tracing::warn!(%error, "the public ports could not be looked at");
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = handles.pokes.ports.poked() => {}
                // Containers move; without an open port that is nobody's business here.
                _ = changes.changed(), if has_any(&open) => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    });
}

fn has_any(open: &Open) -> bool {
    !open.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

async fn reconcile(app: &App, open: &Open) -> Result<()> {
    let wanted = app.db.read(wanted).await?;
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    let before: Vec<u16> = open.keys().copied().collect();
    open.retain(|number, _| wanted.iter().any(|(row, _)| row.port == *number));
    let mut seen: BTreeMap<u16, PublicPort> = BTreeMap::new();
    for (row, declared) in wanted {
        let lead = Lead { to: address(&app.observed, &row, declared), allow: row.allow.clone() };
        seen.insert(row.port, keep(&mut open, &row, lead));
    }
    let changed =
        seen.keys().any(|number| app.observed.port(*number).is_none_or(|old| old.is_err() != seen[number].is_err()));
    if changed || before.iter().any(|number| !seen.contains_key(number)) {
        app.observed.set_ports(seen);
    }
    Ok(())
}

/// Leads an open port, or opens it.
fn keep(open: &mut BTreeMap<u16, Port>, row: &PublicPortRow, lead: Lead) -> PublicPort {
    if let Some(port) = open.get(&row.port) {
        port.lead(lead);
        return Ok(port.counts.clone());
    }
    match Port::open(row.port, lead) {
        Ok(port) => {
            tracing::info!(port = row.port, addon = %row.identifier, deployment = %row.deployment, "public port opened");
            let counts = port.counts.clone();
            open.insert(row.port, port);
            Ok(counts)
        }
        Err(error) => {
            let by = port::listener(row.port).map_or_else(String::new, |who| format!("; {who} has it"));
            tracing::warn!(port = row.port, %error, "a public port cannot be opened");
            Err(format!("port {} cannot be opened{by}: {error}", row.port))
        }
    }
}

/// Ports of deployments that shall run, each with the port that the add-on's container declares.
fn wanted(connection: &Connection) -> Result<Vec<(PublicPortRow, Option<u16>)>> {
    let rows = public_port::all(connection)?.into_iter().filter(|row| row.is_wanted);
    rows.map(|row| {
        let live = release::live(connection, row.deployment_id)?;
        let addon = live.as_ref().and_then(|live| live.manifest.as_ref()).and_then(|stack| stack.find(&row.identifier));
        let declared = addon.and_then(|addon| addon.port);
        Ok((row, declared))
    })
    .collect()
}

/// Where the container of the add-on is now.
fn address(observed: &Observed, row: &PublicPortRow, declared: Option<u16>) -> Option<SocketAddr> {
    let all = observed.of_deployment(row.deployment_id).into_iter().map(|(_, one)| one);
    let mut runs = all.filter(|one| {
        one.identifier == row.identifier && matches!(one.phase, Phase::Healthy | Phase::Unhealthy | Phase::Starting)
    });
    let one = runs.find(|one| one.address.is_some())?;
    Some(SocketAddr::new(one.address?, declared.or(one.port)?))
}
