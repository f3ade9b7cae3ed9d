//! An image in a file, as `docker save` and the OCI image layout have it: understood before the engine sees a byte of it, and
//! handed on as one image under a name of ours. What else the archive holds, and what it wants to be called, stays behind.

mod contents;
mod layout;
mod saved;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use boathouse_types::ImageRef;
use serde::Deserialize;
use serde_json::json;

use self::contents::{Contents, normal};
use super::blocking::Abandoned;
use super::unpack::{Format, read_up_to};
use crate::error::{Error, Result, invalid};

/// Bytes that the archive, and the layers in it, may unpack to.
const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Above this many bytes, what unpacks to more than `MAX_RATIO` times the file's size is a bomb.
const RATIO_FROM: u64 = 256 * 1024 * 1024;
const MAX_RATIO: u64 = 200;
/// Layers of one image; engines take 127 at most.
const MAX_LAYERS: usize = 127;

/// One image in a file.
#[derive(Debug)]
pub struct ImageArchive {
    /// The digest of its configuration: what engines call the image's id.
    pub id: ImageRef,
    /// What the archive calls it.
    pub name: Option<String>,
    path: PathBuf,
    config: Vec<u8>,
    /// Names of the archive's entries, in the order of the image.
    layers: Vec<String>,
    most: u64,
}

/// What an image's configuration says, as far as it decides anything here (OCI image-spec, config.md).
#[derive(Deserialize)]
struct Config {
    architecture: String,
    os: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An image's parts by the names of entries, before its configuration is read.
struct Parts {
    config: String,
    layers: Vec<String>,
    name: Option<String>,
}

/// Whether an archive holds an image and not a folder of code: told by the names at its root. Ends at the first name that no image
/// has, which for code is the first of all.
pub fn is_one(path: &Path) -> bool {
    looks_like_one(path).unwrap_or(false)
}

fn looks_like_one(path: &Path) -> io::Result<bool> {
    const DIGEST: usize = 64;
    let mut found = false;
    for entry in tar::Archive::new(open(path, MAX_BYTES)?).entries()? {
        let name = normal(&entry?.path()?);
        let first = name.split('/').next().unwrap_or_default();
        let hex = first.trim_start_matches("sha256:").bytes().take_while(u8::is_ascii_hexdigit).count();
        match first {
            "manifest.json" | "index.json" | "oci-layout" => found = true,
            "" | "repositories" | "blobs" => {}
            _ if hex == DIGEST => {}
            _ => return Ok(false),
        }
    }
    Ok(found)
}

/// Understands the archive; `arch` is this machine's, in the words of image platforms.
///
/// # Errors
/// It is damaged, no image or several, made for other machines, or a bomb.
pub fn read(path: &Path, arch: &str, abandoned: &Abandoned) -> Result<ImageArchive> {
    let size = std::fs::metadata(path)?.len();
    let most = MAX_BYTES.min(RATIO_FROM.max(size.saturating_mul(MAX_RATIO)));
    let contents = Contents::of(open(path, most)?, most, abandoned)?;
    let parts = match (contents.json("manifest.json"), contents.json("index.json")) {
        (Some(manifest), _) => saved::parts(manifest)?,
        (None, Some(index)) => layout::parts(&contents, index, arch)?,
        (None, None) => return Err(no_image("it has neither a manifest.json nor an index.json")),
    };
    let config = contents.json(&parts.config).ok_or_else(|| incomplete(&parts.config))?;
    let said: Config = serde_json::from_slice(config)
        .map_err(|error| no_image("its configuration cannot be read").caused_by(error))?;
    refuse_other_machines(&said, arch)?;
    let layers = parts.layers.iter().map(|name| contents.layer(name)).collect::<Result<Vec<_>>>()?;
    if layers.len() != said.rootfs.diff_ids.len() || layers.len() > MAX_LAYERS {
        return Err(no_image(&format!(
            "it has {} layers, its configuration names {}, and {MAX_LAYERS} are possible",
            layers.len(),
            said.rootfs.diff_ids.len()
        )));
    }
    let id = format!("sha256:{}", sha256(config)).parse()?;
    Ok(ImageArchive { id, name: parts.name, path: path.to_owned(), config: config.to_owned(), layers, most })
}

impl ImageArchive {
    /// Writes it in the format that every engine loads, as one image of that name.
    pub fn write(&self, name: &str, into: impl Write, abandoned: &Abandoned) -> Result<()> {
        let mut out = tar::Builder::new(into);
        let mut missing: Vec<&str> = self.layers.iter().map(String::as_str).collect();
        missing.sort_unstable();
        missing.dedup();
        for entry in tar::Archive::new(open(&self.path, self.most)?).entries().map_err(broken)? {
            abandoned.check()?;
            let mut entry = entry.map_err(broken)?;
            let found = normal(&entry.path().map_err(broken)?);
            let Some(at) = missing.iter().position(|name| *name == found) else { continue };
            missing.swap_remove(at);
            let number = self.number(&found);
            append(&mut out, &layer_file(number), entry.size(), &mut entry)?;
        }
        if let Some(name) = missing.first() {
            return Err(incomplete(name));
        }
        let layers: Vec<String> = self.layers.iter().map(|layer| layer_file(self.number(layer))).collect();
        let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": layers }]).to_string();
        append(&mut out, "config.json", self.config.len() as u64, &mut self.config.as_slice())?;
        append(&mut out, "manifest.json", manifest.len() as u64, &mut manifest.as_bytes())?;
        Ok(out.into_inner()?.flush()?)
    }

