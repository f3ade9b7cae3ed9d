//! An image that was sent as a file: loaded into the engine under a name of ours alone, without any registry.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::build::image_name;
use super::image_archive::{self, ImageArchive};
use super::pipeline::Run;
use super::source::upload_path;
use super::stop::Step;
use super::{blocking, upload};
use crate::chunks::{Chunks, IN_FLIGHT};
use crate::db::release::ReleaseRow;
use crate::docker::{Containers, ImageInfo};
use crate::error::{Error, internal};
use crate::fault;
use crate::stack::Component;

/// The image of an upload, where it is one.
pub async fn sent(run: &Run, upload: &str) -> Step<Option<Arc<ImageArchive>>> {
    if !upload::is_image(upload) {
        return Ok(None);
    }
    run.log.say("reading the image archive");
    let path = upload_path(run, upload)?;
    let arch = run.engine.info().await?.arch;
    let archive = blocking::run(move |abandoned| image_archive::read(&path, &arch, abandoned)).await?;
    let called = archive.name.as_ref().map_or(String::new(), |name| format!(", there called {name}"));
    run.log.say(format!("image {}{called}", archive.id));
    Ok(Some(Arc::new(archive)))
}

/// Brings it to the engine, where it is not there already. Our name comes with it, so that no pruning can take it meanwhile.
pub async fn image(run: &Run, row: &ReleaseRow, part: &Component, archive: &Arc<ImageArchive>) -> Step<ImageInfo> {
    let name = image_name(&run.app.instance, row, &part.identifier);
    match run.engine.image(archive.id.as_str()).await {
        Ok(here) => {
            run.log.about(&part.identifier, format!("{} is on this machine already", archive.id));
            run.engine.tag(&here.id, &name).await?;
            return Ok(here);
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    run.log.about(&part.identifier, format!("loading {}", archive.id));
    let id = into_engine(&*run.engine, archive.clone(), name).await?;
    fault::point("load.loaded");
    run.log.about(&part.identifier, format!("loaded {id}"));
    Ok(run.engine.image(&id).await?)
}

async fn into_engine(engine: &dyn Containers, archive: Arc<ImageArchive>, name: String) -> Step<String> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let writing = blocking::run(move |abandoned| {
        let written = archive.write(&name, Chunks::new(sender.clone()), abandoned);
        if let Err(error) = &written {
            // The engine must not take half an image for a whole one. It may be gone, and the reason itself.
            sender.blocking_send(Err(std::io::Error::other(error.message.clone()))).ok();
        }
        written
    });
    let (written, loaded) = tokio::join!(writing, engine.load(Box::pin(ReceiverStream::new(receiver))));
    let ids = match (written, loaded) {
        (Err(error), _) if !is_cut(&error) => return Err(error.into()),
        (_, loaded) => loaded?,
    };
    match <[String; 1]>::try_from(ids) {
        Ok([id]) => Ok(id),
        Err(ids) => Err(internal(format!("the engine loaded {} images of an archive that has one", ids.len())).into()),
    }
}

/// Whether the engine stopped reading: then it says why.
fn is_cut(error: &Error) -> bool {
    let cause = error.source.as_ref().and_then(|source| source.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
