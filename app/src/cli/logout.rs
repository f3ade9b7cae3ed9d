//! `boathouse logout`.

use serde_json::json;

use super::Context;
use super::client::canonical;
use super::credentials::Credentials;
use super::failure::{Failure, Result};

/// Forget the stored token of a server
///
/// The token itself stays valid until it ends: `boathouse token revoke` ends it at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The console's address; the one signed in to last where absent
    #[arg(value_name = "URL")]
    address: Option<String>,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let mut stored = Credentials::load()?;
    let base = match (&args.address, &stored.current) {
        (Some(address), _) => canonical(address)?,
        (None, Some(current)) => current.clone(),
        (None, None) => return Err(Failure::invalid("nobody is signed in")),
    };
    if stored.servers.remove(&base).is_none() {
        return Err(Failure::invalid(format!("no token is stored for {base}")));
    }
    stored.current = stored.current.filter(|current| *current != base);
    stored.save()?;
    context.out.result(&json!({ "signed_out": base }), || format!("The token for {base} is forgotten."))
}
