//! `/git/PROJECT.git`: clone, fetch and push of the repositories that live here, over smart HTTP (git-http-protocol).
//!
//! A token is the password, whatever the user name. What was pushed is told to the project's deployments, as a git host would tell it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use async_compression::tokio::bufread::GzipDecoder;
use boathouse_types::{Happening, HookEvent, ProjectName, Role, Source};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_util::io::StreamReader;

use super::client::header;
use super::git_progress::{self, Told};
use crate::auth::Actor;
use crate::db::project;
use crate::error::{Error, Result, invalid, not_found, too_large, unavailable};
use crate::git::Talk;
use crate::git::host::{self, Conversations, Service};
use crate::git::pkt::{self, Asked};
use crate::hook;
use crate::state::App;

/// What a client that fetches says: the commits that it wants and has.
const MAX_WANTS: u64 = 16 * 1024 * 1024;
/// What git answers to a push: a report per reference.
const MAX_REPORT: u64 = 4 * 1024 * 1024;
/// A piece of a pack on its way to the client.
const PIECE: usize = 64 * 1024;

/// `?service=`.
#[derive(Deserialize)]
pub struct Wanted {
    service: Option<String>,
}

pub async fn refs(
    app: Data<App>,
    actor: Actor,
    busy: Data<Conversations>,
    name: Path<String>,
    wanted: Query<Wanted>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let service = wanted.service.as_deref().and_then(Service::named).ok_or_else(|| {
        invalid("only git's smart protocol is spoken here").hint("Use git 1.6.6 or later: git clone https://…")
    })?;
    if service == Service::ReceivePack {
        // The push itself is refused all the same; so git says it before it packs anything.
        actor.require(Role::Member)?;
    }
    let folder = find(&app, &name).await?.folder;
    let _place = busy.enter()?;
    let answer = host::advertise(&folder, service, header(&request, PROTOCOL)).await?;
    let kind = format!("application/x-{}-advertisement", service.name());
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, kind)).body(answer))
}

/// The header in which a client asks for the protocol's second version.
const PROTOCOL: &str = "git-protocol";

pub async fn fetch(
    app: Data<App>,
    busy: Data<Conversations>,
    name: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    let folder = find(&app, &name).await?.folder;
    let place = busy.enter()?;
    let mut wants = Vec::new();
    decoded(&request, body)?.take(MAX_WANTS + 1).read_to_end(&mut wants).await.map_err(unreadable)?;
    if wants.len() as u64 > MAX_WANTS {
        return Err(too_large("the list of wanted commits is too long"));
    }
    let mut talk = host::converse(&folder, Service::UploadPack, header(&request, PROTOCOL))?;
    if let Some(mut input) = talk.input.take() {
        // It may end before it has read everything; then its answer says why.
        input.write_all(&wants).await.ok();
    }
    let pack = stream::unfold((talk, place), |(mut talk, place)| async move {
        let piece = piece(&mut talk).await?;
        Some((piece, (talk, place)))
    });
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/x-git-upload-pack-result")).streaming(pack))
}

/// The next piece of the pack; `None` at its end. An error cuts the answer off, so that the client does not take half for whole.
async fn piece(talk: &mut Talk) -> Option<Result<Bytes>> {
    let output = talk.output.as_mut()?;
    let mut buffer = vec![0; PIECE];
    match tokio::time::timeout(host::PATIENCE, output.read(&mut buffer)).await {
        Ok(Ok(0)) => {
            talk.output = None;
            talk.end().await.err().map(Err)
        }
        Ok(Ok(length)) => {
            buffer.truncate(length);
            Some(Ok(Bytes::from(buffer)))
        }
        Ok(Err(error)) => Some(Err(error.into())),
        Err(_) => Some(Err(unavailable("git did not go on"))),
    }
}

