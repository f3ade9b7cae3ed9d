//! Stage build: each component and add-on becomes an image by digest or a static tree by digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boathouse_edge::site;
use boathouse_types::{Identifier, ReleaseId, Serves, plural};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::pipeline::Run;
use super::queue::{MemoryLimit, Turn, mib};
use super::source::{Tree, subfolder};
use super::stop::Step;
use super::{blocking, build_limits, build_secret, environment, load, login, pull, reuse, sites, unpack};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Transaction, object};
use crate::disk::guard;
use crate::docker::{BuildLimits, BuildRequest, DockerError, ErrorKind, ImageInfo, Line, Proxy, labels};
use crate::error::{Result, conflict, invalid};
use crate::fault;
use crate::stack::{Component, Files, Origin};

/// Lines of a build that may wait for the log.
pub const LINES: usize = 256;

/// Ports that the images declare, by component.
pub type Exposed = BTreeMap<Identifier, Vec<u16>>;

/// The name that an image of ours has at the engine.
pub fn image_name(instance: &str, row: &ReleaseRow, identifier: &Identifier) -> String {
    object::image_name(instance, &row.slug, row.number, identifier)
}

/// The container that files are read from an image through.
fn reader_name(instance: &str, id: ReleaseId, identifier: &Identifier) -> String {
    format!("bh-{instance}-read-{id}-{identifier}")
}

/// Builds every part of the stack.
pub async fn all(run: &Run, row: &ReleaseRow, tree: &Tree, secrets: &build_secret::Values) -> Step<Exposed> {
    // Taken by the first part that is built: what is only pulled, copied or unchanged waits for nobody.
    let mut turn = None;
    let mut exposed = Exposed::new();
    for part in tree.stack.in_start_order() {
        let ports = one(run, row, tree, part, secrets, &mut turn).await?;
        exposed.insert(part.identifier.clone(), ports);
    }
    Ok(exposed)
}

async fn one(
    run: &Run,
    row: &ReleaseRow,
    tree: &Tree,
    part: &Component,
    secrets: &build_secret::Values,
    turn: &mut Option<Turn>,
) -> Step<Vec<u16>> {
    let image = match &part.origin {
        Origin::Folder { folder } => {
            let root = source_root(tree)?;
            let folder = subfolder(root, folder, &format!("the folder of component \"{}\"", part.identifier))?;
            let files = part.files.as_ref().map_or(".", |files| files.path.as_str());
            let from = subfolder(&folder, files, &format!("the static folder of component \"{}\"", part.identifier))?;
            keep_files(run, row, part, from, root.to_owned(), None).await?;
            return Ok(Vec::new());
        }
        Origin::Build { .. } => {
            let request = request(run, row, tree, part, secrets).await?;
            return built(run, row, part, &request, turn).await;
        }
        Origin::Image { image } => match &tree.image {
            Some(sent) => load::image(run, row, part, sent).await?,
            None => pull::image(run, row, part, image).await?,
        },
    };
    match &part.files {
        Some(files) => {
            files_of(run, row, part, &image, files, None).await?;
            Ok(Vec::new())
        }
        None => {
            record(run, part, Became::image(&image), None).await?;
            fault::point("build.image_recorded");
            Ok(image.exposed_ports)
        }
    }
}

/// A component with a Dockerfile: built, or what was built from the same before.
async fn built(
    run: &Run,
    row: &ReleaseRow,
    part: &Component,
    request: &BuildRequest,
    turn: &mut Option<Turn>,
) -> Step<Vec<u16>> {
    let input = reuse::input(run, part, request).await?;
    let Some(files) = &part.files else {
        let image = match reuse::image(run, row, part, &input).await? {
            Some(image) => image,
            None => build(run, row, part, request, turn).await?,
        };
        record(run, part, Became::image(&image), Some(input)).await?;
        fault::point("build.image_recorded");
        return Ok(image.exposed_ports);
    };
    {
        // Between the look and the record, clean-up must not look.
        let _using = run.files.read().await;
        if let Some(digest) = reuse::files(run, row, part, &input).await? {
            record(run, part, Became { serves: Serves::Files, digest, bytes: None }, Some(input)).await?;
            return Ok(Vec::new());
        }
    }
    let image = build(run, row, part, request, turn).await?;
    files_of(run, row, part, &image, files, Some(input)).await?;
    Ok(Vec::new())
}