    /// Where a layer stands first: the same one may be in an image twice.
    fn number(&self, layer: &str) -> usize {
        self.layers.iter().position(|name| name == layer).unwrap_or_default()
    }
}

fn layer_file(number: usize) -> String {
    format!("layer-{number}.tar")
}

fn append(out: &mut tar::Builder<impl Write>, name: &str, size: u64, content: &mut impl Read) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    Ok(out.append_data(&mut header, name, content)?)
}

/// The archive without its own compression; an error of the kind `FileTooLarge` once it is more than `most`.
fn open(path: &Path, most: u64) -> io::Result<Box<dyn Read>> {
    const BUFFER: usize = 256 * 1024;
    let mut file = File::open(path)?;
    let mut head = [0; 512];
    let read = read_up_to(&mut file, &mut head)?;
    io::Seek::rewind(&mut file)?;
    unpacked(BufReader::with_capacity(BUFFER, file), &head[..read], most)
}

/// What is compressed by gzip or Zstandard, as its first bytes tell; else as it is.
fn unpacked<'a>(reader: impl io::BufRead + 'a, head: &[u8], most: u64) -> io::Result<Box<dyn Read + 'a>> {
    let left = most;
    Ok(match Format::detect(head) {
        Some(Format::TarGz) => Box::new(Bounded { inner: flate2::bufread::MultiGzDecoder::new(reader), left }),
        Some(Format::TarZst) => Box::new(Bounded { inner: zstd::Decoder::with_buffer(reader)?, left }),
        _ => Box::new(Bounded { inner: reader, left }),
    })
}

/// Refuses to read on where more comes than may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

fn refuse_other_machines(said: &Config, arch: &str) -> Result<()> {
    if said.os == "linux" && said.architecture == arch {
        return Ok(());
    }
    Err(other_machine(&format!("{}/{}", shown(&said.os), shown(&said.architecture)), arch))
}

fn other_machine(made_for: &str, arch: &str) -> Error {
    invalid(format!("the image in the archive is made for {made_for}, this machine is linux/{arch}"))
        .hint(format!("Build it for this machine, `docker build --platform linux/{arch}`, and save that."))
}

fn several(names: &[String]) -> Error {
    invalid(format!("the archive has several images: {}", names.join(", ")))
        .hint("Save the one that is to be deployed alone: `docker save IMAGE -o image.tar`.")
}

fn no_image(why: &str) -> Error {
    invalid(format!("the archive is not an image: {why}")).hint(
        "Make it with `docker save IMAGE -o image.tar`; a folder of code is deployed with `boathouse deploy DIR`.",
    )
}

fn incomplete(name: &str) -> Error {
    invalid(format!("the image archive is not complete: \"{}\" is not in it", shown(name)))
        .hint("Save the image again and send that.")
}

/// A fault of the archive itself, told apart from one that grows without end.
fn broken(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return invalid(format!(
            "the image archive unpacks to more than {} GiB, or to more than {MAX_RATIO} times its size",
            MAX_BYTES >> 30
        ))
        .hint("Leave large data out of the image and keep it in a volume.");
    }
    invalid(format!("the image archive is damaged: {error}"))
        .hint("Save the image again and send that.")
        .caused_by(error)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
#[path = "image_archive_test.rs"]
mod tests;
