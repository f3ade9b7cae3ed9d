//! `boathouse ca`.

use reqwest::Method;
use serde_json::json;

use super::Context;
use super::failure::{Failure, Result};

/// Print the root certificate of the internal CA, to trust on the machines that open internal names
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args, context: &Context) -> Result<()> {
    let answer = context.client()?.raw(Method::GET, "/ca.pem", |request| request).await?;
    let pem =
        answer.text().await.map_err(|error| Failure::unavailable(format!("the answer was cut short: {error}")))?;
    context.out.result(&json!({ "pem": pem }), || pem.clone())
}
