//! A folder with a Dockerfile: it is what the Dockerfile says, whatever else is there.

use boathouse_types::Topic;

use super::app::App;
use super::folder::Folder;

/// Its port is the first that it exposes.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let text = folder.text("Dockerfile")?;
    let mut app = App::of(folder, "Dockerfile");
    app.found(Topic::Start, "the image's own", folder, "Dockerfile", "makes the image; what is there of its own wins");
    match exposed(&text) {
        Some(port) => {
            app.port = Some(port);
            app.found(
                Topic::Port,
                port.to_string(),
                folder,
                "Dockerfile",
                format!("EXPOSE {port}: the port that it listens on"),
            );
        }
        None => app.warn("the Dockerfile exposes no port: the server must listen on $PORT, or add EXPOSE"),
    }
    if let Some(json) = folder.json("package.json") {
        let packages: Vec<String> = super::node_packages::dependencies(&json);
        app.needs_of(folder, "package.json", packages.iter().map(String::as_str));
    }
    Some(app)
}

/// Of the last stage, because that is the image.
fn exposed(text: &str) -> Option<u16> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is = |line: &str, word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let last = lines.iter().rposition(|line| is(line, "FROM ")).unwrap_or(0);
    let mut exposed = lines[last..].iter().filter(|line| is(line, "EXPOSE "));
    exposed.find_map(|line| line[7..].split_whitespace().next()?.split('/').next()?.parse().ok())
}
