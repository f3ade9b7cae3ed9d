//! The page, as HTML.

/// What the first page shows.
pub fn page(visits: i64, store: &str, received: u64, broker: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body>
    <h1>{{project}}</h1>
    <p>Visit number {visits}, counted in {store}.</p>
    <form method="post" action="/messages"><button>Send a message</button></form>
    <p>Messages received from {broker}: {received}.</p>
  </body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn the_page_shows_the_count_and_where_it_is_kept() {
        assert!(page(7, "memory", 3, "a broker").contains("Visit number 7, counted in memory."));
    }

    #[test]
    fn the_page_shows_what_was_received_and_sends_more() {
        let html = page(7, "memory", 3, "a broker");
        assert!(html.contains("Messages received from a broker: 3."));
        assert!(html.contains(r#"<form method="post" action="/messages">"#));
    }
}
