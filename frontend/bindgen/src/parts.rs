//! Takes the compiled console apart at its split points (`frontend/src/parts.rs`): a main file, and files that are fetched when the
//! first page that needs them is opened. What two parts share is in a file of its own; what more of them share is in the main file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use walrus::ModuleConfig;
use wasm_split_cli_support::{Options, SplitWasm, transform};

use crate::shared::Shared;

/// The module that the bindings import the loaders from; it never becomes a file.
const LINK: &str = "./parts.js";
/// Imported by the loaders; they are written into the same file as the function.
const BINDINGS: &str = "./boathouse.js";
const MAIN: &str = "main.wasm";

/// The console, taken apart.
pub struct Parts {
    /// Goes through the generator of the bindings.
    pub main: Vec<u8>,
    /// File name without folder → content, ready to be served.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Part → the files that it needs.
    pub needs: BTreeMap<String, Vec<String>>,
    loaders: String,
}

/// Takes apart; `scratch` is a folder for what the splitter writes. It is done twice: the first time tells what is shared.
pub fn split(wasm: &Path, scratch: &Path) -> Result<Parts> {
    let input = fs::read(wasm).with_context(|| wasm.display().to_string())?;
    let (first, second) = (scratch.join("first"), scratch.join("second"));
    let shared = Shared::of(&take_apart(&input, &first)?)?;
    let split = take_apart(&shared.mark(&input)?, &second)?;
    let mut files = BTreeMap::new();
    for path in split.split_modules {
        let name = path.file_name().and_then(|name| name.to_str()).context("a part's name is not UTF-8")?;
        files.insert(name.to_owned(), compact(&fs::read(&path)?)?);
    }
    let with_ending = |files: Vec<String>| files.into_iter().map(|file| format!("{file}.wasm")).collect();
    let needs = split.prefetch_map.into_iter().map(|(part, files)| (part, with_ending(files))).collect();
    Ok(Parts { main: fs::read(second.join(MAIN))?, files, needs, loaders: fs::read_to_string(second.join(LINK))? })
}

fn take_apart(input: &[u8], folder: &Path) -> Result<SplitWasm> {
    fs::create_dir_all(folder)?;
    let main = folder.join(MAIN);
    let mut options = Options::new(input);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.link_name = LINK;
    options.main_module = BINDINGS;
    transform(options).map_err(|error| anyhow!("the console cannot be taken apart: {error:#}"))
}

impl Parts {
    /// The bindings with the loaders inside, in place of their import: both need each other, and two files that name each other by
    /// the hash of their content cannot be. `names`: each part's file → the name it is served by.
    pub fn link(&self, bindings: &str, names: &BTreeMap<String, String>) -> Result<String> {
        let imported = format!(" from \"{LINK}\"");
        let is_import = |line: &&str| line.starts_with("import * as ") && line.contains(&imported);
        let imports: Vec<&str> = bindings.lines().filter(is_import).collect();
        if imports.is_empty() {
            bail!(
                "the bindings do not import the loaders of the parts: the generator writes another form than expected"
            );
        }
        // The console says itself what could not be fetched, and tries again.
        let mut loaders = self.loaders.replace("console.error(e);", "");
        for (file, name) in names {
            loaders = loaders.replace(&format!("\"./{file}\""), &format!("\"./{name}\""));
        }
        let exported = loaders.lines().filter_map(|line| line.strip_prefix("export const ")?.split(' ').next());
        let mut linked = format!("const loaders = {{ {} }};\n", exported.collect::<Vec<_>>().join(", "));
        let own = loaders.lines().filter(|line| !line.starts_with("import "));
        let own: String = own.flat_map(|line| [line.trim_start_matches("export "), "\n"]).collect();
        // One import for each part, all of the same module.
        for import in &imports {
            let star = import.trim_start_matches("import * as ").split(' ').next().unwrap_or_default();
            linked.push_str(&format!("const {star} = loaders;\n"));
        }
        let rest: String = bindings.lines().filter(|line| !is_import(line)).flat_map(|line| [line, "\n"]).collect();
        Ok(format!("{own}{linked}{rest}"))
    }
}

/// Names of functions and compilers are for tools, and so is the space that the linker leaves in numbers.
fn compact(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse(wasm).context("a part is no WebAssembly that can be read")?;
    Ok(module.emit_wasm())
}
