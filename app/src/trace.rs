//! The server's own log: lines for people or JSON objects, on standard error, levels by flag.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::LogFormat;
use crate::error::{Result, invalid};

/// Libraries that tell at `info` what only their authors need.
const QUIET: [&str; 5] = ["actix_server", "actix_web", "rustls", "hyper", "rustls_acme"];

/// Starts logging; `levels` reads `info` or `warn,boathouse::edge=debug`.
///
/// # Errors
/// The levels cannot be read.
pub fn start(levels: &str, format: LogFormat) -> Result<()> {
    let mut filter: Targets = levels.parse().map_err(|error| {
        invalid(format!("--log \"{levels}\" cannot be read: {error}"))
            .hint("Write a level, as in info, or pairs, as in warn,boathouse=debug.")
    })?;
    if !levels.contains('=') && !levels.contains("debug") && !levels.contains("trace") {
        for target in QUIET {
            filter = filter.with_target(target, tracing::Level::WARN);
        }
    }
    let lines = fmt::layer().with_writer(std::io::stderr);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => {
            lines.with_ansi(rustix::termios::isatty(std::io::stderr())).with_target(false).with_filter(filter).boxed()
        }
    };
    // A second start in one process (tests) keeps the first.
    drop(Registry::default().with(layer).try_init());
    Ok(())
}
