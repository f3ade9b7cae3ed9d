//! Deno.

use super::app::App;
use super::folder::{Folder, number_after};

const PORT: u16 = 8000;

/// A folder with a deno.json.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let config = folder.first(&["deno.json", "deno.jsonc"])?;
    let mut app = App::of(folder, "Deno");
    let json = folder.json(config).unwrap_or_default();
    app.saw(folder, config, "runs on Deno");
    let imports = json["imports"].as_object().into_iter().flat_map(|map| map.values());
    let npm = imports.filter_map(|value| value.as_str()?.strip_prefix("npm:")).map(|rest| rest.trim_start_matches('@'));
    let names: Vec<&str> = npm.filter_map(|rest| rest.split('@').next()).collect();
    app.needs_of(folder, config, names.into_iter());
    let entry = folder.first(&["main.ts", "src/main.ts", "server.ts", "mod.ts", "main.js"]);
    let task = json["tasks"]["start"].is_string();
    app.runs = task || entry.is_some();
    let command = match (task, entry) {
        (true, _) => "[\"task\", \"start\"]".to_owned(),
        (false, entry) => {
            format!("[\"run\", \"--allow-net\", \"--allow-env\", \"--allow-read\", \"{}\"]", entry.unwrap_or("main.ts"))
        }
    };
    let text = entry.and_then(|entry| folder.text(entry)).unwrap_or_default();
    let port = number_after(&text, &["port:", "PORT\") ?? ", "PORT ?? "]).unwrap_or(PORT);
    app.port = Some(port);
    let cache = entry.map_or_else(String::new, |entry| format!("RUN deno cache {entry}\n"));
    app.ignore = ".git\nnode_modules\n.env\n.env.*\n";
    app.dockerfile = Some(format!(
        "FROM denoland/deno:debian-2.1.4\nENV PORT={port}\nWORKDIR /app\nCOPY . .\n{cache}EXPOSE {port}\nCMD {command}\n"
    ));
    Some(app)
}