pub async fn push(
    app: Data<App>,
    actor: Actor,
    busy: Data<Conversations>,
    name: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse> {
    let found = find(&app, &name).await?;
    let place = busy.enter()?;
    let before = host::references(&found.folder).await?;
    let mut talk = host::converse(&found.folder, Service::ReceivePack, header(&request, PROTOCOL))?;
    let received = receive(&mut talk, decoded(&request, body)?);
    let (mut report, asked) = tokio::time::timeout(host::PATIENCE, received)
        .await
        .map_err(|_| unavailable("the push took too long").hint("Push again."))??;
    // It fails where it refuses the pack; what the client needs to know stands in the report.
    talk.end().await.ok();
    let after = host::references(&found.folder).await?;
    let deliveries = hook::pushed(&app, &found.project, moved(&before, &after, &actor.label())).await?;
    // Who only listens takes no place from those who push.
    drop(place);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, "application/x-git-receive-pack-result"));
    if !asked.side_band || asked.quiet || deliveries.is_empty() || !report.ends_with(pkt::FLUSH) {
        return Ok(answer.body(report));
    }
    // git's own answer first; what is said after it stands before the end that it had.
    report.truncate(report.len() - pkt::FLUSH.len());
    let told = Told { project: found.project, deliveries, options: asked.options };
    let first = stream::once(async { Ok::<_, Error>(Bytes::from(report)) });
    Ok(answer.streaming(first.chain(git_progress::lines(&app, told))))
}

/// Hands the pack over while the report is read, so that neither waits for the other.
async fn receive(talk: &mut Talk, mut pack: impl AsyncRead + Unpin) -> Result<(Vec<u8>, Asked)> {
    let (commands, asked) = pkt::asked(&mut pack).await?;
    let (input, output) = (talk.input.take(), talk.output.take());
    let feed = async move {
        if let Some(mut input) = input
            // It stops reading where it refuses the pack; its report says why.
            && input.write_all(&commands).await.is_ok()
        {
            tokio::io::copy(&mut pack, &mut input).await.ok();
        }
    };
    let read = async move {
        let mut report = Vec::new();
        if let Some(output) = output {
            output.take(MAX_REPORT).read_to_end(&mut report).await?;
        }
        Ok::<_, Error>(report)
    };
    let ((), report) = tokio::join!(feed, read);
    Ok((report?, asked))
}

/// What moved, as a git host would tell it.
fn moved(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, actor: &str) -> Vec<Happening> {
    let changed = after.iter().filter(|(name, sha)| before.get(*name) != Some(sha));
    changed.filter_map(|(name, sha)| happening(name, before.get(name).cloned(), sha, actor)).collect()
}

fn happening(full: &str, before: Option<String>, after: &str, actor: &str) -> Option<Happening> {
    let (event, name) = match full.strip_prefix("heads/") {
        Some(branch) => (HookEvent::Push, branch),
        None => (HookEvent::Tag, full.strip_prefix("tags/")?),
    };
    Some(Happening {
        event,
        name: "push".to_owned(),
        reference: Some(name.to_owned()),
        before,
        after: Some(after.to_owned()),
        commits: None,
        author: Some(actor.to_owned()),
        repository: Vec::new(),
        pull_request: None,
    })
}

/// Tells of a commit that the server itself made on a branch of a repository that lives here.
pub async fn committed(app: &App, actor: &Actor, project: &ProjectName, branch: &str, sha: &str) -> Result<()> {
    let told = happening(&format!("heads/{branch}"), None, sha, &actor.label());
    hook::pushed(app, project, told.into_iter().collect()).await?;
    Ok(())
}

/// A repository that lives here.
struct Hosted {
    project: ProjectName,
    folder: PathBuf,
}

async fn find(app: &App, repository: &str) -> Result<Hosted> {
    let name = repository.strip_suffix(".git").unwrap_or(repository);
    let name: ProjectName = name.parse().map_err(|_| nothing(repository))?;
    let row = app.db.read(move |c| project::by_name(c, &name)).await?;
    let Source::Git { url, .. } = &row.source else { return Err(nothing(repository)) };
    let folder = host::folder(&app.paths, url).ok_or_else(|| nothing(repository))?;
    Ok(Hosted { project: row.name, folder })
}

fn nothing(repository: &str) -> Error {
    not_found(format!("no repository \"{}\" lives on this server", repository.escape_debug()))
        .hint("`boathouse new` makes one; the code of other projects lives at their own remotes.")
}

/// The body as git meant it: clients compress long requests.
fn decoded(request: &HttpRequest, body: Payload) -> Result<Box<dyn AsyncRead + Unpin>> {
    use futures_util::TryStreamExt;
    let plain = StreamReader::new(body.map_err(std::io::Error::other));
    match request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(Box::new(plain)),
        Some(b"gzip" | b"x-gzip") => Ok(Box::new(GzipDecoder::new(BufReader::new(plain)))),
        Some(_) => Err(invalid("the body is compressed in a way that is not understood here")),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    invalid("the request cannot be read").caused_by(error)
}
