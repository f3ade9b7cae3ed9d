//! `boathouse setup-token`.

use serde_json::json;

use super::Context;
use super::failure::{Failure, Result};
use crate::auth::setup;
use crate::config::Paths;

/// Show the one-time token with which the console makes the first administrator
///
/// Reads it from the data directory, so it works on the server only, for whoever may read that.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args, context: &Context) -> Result<()> {
    let file = setup::file(&Paths { root: context.data_dir() });
    let token = std::fs::read_to_string(&file).map_err(|error| refused(&file, &error))?;
    context.out.result(&json!({ "token": token.trim() }), || token.trim().to_owned())
}

fn refused(file: &std::path::Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::new(
            boathouse_types::ErrorKind::NotFound,
            format!("there is no set-up token at {}", file.display()),
        )
        .hint("It is made at the server's first start and removed once an administrator exists.");
    }
    Failure::new(boathouse_types::ErrorKind::Forbidden, format!("{} cannot be read: {error}", file.display()))
        .hint("Run this as the user that runs the server.")
}
