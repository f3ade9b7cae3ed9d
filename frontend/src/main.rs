//! The console: a single-page application over the public API.

mod app;
mod session;
mod api;
mod reach;
mod stream;
mod live;
mod parts;
mod pages;
mod components;
mod log_store;
mod log_buffer;
mod ansi;
mod stack_choice;
mod scope;
mod canvas;
mod palette;
mod format;
mod happened;
mod download;

fn main() {
    leptos::mount::mount_to_body(app::App);
}
