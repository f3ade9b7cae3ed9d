//! Git LFS: pointer files of a tree become the files that they stand for, asked for by the batch API (git-lfs, docs/api/batch.md).
//! git's filters stay off: what a pointer leads to is fetched with the remote's own login, checked, and kept beside the mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::lfs_pointer::{Pointer, find};
use super::login::{self, origin};
use super::mirror::Remote;
use crate::error::{Error, Result, internal, invalid, too_large, unavailable};
use crate::outgoing;

/// Objects of one tree, and their bytes.
const MAX_OBJECTS: usize = 10_000;
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Objects that are asked for at once.
const BATCH: usize = 100;
/// Bytes of an answer about one batch.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// One object over a slow line; one that sends nothing for so long is not going to.
const OBJECT_DEADLINE: Duration = Duration::from_secs(15 * 60);
const SILENCE: Duration = Duration::from_secs(60);
const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

#[derive(Deserialize)]
struct Answer {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    #[serde(default)]
    actions: BTreeMap<String, Action>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// Puts the files in place of the pointers of a tree that was just written; `git_dir` keeps them for the next time.
///
/// # Errors
/// Names the file that cannot be had.
pub async fn resolve(remote: &Remote<'_>, git_dir: &Path, folder: &Path, say: &(dyn Fn(String) + Sync)) -> Result<()> {
    let tree = folder.to_owned();
    let found = tokio::task::spawn_blocking(move || find(&tree)).await;
    let pointers = found.map_err(|error| internal("looking for LFS files was cut short").caused_by(error))??;
    if pointers.is_empty() {
        return Ok(());
    }
    let bytes = pointers.iter().fold(0u64, |sum, pointer| sum.saturating_add(pointer.size));
    if pointers.len() > MAX_OBJECTS || bytes > MAX_BYTES {
        return Err(too_large(format!(
            "the source has {} files in Git LFS with {} MiB, a release takes {MAX_OBJECTS} and {} GiB",
            pointers.len(),
            bytes >> 20,
            MAX_BYTES >> 30
        ))
        .hint("Keep large data in a volume, or leave it to the build to fetch."));
    }
    let store = Store { folder: git_dir.join("lfs/objects") };
    let mut seen = BTreeSet::new();
    let missing: Vec<&Pointer> =
        pointers.iter().filter(|pointer| !store.has(pointer) && seen.insert(&pointer.oid)).collect();
    if let Some(first) = missing.first() {
        say(format!("fetching {} files of Git LFS, first {}", missing.len(), first.shown()));
        let server = Server::of(remote).map_err(|error| of_file(error, first))?;
        for batch in missing.chunks(BATCH) {
            server.fetch(batch, &store).await?;
        }
    }
    for pointer in &pointers {
        // Written over the pointer, whose rights it keeps.
        tokio::fs::copy(store.path(&pointer.oid), folder.join(&pointer.path)).await?;
    }
    say(format!("{} files of Git LFS, {} KiB", pointers.len(), bytes / 1024));
    Ok(())
}

fn of_file(error: Error, pointer: &Pointer) -> Error {
    let message = format!("\"{}\" is in Git LFS and cannot be had: {}", pointer.shown(), error.message);
    let hint = error.hint.clone().unwrap_or_else(|| {
        "Push it from where it is, `git lfs push --all origin`, then deploy again; or take the file out of Git LFS."
            .to_owned()
    });
    Error { message, ..error }.hint(hint)
}

/// Objects that were fetched, where git-lfs itself would have them.
struct Store {
    folder: PathBuf,
}

impl Store {
    fn path(&self, oid: &str) -> PathBuf {
        self.folder.join(&oid[..2]).join(&oid[2..4]).join(oid)
    }

    fn has(&self, pointer: &Pointer) -> bool {
        std::fs::metadata(self.path(&pointer.oid)).is_ok_and(|about| about.is_file() && about.len() == pointer.size)
    }

