//! What many parts need belongs into the main file. The splitter would make a file for every combination of parts that share
//! something: hundreds of them, most of a few hundred bytes, which compress badly and are each a request. It leaves in the main file
//! whatever the module exports, so what is shared is exported while it splits, and no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use walrus::Module;
use wasm_encoder::{ExportKind, ExportSection, RawSection};
use wasm_split_cli_support::SplitWasm;
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// From so many parts on; a file for two of them is worth its request.
const MANY: usize = 3;
const MARK: &str = "shared ";

/// The functions that many parts need, by the names that the compiler gave them.
pub struct Shared(BTreeSet<String>);

impl Shared {
    /// Of a console that was taken apart.
    pub fn of(split: &SplitWasm) -> Result<Self> {
        let mut needed: BTreeMap<&str, usize> = BTreeMap::new();
        for file in split.prefetch_map.values().flatten() {
            *needed.entry(file).or_default() += 1;
        }
        let mut shared = BTreeSet::new();
        for path in &split.split_modules {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).context("a part's name is not UTF-8")?;
            if needed.get(stem).is_some_and(|parts| *parts >= MANY) {
                shared.extend(function_names(&fs::read(path)?)?.into_iter().map(|(_, name)| name));
            }
        }
        Ok(Self(shared))
    }

    /// The module, exporting these functions besides. Everything else stays byte for byte: the splitter looks for places in it.
    pub fn mark(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        let marked = function_names(wasm)?.into_iter().filter(|(_, name)| self.0.contains(name));
        let marked: Vec<u32> = marked.map(|(index, _)| index).collect();
        let mut module = wasm_encoder::Module::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Payload::ExportSection(exports) = &payload {
                let mut section = ExportSection::new();
                for export in exports.clone() {
                    let export = export?;
                    section.export(export.name, export.kind.into(), export.index);
                }
                for index in &marked {
                    section.export(&format!("{MARK}{index}"), ExportKind::Func, *index);
                }
                module.section(&section);
            } else if let Some((id, range)) = payload.as_section() {
                let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                module.section(&RawSection { id, data: &wasm[range] });
            }
        }
        Ok(module.finish())
    }
}

/// Takes the marks off again.
pub fn unmark(module: &mut Module) {
    let is_mark = |export: &&walrus::Export| export.name.starts_with(MARK);
    let marks: Vec<_> = module.exports.iter().filter(is_mark).map(walrus::Export::id).collect();
    marks.into_iter().for_each(|mark| module.exports.delete(mark));
}

/// Index and name of each function that has one.
fn function_names(wasm: &[u8]) -> Result<Vec<(u32, String)>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(subsections) = section.as_known() else { continue };
        for subsection in subsections {
            let Name::Function(functions) = subsection? else { continue };
            for function in functions {
                let function = function?;
                names.push((function.index, function.name.to_owned()));
            }
        }
    }
    Ok(names)
}