/// The tree of files in an image.
async fn files_of(
    run: &Run,
    row: &ReleaseRow,
    part: &Component,
    image: &ImageInfo,
    files: &Files,
    made_from: Option<String>,
) -> Step<()> {
    let from = copy_out(run, part, image, files).await?;
    keep_files(run, row, part, from.clone(), from, made_from).await?;
    // The image was only a step on the way; the layer cache keeps what the next build can use.
    run.engine.remove_image(&image_name(&run.app.instance, row, &part.identifier)).await?;
    Ok(())
}

/// A ready image alone; the ports that it exposes.
pub async fn ready_image(run: &Run, row: &ReleaseRow, part: &Component) -> Step<Vec<u16>> {
    let Origin::Image { image } = &part.origin else { return Err(invalid("this part is not a ready image").into()) };
    guard::admit(&run.app, "the pull").await?;
    let image = pull::image(run, row, part, image).await?;
    record(run, part, Became::image(&image), None).await?;
    Ok(image.exposed_ports)
}

fn source_root(tree: &Tree) -> Result<&Path> {
    tree.root.as_deref().ok_or_else(|| invalid("a ready image has no source folder to build from"))
}

/// What is to be built.
async fn request(
    run: &Run,
    row: &ReleaseRow,
    tree: &Tree,
    part: &Component,
    secrets: &build_secret::Values,
) -> Result<BuildRequest> {
    let Origin::Build { folder, dockerfile, target, limits, .. } = &part.origin else {
        return Err(invalid("this component is not built"));
    };
    let root = source_root(tree)?;
    let what = format!("the folder of component \"{}\"", part.identifier);
    let context = subfolder(root, folder, &what).map_err(|error| {
        let folders = error.hint.clone().unwrap_or_default();
        error.hint(format!("Set the component's `folder:` to where its {dockerfile} is. {folders}"))
    })?;
    let config = &run.app.config;
    let proxy = Proxy {
        http: config.proxy.clone(),
        https: config.proxy.clone(),
        exceptions: (!config.no_proxy.is_empty()).then(|| config.no_proxy.join(",")),
    };
    let ca_bundle = match &config.ca_bundle {
        Some(path) => Some(tokio::fs::read(path).await.map_err(|error| {
            invalid(format!("the extra CA certificates {} cannot be read: {error}", path.display()))
                .hint("Correct --ca-bundle and restart Boathouse.")
        })?),
        None => None,
    };
    Ok(BuildRequest {
        context,
        dockerfile: dockerfile.into(),
        target: target.clone(),
        args: args(run, row, tree, part).await?,
        secrets: secrets
            .get(&part.identifier)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_string(), value.clone().into_bytes()))
            .collect(),
        labels: image_labels(run, row, &part.identifier),
        tag: image_name(&run.app.instance, row, &part.identifier),
        limits: build_limits::within(limits, build_limits::of_server(config)),
        proxy,
        ca_bundle,
        logins: login::all(run).await?,
        no_cache: row.no_cache || part.is_built_anew(),
        ..Default::default()
    })
}

async fn build(
    run: &Run,
    row: &ReleaseRow,
    part: &Component,
    request: &BuildRequest,
    turn: &mut Option<Turn>,
) -> Step<ImageInfo> {
    let turn = match turn {
        Some(turn) => turn,
        None => turn.insert(take_turn(run, row).await?),
    };
    if let Origin::Build { folder, dockerfile, limits, .. } = &part.origin {
        run.log.about(&part.identifier, format!("building {} from {folder}/{dockerfile}", part.identifier));
        for cut in build_limits::cut(limits, &request.limits) {
            run.log.about(&part.identifier, cut);
        }
    }
    let memory = turn.memory_limit(request.limits.memory);
    let limits = BuildLimits { memory: memory.limit, ..request.limits };
    let request = BuildRequest { limits, ..request.clone() };
    if let Some(limit) = memory.limit.filter(|_| memory.is_scarce()) {
        let text = format!("this build may use at most {}: no more memory is free on this machine", mib(limit));
        run.log.about(&part.identifier, text);
    }
    let (sender, receiver) = mpsc::channel(LINES);
    let building = async { tokio::join!(run.engine.build(&request, sender), write_lines(run, part, receiver)).0 };
    let image = tokio::select! {
        built = building => built.map_err(|error| explain(error, memory))?,
        // Dropped, the build is ended at the engine.
        error = run.queue.watch(run, row, &request.pace) => return Err(error.into()),
    };
    fault::point("build.image_built");
    run.log.about(&part.identifier, format!("built {}", image.id));
    Ok(image)
}

