# shellcheck shell=bash
# Sourced by frontend/build, install.sh, tests/run and .ci/release: finds what compiles Boathouse, or installs it.
#
# After `toolchain_native`, cargo_native runs the cargo that builds for this machine; after `toolchain_wasm`, cargo_wasm
# runs the one that builds the console. They differ where the first has no standard library for wasm32 and cannot
# download one: Debian's rustc-web then builds that library from source.
# Needs say, die, packages and processor from install.sh.

rust_needed=1.95
build_cache=${XDG_CACHE_HOME:-$HOME/.cache}/boathouse
wasm_target=wasm32-unknown-unknown

toolchain_native() {
  local found
  command -v cc >/dev/null 2>&1 || packages gcc libc6-dev
  for found in "$(command -v cargo || true)" "$HOME/.cargo/bin/cargo" /usr/bin/cargo; do
    [ -x "$found" ] && new_enough "$found" || continue
    native_cargo=$found
    return
  done
  say "no Rust $rust_needed or newer here: installing Debian's rustc-web and cargo-web"
  packages gcc libc6-dev rustc-web cargo-web
  new_enough /usr/bin/cargo || die "the distribution's Rust is older than $rust_needed" \
    "install Rust $rust_needed or newer (https://rustup.rs) and run this again"
  native_cargo=/usr/bin/cargo
}

toolchain_wasm() {
  [ -n "${native_cargo:-}" ] || toolchain_native
  local sysroot
  sysroot=$(rustc_beside "$native_cargo" --print target-libdir --target "$wasm_target" 2>/dev/null || true)
  if [ -n "$sysroot" ] && compgen -G "$sysroot/libstd-*.rlib" >/dev/null; then
    wasm_cargo=$native_cargo
    wasm_std=installed
    return
  fi
  if ! { [ -x /usr/bin/cargo ] && new_enough /usr/bin/cargo && [ -d /usr/lib/rustlib/src/rust/library ] && command -v wasm-ld-19 >/dev/null; }; then
    packages rustc-web cargo-web rust-web-src lld-19
  fi
  wasm_cargo=/usr/bin/cargo
  wasm_std=source
}

# The rustc that belongs to a cargo: the one in the same folder. Others on the PATH may be of another version.
rustc_beside() { local cargo=$1; shift; "$(dirname "$cargo")/rustc" "$@"; }

new_enough() {
  local version
  version=$("$1" --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
  [ -n "$version" ] && [ -x "$(dirname "$1")/rustc" ] && [ "$(printf '%s\n' "$rust_needed" "$version" | sort -V | head -n 1)" = "$rust_needed" ]
}

# Its own folder comes first on the PATH, so that it finds its own rustc, rustfmt and clippy.
cargo_native() { PATH="$(dirname "$native_cargo"):$PATH" "$native_cargo" "$@"; }

# Runs `cargo build` for the console; its own target folder, because its compiler may not be the native one.
#
# Views without their types are fewer functions, and the relocations let the packer take the console apart. A library that
# is built here is built for size, too: nobody sees where a panic was in a browser.
cargo_wasm() {
  local options=(--target "$wasm_target" --target-dir "$console_target")
  local environment=(RUSTC="$(dirname "$wasm_cargo")/rustc")
  local flags="--cfg=erase_components -Clink-args=--emit-relocs"
  if [ "$wasm_std" = source ]; then
    options+=(-Z "build-std=std,panic_abort" -Z build-std-features=optimize_for_size)
    environment+=(RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19)
    flags+=" -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none"
  fi
  env RUSTFLAGS="$flags" "${environment[@]}" "$wasm_cargo" build "${options[@]}" "$@"
}

# The locked version of a crate: locked_version LOCKFILE NAME
locked_version() { awk -v name="name = \"$2\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' "$1"; }

# The machine's target for the static binary.
native_target() {
  local machine
  machine=$(processor) || exit 1
  echo "$machine-unknown-linux-gnu"
}

# Builds the static binary with the console inside and prints its path: build_static PROFILE
build_static() {
  local profile=$1 target binary
  target=$(native_target)
  [ -f "$repository/frontend/dist/index.html" ] || die "there is no console to embed" "run frontend/build first"
  (cd "$repository" && RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo_native build --locked --profile "$profile" --target "$target" -p boathouse --bin boathouse) >&2 ||
    die "the binary does not build" "the compiler's message above says why"
  case $profile in dev) profile=debug ;; esac
  binary=${CARGO_TARGET_DIR:-$repository/target}/$target/$profile/boathouse
  is_static "$binary" || die "$binary is not static" "it would not run in an image FROM scratch; check the C libraries that it links"
  echo "$binary"
}

# A static binary asks for no interpreter: the kernel alone can start it.
is_static() { ! readelf --program-headers "$1" | grep -q INTERP; }
