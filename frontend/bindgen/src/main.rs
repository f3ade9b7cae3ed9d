//! `boathouse-bindgen WASM FRONTEND DIST`: packs the compiled console into the folder that the binary embeds.
//!
//! Every asset carries a hash of its content in its name, so the server may let browsers keep it for ever, and is there
//! as brotli alone, so that nothing is compressed while a visitor waits. Only index.html keeps its name, and is there plain, too.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::{Bindgen, Output};

use parts::Parts;

mod shared;
mod parts;

/// What any first visit may load, compressed: the frame and the page that it opens.
const FIRST_LOAD_BUDGET: usize = 400_000;
const INDEX: &str = "index.html";
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW: u32 = 24;
/// Hexadecimal digits of the content hash in a file name: 40 bits tell the builds of one console apart.
const HASH_DIGITS: usize = 10;
/// Already compressed: a brotli sibling would only cost space.
const COMPRESSED: [&str; 7] = ["png", "jpg", "jpeg", "webp", "avif", "woff2", "ico"];

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, frontend, dist] = arguments.as_slice() else {
        bail!("usage: boathouse-bindgen WASM FRONTEND DIST");
    };
    let fresh = dist.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let mut site = Site { dir: fresh, sizes: BTreeMap::new(), parts: BTreeMap::new() };
    pack(wasm, frontend, &mut site)?;
    site.print_sizes();
    site.keeps_the_budget()?;
    swap(&site.dir, dist)
}

/// The folder that is being written, and what went into it: name → (size, size of its brotli sibling).
struct Site {
    dir: PathBuf,
    sizes: BTreeMap<String, (usize, Option<usize>)>,
    /// The files that only some pages load: part → names.
    parts: BTreeMap<String, Vec<String>>,
}

fn pack(wasm: &Path, frontend: &Path, site: &mut Site) -> Result<()> {
    let scratch = site.dir.join("parts");
    fs::create_dir_all(&scratch)?;
    let parts = parts::split(wasm, &scratch)?;
    fs::remove_dir_all(&scratch)?;
    // The parts find what they share with the main file by its exports.
    let mut bindings = Bindgen::new()
        .input_bytes("boathouse", parts.main.clone())
        .out_name("boathouse")
        .keep_lld_exports(true)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("the compiled console has no usable bindings")?;
    shared::unmark(bindings.wasm_mut());
    let wasm_name = site.add_hashed("boathouse", "wasm", &bindings.wasm_mut().emit_wasm())?;
    let js = parts.link(&place_snippets(&bindings, site)?, &place_parts(&parts, site)?)?;
    let js_name = site.add_hashed("boathouse", "js", spare(&js).as_bytes())?;
    let css = fs::read_to_string(frontend.join("style/app.css")).context("frontend/style/app.css")?;
    let css_name = site.add_hashed("app", "css", spare(&css).as_bytes())?;
    let boot = boot_module(&js_name, &wasm_name);
    let boot_name = site.add_hashed("boot", "js", boot.as_bytes())?;

    let index = fs::read_to_string(frontend.join(INDEX)).context("frontend/index.html")?;
    let index = fill(
        &index,
        &[("app.css", &css_name), ("boot.js", &boot_name), ("boathouse.js", &js_name), ("boathouse.wasm", &wasm_name)],
    )?;
    site.add(INDEX, index.as_bytes())?;
    let public = frontend.join("public");
    if public.is_dir() {
        copy_public(&public, &public, site)?;
    }
    Ok(())
}

/// The text without what nobody needs who runs it: indentation, empty lines, and comments that have lines of their own.
fn spare(text: &str) -> String {
    let mut in_comment = false;
    let is_needed = |line: &&str| {
        let begins = !in_comment && line.starts_with("/*");
        let is_comment = in_comment || begins || line.starts_with("//");
        in_comment = (in_comment || begins) && !line.ends_with("*/");
        !is_comment && !line.is_empty()
    };
    text.lines().map(str::trim).filter(is_needed).flat_map(|line| [line, "\n"]).collect()
}

/// Writes the files of the parts and returns the names they have got.
fn place_parts(parts: &Parts, site: &mut Site) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for (file, content) in &parts.files {
        let stem = file.trim_end_matches(".wasm").trim_start_matches("split_").replace('_', "-");
        names.insert(file.clone(), site.add_hashed(&stem, "wasm", content)?);
    }
    let named = |file: &String| names.get(file).map(|name| format!("assets/{name}"));
    for (part, files) in &parts.needs {
        site.parts.insert(part.clone(), files.iter().filter_map(named).collect());
    }
    Ok(names)
}

/// Writes the modules that crates of the console bring along and returns the bindings, which import them by their new names.
fn place_snippets(bindings: &Output, site: &mut Site) -> Result<String> {
    let mut js = bindings.js().to_owned();
    let inline = bindings.snippets().iter().flat_map(|(owner, list)| {
        list.iter().enumerate().map(move |(index, text)| (format!("./snippets/{owner}/inline{index}.js"), text))
    });
    let local = bindings.local_modules().iter().map(|(path, text)| (format!("./snippets/{path}"), text));
    for (import, text) in inline.chain(local) {
        let name = site.add_hashed("snippet", "js", text.as_bytes())?;
        js = js.replace(&import, &format!("./{name}"));
    }
    if !bindings.npm_dependencies().is_empty() {
        bail!("a crate of the console needs npm packages, which are not packed: drop the crate");
    }
    Ok(js)
}