/// Waits for it; the disk may have filled meanwhile.
async fn take_turn(run: &Run, row: &ReleaseRow) -> Result<Turn> {
    let turn = run.queue.turn(run, row).await?;
    fault::point("build.slot_taken");
    guard::admit(&run.app, "the build").await?;
    Ok(turn)
}

/// What had too little memory because the machine had no more is not helped by a higher limit.
fn explain(error: DockerError, memory: MemoryLimit) -> DockerError {
    match (&error.kind, memory.set) {
        (ErrorKind::BuildOutOfMemory(_), Some(set)) if memory.is_scarce() => error.with_hint(format!(
            "The limit is {} (--build-memory, or the component's `build.limits`), but this machine had less memory free when the build began: stop what is not needed, add memory, or let the build use less (for Node: NODE_OPTIONS=--max-old-space-size).",
            mib(set)
        )),
        _ => error,
    }
}

/// The manifest's arguments, and its static variables for an `ARG` that asks for one. What is a secret, or made of one, is left
/// out: an image keeps its arguments for whoever has it.
async fn args(run: &Run, row: &ReleaseRow, tree: &Tree, part: &Component) -> Result<BTreeMap<String, String>> {
    let (app, id, stack, of) = (run.app.clone(), row.deployment_id, tree.stack.clone(), part.clone());
    let made = run.app.db.read(move |c| environment::build_args(c, &app, id, &stack, &of)).await?;
    for name in &made.left_out {
        run.log.about(
            &part.identifier,
            format!("{name} is no build argument: its value is a secret, or not set; name it in `build.secrets` if the build needs it"),
        );
    }
    Ok(made.values)
}

fn image_labels(run: &Run, row: &ReleaseRow, identifier: &Identifier) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::INSTANCE.to_owned(), run.app.instance.clone()),
        (labels::DEPLOYMENT.to_owned(), row.deployment_id.to_string()),
        (labels::COMPONENT.to_owned(), identifier.to_string()),
    ])
}

/// Writes what a build or a pull tells into the release's log.
pub async fn write_lines(run: &Run, part: &Component, mut lines: mpsc::Receiver<Line>) {
    while let Some(line) = lines.recv().await {
        run.log.line(&part.identifier, &line);
    }
}

async fn copy_out(run: &Run, part: &Component, image: &ImageInfo, files: &Files) -> Step<PathBuf> {
    let name = reader_name(&run.app.instance, run.id, &part.identifier);
    let archive = run.work().join(format!("{}.tar", part.identifier));
    run.log.about(&part.identifier, format!("taking {} out of the image", files.path));
    run.engine.remove(&name).await?;
    let mut file = tokio::fs::File::create(&archive).await?;
    let copied = run.engine.copy_out(&image.id, &files.path, &name, &mut file).await;
    file.flush().await?;
    copied.map_err(|error| match error.kind {
        ErrorKind::NotFound => invalid(format!("the image of \"{}\" has no folder {}", part.identifier, files.path))
            .hint("Set `static:` to the absolute path of the built site in the image."),
        _ => crate::snapshot::engine_error(error),
    })?;
    fault::point("build.files_copied");
    let into = run.work().join(format!("files-{}", part.identifier));
    let from = into.clone();
    blocking::run(move |abandoned| unpack::archive(&archive, &into, unpack::Links::Skip, abandoned).map(|_| ()))
        .await?;
    // The engine puts the folder itself into the archive.
    Ok(unpack::only_folder(&from)?)
}

