//! Deno.

use boathouse_types::Topic;

use super::app::App;
use super::folder::{Folder, number_after};

const PORT: u16 = 8000;

/// A folder with a deno.json.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let config = folder.first(&["deno.json", "deno.jsonc"])?;
    let mut app = App::of(folder, "Deno");
    let json = folder.json(config).unwrap_or_default();
    app.found(Topic::Language, "TypeScript on Deno", folder, config, "runs on Deno");
    app.found(Topic::PackageManager, "deno", folder, config, "runs on Deno");
    if folder.has("deno.lock") {
        app.found(Topic::LockFile, "deno.lock", folder, "deno.lock", "pins the packages");
    }
    let imports = json["imports"].as_object().into_iter().flat_map(|map| map.values());
    let npm = imports.filter_map(|value| value.as_str()?.strip_prefix("npm:")).map(|rest| rest.trim_start_matches('@'));
    let names: Vec<&str> = npm.filter_map(|rest| rest.split('@').next()).collect();
    app.needs_of(folder, config, names.into_iter());
    let entry = folder.first(&["main.ts", "src/main.ts", "server.ts", "mod.ts", "main.js"]);
    let task = json["tasks"]["start"].is_string();
    app.runs = task || entry.is_some();
    match (task, entry) {
        (true, _) => app.found(Topic::Start, "deno task start", folder, config, "has the task start"),
        (false, Some(entry)) => app.found(Topic::Start, format!("deno run {entry}"), folder, entry, "is the program"),
        (false, None) => {}
    }
    let command = match (task, entry) {
        (true, _) => "[\"task\", \"start\"]".to_owned(),
        (false, entry) => {
            format!("[\"run\", \"--allow-net\", \"--allow-env\", \"--allow-read\", \"{}\"]", entry.unwrap_or("main.ts"))
        }
    };
    let text = entry.and_then(|entry| folder.text(entry)).unwrap_or_default();
    let number = number_after(&text, &["port:", "PORT\") ?? ", "PORT ?? "]);
    if let (Some(number), Some(entry)) = (number, entry) {
        app.found(Topic::Port, number.to_string(), folder, entry, format!("listens on {number}"));
    }
    let port = number.unwrap_or(PORT);
    app.usually(Topic::Port, port.to_string());
    app.port = Some(port);
    let cache = entry.map_or_else(String::new, |entry| format!("RUN deno cache {entry}\n"));
    app.ignore = ".git\nnode_modules\n.env\n.env.*\n";
    app.dockerfile = Some(format!(
        "FROM denoland/deno:debian-2.9.6\nENV PORT={port}\nWORKDIR /app\nCOPY . .\n{cache}EXPOSE {port}\nCMD {command}\n"
    ));
    Some(app)
}