/// A module of its own, because the console's content security policy forbids inline scripts. A server that is not there while
/// the page loads must not leave it blank: loading is tried again until it succeeds, and the page says so.
fn boot_module(js: &str, wasm: &str) -> String {
    BOOT.replace("%js%", js).replace("%wasm%", wasm)
}

/// Only what the network does is tried again (a `TypeError`); what was fetched in vain needs another address the next time.
/// Where the server is back with another console, only a new page knows the names of its files. A style sheet that was cut has an
/// object like any other; that it is whole shows in what it ends with.
const BOOT: &str =
    "const js = './%js%', wasm = new URL('./%wasm%', import.meta.url), note = document.getElementById('boot');
const later = async (url, tried, again) => {
  const answer = await fetch(url, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  setTimeout(answer?.status === 404 ? () => location.reload() : again, Math.min(250 * 2 ** tried, 3000));
};
const isDressed = () => getComputedStyle(document.documentElement).getPropertyValue('--whole') !== '';
const dress = (sheet, tried) => later(sheet.href, tried, () => {
  const again = sheet.cloneNode();
  again.href = sheet.href.split('?')[0] + '?' + (tried + 1);
  again.onload = again.onerror = () => isDressed() || dress(again, tried + 1);
  sheet.replaceWith(again);
});
if (!isDressed()) dress(document.querySelector('link[rel=stylesheet]'), 0);
const start = async (tried) => {
  try {
    const { default: init } = await import(tried ? js + '?' + tried : js);
    await init({ module_or_path: wasm });
    note.remove();
  } catch (error) {
    if (!(error instanceof TypeError)) return note.textContent = 'The console cannot start: ' + error.message;
    note.firstChild.data = 'The server does not answer. Trying again… ';
    later(new URL(js, import.meta.url), tried, () => start(tried + 1));
  }
};
start(0);
";

/// Replaces each `%NAME%` of the template by the asset's path and refuses a template that names an unknown asset.
fn fill(template: &str, assets: &[(&str, &str)]) -> Result<String> {
    let mut page = template.to_owned();
    for (name, hashed) in assets {
        page = page.replace(&format!("%{name}%"), &format!("/assets/{hashed}"));
    }
    for line in page.lines() {
        if line.contains("=\"%") {
            bail!("frontend/index.html names an asset that does not exist: {}", line.trim());
        }
    }
    Ok(page)
}

/// Copies frontend/public as it is: files whose names outsiders know, such as the icon.
fn copy_public(root: &Path, dir: &Path, site: &mut Site) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            copy_public(root, &path, site)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_str().context("a file name in frontend/public is not UTF-8")?;
        site.add(name, &fs::read(&path)?)?;
    }
    Ok(())
}

impl Site {
    fn add_hashed(&mut self, stem: &str, extension: &str, content: &[u8]) -> Result<String> {
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{stem}-{}.{extension}", &hash[..HASH_DIGITS]);
        self.add(&format!("assets/{name}"), content)?;
        Ok(name)
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let small = if is_compressed(&path) { None } else { Some(brotli(content)?) };
        if let Some(small) = &small {
            fs::write(self.dir.join(format!("{name}.br")), small)?;
        }
        // The rare client that takes no brotli has a file unpacked for it.
        if small.is_none() || name == INDEX {
            fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
        self.sizes.insert(name.to_owned(), (content.len(), small.map(|bytes| bytes.len())));
        Ok(())
    }

    fn print_sizes(&self) {
        println!("{:<40} {:>10} {:>10}", "console", "bytes", "brotli");
        for (name, (plain, small)) in &self.sizes {
            println!("{name:<40} {plain:>10} {:>10}", small.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()));
        }
        println!("{:<40} {:>10} {:>10}", "total", "", self.sent(self.sizes.keys()));
        for (first, bytes) in self.first_loads() {
            println!("{:<40} {:>10} {bytes:>10}", format!("first load of {first}"), "");
        }
    }

    /// What goes over the wire for these files.
    fn sent<'a>(&self, names: impl Iterator<Item = &'a String>) -> usize {
        names.filter_map(|name| self.sizes.get(name)).map(|(plain, small)| small.unwrap_or(*plain)).sum()
    }

    /// The bytes that a first visit loads, by the page that it opens.
    fn first_loads(&self) -> Vec<(&str, usize)> {
        let is_of_a_part = |name: &&String| self.parts.values().any(|files| files.contains(name));
        let frame = self.sent(self.sizes.keys().filter(|name| !is_of_a_part(name)));
        let pages = self.parts.iter().map(|(part, files)| (part.as_str(), frame + self.sent(files.iter())));
        [("home", frame)].into_iter().chain(pages).collect()
    }

    fn keeps_the_budget(&self) -> Result<()> {
        for (first, bytes) in self.first_loads() {
            if bytes > FIRST_LOAD_BUDGET {
                bail!(
                    "the first load of {first} is {bytes} bytes, more than {FIRST_LOAD_BUDGET}: put what it does not need at once into a part of its own (frontend/src/parts.rs)"
                );
            }
        }
        Ok(())
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| COMPRESSED.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), content.len().max(1), BROTLI_QUALITY, BROTLI_WINDOW);
    writer.write_all(content)?;
    Ok(writer.into_inner())
}

/// The old console stays whole until the new one is.
fn swap(fresh: &Path, dist: &Path) -> Result<()> {
    let old = dist.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if dist.exists() {
        fs::rename(dist, &old)?;
    }
    fs::rename(fresh, dist)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}