async fn keep_files(
    run: &Run,
    row: &ReleaseRow,
    part: &Component,
    from: PathBuf,
    limit: PathBuf,
    made_from: Option<String>,
) -> Step<()> {
    run.log.about(&part.identifier, "preparing the static files");
    // Until the row names the digest, clean-up must not look.
    let _making = run.files.read().await;
    let staging = run.app.paths.sites().join(format!(".staging-{}-{}", row.id, part.identifier));
    let sites = run.app.paths.sites();
    let made = blocking::run(move |abandoned| sites::keep(&from, &limit, &staging, &sites, abandoned)).await?;
    fault::point("build.files_prepared");
    for skipped in &made.skipped {
        run.log.about(&part.identifier, format!("left out {skipped}"));
    }
    if !made.has_index {
        run.log.about(&part.identifier, "there is no index.html in the folder: `/` will answer 404");
    }
    run.log.about(&part.identifier, format!("{}, {}", plural(made.files as u64, "file"), made.digest));
    let became = Became { serves: Serves::Files, digest: made.digest, bytes: Some(made.bytes) };
    record(run, part, became, made_from).await?;
    fault::point("build.files_recorded");
    Ok(())
}

/// What a component became.
struct Became {
    serves: Serves,
    digest: String,
    /// Absent where an earlier release has noted it.
    bytes: Option<u64>,
}

impl Became {
    fn image(image: &ImageInfo) -> Self {
        Self { serves: Serves::Container, digest: image.id.clone(), bytes: Some(image.size) }
    }
}

async fn record(run: &Run, part: &Component, became: Became, made_from: Option<String>) -> Result<()> {
    let (id, identifier) = (run.id, part.identifier.clone());
    let record = move |tx: &Transaction<'_>| {
        release::set_digest(tx, id, &identifier, became.serves, &became.digest)?;
        if let Some(bytes) = became.bytes {
            release::set_size(tx, id, &identifier, bytes)?;
        }
        made_from.map_or(Ok(()), |input| release::set_made_from(tx, id, &identifier, &input))
    };
    run.app.db.write(record).await
}

/// A rollback or a promotion builds nothing: everything must be here, which is found out before anything changes. Then names the images for
/// the new release.
pub async fn check_kept(run: &Run, row: &ReleaseRow, repeated: &str) -> Step<Exposed> {
    check_kept_but(run, row, repeated, None).await
}

/// The same where one part becomes something else.
pub async fn check_kept_but(run: &Run, row: &ReleaseRow, repeated: &str, except: Option<&Identifier>) -> Step<Exposed> {
    let id = row.id;
    let parts = run.app.db.read(move |c| release::components(c, id)).await?;
    let mut found = Vec::new();
    for part in parts.into_iter().filter(|part| Some(&part.identifier) != except) {
        let gone = |what: &str| {
            conflict(format!(
                "{repeated} cannot be deployed again: the {what} of {} is gone from this server, though Boathouse did not remove it",
                part.identifier
            ))
            .hint("Nothing was changed. Deploy the commit of that release again instead.")
        };
        let Some(digest) = &part.digest else { return Err(gone("record").into()) };
        if part.serves == Serves::Files {
            if !site::folder(&run.app.paths.sites(), digest).is_dir() {
                return Err(gone("static tree").into());
            }
            continue;
        }
        match run.engine.image(digest).await {
            Err(error) if error.is_not_found() => return Err(gone("image").into()),
            other => found.push((part.identifier, other?)),
        }
    }
    let mut exposed = Exposed::new();
    for (identifier, image) in found {
        run.engine.tag(&image.id, &image_name(&run.app.instance, row, &identifier)).await?;
        exposed.insert(identifier, image.exposed_ports);
    }
    Ok(exposed)
}

/// Removes the containers that files were read from: a crash in between leaves them.
pub async fn remove_readers(run: &Run, row: &ReleaseRow) -> Step<()> {
    let Some(stack) = &row.manifest else { return Ok(()) };
    for part in
        stack.in_start_order().filter(|part| part.files.is_some() && !matches!(part.origin, Origin::Folder { .. }))
    {
        run.engine.remove(&reader_name(&run.app.instance, run.id, &part.identifier)).await?;
    }
    Ok(())
}

/// The names of a release's images at the engine.
pub fn image_names(
    instance: &str,
    row: &ReleaseRow,
    images: &[object::ImageRow],
    parts: &[boathouse_types::ReleaseComponent],
) -> Vec<String> {
    let of_release = images.iter().filter(|image| image.release_id == row.id);
    let named =
        of_release.flat_map(|image| parts.iter().filter(move |part| part.digest.as_ref() == Some(&image.digest)));
    named.map(|part| image_name(instance, row, &part.identifier)).collect()
}
