//! The copy of a deployment's volumes: as they are at one moment, while the programs that write them are paused.
//!
//! The pause has a limit. Files go through two containers that never run, one with the source's volume read-only, one with the clone's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use boathouse_types::Identifier;
use futures_util::StreamExt;

use super::super::passage::{MOUNT, PLACE, passage};
use super::super::pause;
use crate::docker::{Containers, DockerError, Owner, VolumeSpec, labels};
use crate::error::{Result, conflict, unavailable};
use crate::fault;
use crate::observed::Observed;
use crate::release::transfer::Transfer;
use crate::snapshot::engine_error;

/// The source must not stand still for longer: a clone is not worth an outage.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// One volume that is to be filled.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The source's volume at the engine.
    pub from: String,
    /// The clone's.
    pub to: String,
}

/// Everything that a copy needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names this instance at the engine.
    pub instance: String,
    /// Names the containers that files go through.
    pub clone: i64,
    /// The clone's deployment.
    pub target: i64,
    /// Any image of the source.
    pub image: String,
    /// The volumes.
    pub pairs: Vec<Pair>,
    /// The source's containers that write to them.
    pub writers: Vec<(String, Identifier)>,
    /// Add-ons with so much data that it is dumped while they run.
    pub dumps: Vec<Transfer>,
}

/// Fills the clone's volumes and answers how long the source's writers were paused.
pub async fn fill(
    engine: &dyn Containers,
    observed: &Observed,
    plan: &Plan,
    bytes: &Arc<AtomicU64>,
) -> Result<Duration> {
    // First the databases, then the files: what a row names is there.
    for transfer in &plan.dumps {
        dump(engine, transfer, bytes).await?;
    }
    prepare(engine, plan).await.map_err(engine_error)?;
    fault::point("clone.prepared");
    let held = pause::hold(engine, observed, &plan.writers).await.map_err(engine_error)?;
    let begun = Instant::now();
    fault::point("clone.paused");
    let copied = tokio::time::timeout(PAUSE_MAX, all(engine, plan, bytes)).await;
    let others = pause::intruder(engine, &plan.writers).await;
    pause::resume(engine, &held).await;
    drop(held);
    let paused = begun.elapsed();
    fault::point("clone.resumed");
    copied.map_err(|_| too_long(bytes.load(Ordering::Relaxed)))?.map_err(engine_error)?;
    if let Some(other) = others.map_err(engine_error)? {
        return Err(conflict(format!("the container {other} of the source started while its volumes were copied"))
            .hint("A release or a restart came in between; clone again when it is over."));
    }
    clear(engine, plan).await.map_err(engine_error)?;
    Ok(paused)
}

/// A dump is of one moment by itself: nothing is paused for it.
async fn dump(engine: &dyn Containers, transfer: &Transfer, bytes: &Arc<AtomicU64>) -> Result<()> {
    transfer.second.begin(engine).await?;
    let before = bytes.load(Ordering::Relaxed);
    let total = transfer.copy(engine, |copied| bytes.store(before + copied, Ordering::Relaxed)).await?;
    bytes.store(before + total, Ordering::Relaxed);
    fault::point("clone.dumped");
    transfer.second.end(engine).await
}

fn too_long(bytes: u64) -> crate::error::Error {
    unavailable(format!(
        "copying took longer than {} s ({} MiB so far), and the source must not stand still for longer",
        PAUSE_MAX.as_secs(),
        bytes >> 20
    ))
    .hint("Stop the source first (`boathouse stop`) and clone it then: nothing is paused for a stopped one. Or clone it without data.")
}

/// Removes the containers that files went through, also those of an earlier try.
pub async fn clear(engine: &dyn Containers, plan: &Plan) -> Result<(), DockerError> {
    for (index, _) in plan.pairs.iter().enumerate() {
        for side in Side::BOTH {
            engine.remove(&name(plan, index, side)).await?;
        }
    }
    for transfer in &plan.dumps {
        engine.remove(&transfer.second.spec.name).await?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    From,
    To,
}

impl Side {
    const BOTH: [Self; 2] = [Self::From, Self::To];
}

fn name(plan: &Plan, index: usize, side: Side) -> String {
    let side = if side == Side::From { "from" } else { "to" };
    format!("bh-{}-copy-{}-{index}-{side}", plan.instance, plan.clone)
}

/// Fresh volumes, and the containers that files go through; all before anything is paused.
async fn prepare(engine: &dyn Containers, plan: &Plan) -> Result<(), DockerError> {
    clear(engine, plan).await?;
    for (index, pair) in plan.pairs.iter().enumerate() {
        // What an earlier try left is not to be mixed with this one's.
        engine.remove_volume(&pair.to).await?;
        let labels = BTreeMap::from([
            (labels::INSTANCE.to_owned(), plan.instance.clone()),
            (labels::DEPLOYMENT.to_owned(), plan.target.to_string()),
        ]);
        engine.create_volume(&VolumeSpec { name: pair.to.clone(), labels }).await?;
        for side in Side::BOTH {
            let read_only = side == Side::From;
            let volume = if read_only { &pair.from } else { &pair.to };
            engine.create(&passage(name(plan, index, side), &plan.instance, &plan.image, volume, read_only)).await?;
        }
    }
    Ok(())
}

async fn all(engine: &dyn Containers, plan: &Plan, bytes: &Arc<AtomicU64>) -> Result<(), DockerError> {
    for (index, _) in plan.pairs.iter().enumerate() {
        let read = engine.read_files(&name(plan, index, Side::From), MOUNT).await?;
        let counted = bytes.clone();
        let counting = read.inspect(move |chunk| {
            let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            counted.fetch_add(length, Ordering::Relaxed);
        });
        engine.write_files(&name(plan, index, Side::To), PLACE, counting.boxed(), Owner::AsWritten).await?;
        fault::point("clone.copied");
    }
    Ok(())
}
