//! The console is embedded from frontend/dist. Where it has not been built yet, a page that says so takes its place, so
//! that the server builds and is tested without a WebAssembly toolchain.

use std::path::Path;
use std::{fs, io};

const PLACEHOLDER: &str = "<!doctype html><meta charset=\"utf-8\"><title>Boathouse</title>\n\
<p>This binary was built without the console. Run frontend/build, then build it again.</p>\n";

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by its environment what it builds")]
fn main() -> io::Result<()> {
    let dist = Path::new("../frontend/dist");
    // A debug build reads the files when it runs; then a console that is built meanwhile is no reason to compile the server again.
    let embeds = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo:rerun-if-changed={}", if embeds { dist } else { Path::new("build.rs") }.display());
    // A megabyte of relocations in a few kilobytes; the linker and the C library of Debian 12 know the format.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), PLACEHOLDER)?;
    }
    Ok(())
}
