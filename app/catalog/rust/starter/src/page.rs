//! The page, as HTML.

/// What the first page shows.
pub fn page(visits: i64, store: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body><h1>{{project}}</h1><p>Visit number {visits}, counted in {store}.</p></body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_the_count_and_where_it_is_kept() {
        assert!(super::page(7, "memory").contains("Visit number 7, counted in memory."));
    }
}
