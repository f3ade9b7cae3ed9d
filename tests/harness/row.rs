//! Rows as the server writes them, for stories that begin with them.

use boathouse::db::release::NewRow;
use boathouse_types::{Source, Trigger};

/// A release that somebody asked for, of an upload.
pub fn by_hand() -> NewRow<'static> {
    NewRow {
        trigger: &Trigger::Manual,
        actor: "test",
        source: &Source::Upload,
        reference: None,
        upload: None,
        no_cache: false,
    }
}