    /// Keeps what the stream brings, if it is what the pointer stands for.
    async fn keep(&self, pointer: &Pointer, answer: reqwest::Response) -> Result<()> {
        let path = self.path(&pointer.oid);
        let folder = path.parent().unwrap_or(&self.folder);
        tokio::fs::create_dir_all(folder).await?;
        let partial = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
        let mut file = tokio::fs::File::from_std(partial.reopen()?);
        let mut context = digest::Context::new(&digest::SHA256);
        let (mut size, mut chunks) = (0u64, answer.bytes_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| unavailable(format!("it broke off: {}", outgoing::causes(error))))?;
            size += chunk.len() as u64;
            if size > pointer.size {
                break;
            }
            context.update(&chunk);
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        file.sync_all().await?;
        let hex = hex::encode(context.finish());
        if size != pointer.size || hex != pointer.oid {
            return Err(unavailable("what the LFS server sent is not the file that the pointer names"));
        }
        partial.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The LFS server of a remote.
struct Server {
    http: reqwest::Client,
    batch: String,
    origin: String,
    authorization: Option<HeaderValue>,
}

impl Server {
    fn of(remote: &Remote<'_>) -> Result<Self> {
        let url = remote.url;
        let origin = origin(url).ok_or_else(|| {
            invalid("LFS files are fetched over https").hint(
                "Give the project the https address of its repository, with a login (`boathouse project git-login NAME --username USER`), or take the file out of Git LFS.",
            )
        })?;
        let path = url.as_str().splitn(4, '/').nth(3).unwrap_or_default().trim_end_matches('/');
        let end = if path.ends_with(".git") { "" } else { ".git" };
        let http = outgoing::builder(remote.config)?
            .redirect(reqwest::redirect::Policy::limited(3))
            .timeout(OBJECT_DEADLINE)
            .read_timeout(SILENCE);
        let authorization = match (remote.login, login::in_address(url)) {
            (Some(own), _) => Some(login::basic(&own.username, &own.token)),
            (None, Some((username, password))) => Some(login::basic(&username, &password)),
            (None, None) => None,
        };
        let authorization = authorization.map(|text| sensitive(&text)).transpose()?;
        let batch = format!("{origin}/{path}{end}/info/lfs/objects/batch");
        Ok(Self { http: outgoing::finish(http)?, batch, origin, authorization })
    }

    async fn fetch(&self, pointers: &[&Pointer], store: &Store) -> Result<()> {
        let asked: Vec<_> =
            pointers.iter().map(|pointer| json!({ "oid": pointer.oid, "size": pointer.size })).collect();
        let answer = self.ask(&asked).await.map_err(|error| of_file(error, pointers[0]))?;
        for pointer in pointers {
            let object = answer.objects.iter().find(|object| object.oid == pointer.oid);
            self.one(pointer, object, store).await.map_err(|error| of_file(error, pointer))?;
        }
        Ok(())
    }

    async fn ask(&self, objects: &[serde_json::Value]) -> Result<Answer> {
        let body =
            json!({ "operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects });
        let request = self.http.post(&self.batch).header("accept", MEDIA_TYPE).header("content-type", MEDIA_TYPE);
        let request = request.headers(self.own_headers()).body(body.to_string());
        let answer = request.send().await.map_err(unreachable)?;
        refuse(&answer)?;
        let mut bytes = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.map_err(unreachable)?);
            if bytes.len() > MAX_ANSWER {
                return Err(unavailable("the LFS server's answer has no end"));
            }
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| unavailable("the remote's answer is not the one of an LFS server").caused_by(error))
    }

    async fn one(&self, pointer: &Pointer, object: Option<&Object>, store: &Store) -> Result<()> {
        let object = object.ok_or_else(|| unavailable("the LFS server says nothing of it"))?;
        if let Some(refusal) = &object.error {
            let why: String = refusal.message.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(invalid(format!("the LFS server says: {why} ({})", refusal.code)));
        }
        let action = object.actions.get("download").ok_or_else(|| unavailable("the LFS server offers no download"))?;
        let answer = self.http.get(&action.href).headers(self.headers(action)?).send().await.map_err(unreachable)?;
        refuse(&answer)?;
        store.keep(pointer, answer).await
    }

    /// What the action says, and the login where that says nothing of one and leads to the same host.
    fn headers(&self, action: &Action) -> Result<HeaderMap> {
        let wrong = |_| unavailable("the LFS server's answer has a header that is none");
        let mut headers = HeaderMap::new();
        for (name, value) in &action.header {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
            headers.insert(name, sensitive(value)?);
        }
        let same_host = action.href.parse().ok().and_then(|url| origin(&url)).as_ref() == Some(&self.origin);
        if same_host && !headers.contains_key(AUTHORIZATION) {
            headers.extend(self.own_headers());
        }
        Ok(headers)
    }

    fn own_headers(&self) -> HeaderMap {
        self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect()
    }
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| invalid("a header of the LFS server's has control characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unreachable(error: reqwest::Error) -> Error {
    unavailable(format!("the LFS server cannot be reached: {}", outgoing::causes(error)))
        .hint("Check the network and the proxy setting, then deploy again.")
}

fn refuse(answer: &reqwest::Response) -> Result<()> {
    match answer.status().as_u16() {
        200..300 => Ok(()),
        401 | 403 => Err(invalid("the LFS server asks for a login, or refuses the one that the project has")
            .hint("Give the project a login that may read the repository: `boathouse project git-login NAME --username USER`.")),
        404 => Err(invalid("the remote has no LFS server, or the login may not read there")),
        status => Err(unavailable(format!("the LFS server answers {status}"))),
    }
}
